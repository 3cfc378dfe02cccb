import { Dialog } from "@base-ui/react/dialog";
import { Progress } from "@base-ui/react/progress";
import { Ban, CircleAlert, Download, Film, Image, X } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { reason } from "./api";
import { cancelJob, jobView, watchJob } from "./jobs";
import { jobHash } from "./route";
import { useStore } from "./store";
import { type Asset, FILM_STAGES, isOver, type Job, type JobResult, stageName } from "./wire";

export const STATUS_WORDS = {
  queued: "Waiting its turn",
  running: "Working",
  succeeded: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
} as const;

/** One job, live: its stages and bar while it works, then what it made. */
export function JobCard({ id }: { id: string }): ReactNode {
  useEffect(() => watchJob(id), [id]);
  const { job, pictures, problem } = useStore(jobView(id));
  if (job === null) {
    return (
      <article className="job-card" aria-busy={problem === null}>
        <p className="quiet">{problem ?? "Looking for this job…"}</p>
      </article>
    );
  }
  return (
    <article className="job-card" data-status={job.status} data-job={job.id} aria-label={jobTitle(job)}>
      <JobHead job={job} />
      {isOver(job) ? null : <JobProgress job={job} />}
      {problem && !isOver(job) ? (
        <p className="notice" role="status">
          {problem} What you see was last known; trying again.
        </p>
      ) : null}
      {job.error && job.status !== "succeeded" ? (
        <p className="notice bad" role="alert">
          <CircleAlert /> {job.error}
        </p>
      ) : null}
      {job.result ? <JobResultView title={jobTitle(job)} result={job.result} /> : null}
      <Pictures pictures={pictures} />
      {job.result ? <JobLabels result={job.result} /> : null}
    </article>
  );
}

export function jobTitle(job: Job): string {
  return job.title || { "film.run": "Film", "image.generate": "Picture" }[job.kind] || job.kind || "Job";
}

function JobHead({ job }: { job: Job }): ReactNode {
  return (
    <header className="job-head">
      {job.kind.startsWith("image") ? <Image /> : <Film />}
      <h3>
        <a href={jobHash(job.id)}>{jobTitle(job)}</a>
      </h3>
      <span className="status" data-status={job.status}>
        {STATUS_WORDS[job.status]}
      </span>
      {isOver(job) ? null : <CancelButton id={job.id} />}
    </header>
  );
}

function CancelButton({ id }: { id: string }): ReactNode {
  const [state, setState] = useState<"idle" | "asked">("idle");
  const [problem, setProblem] = useState("");
  const cancel = async (): Promise<void> => {
    setState("asked");
    setProblem("");
    try {
      await cancelJob(id);
    } catch (error) {
      setState("idle");
      setProblem(reason(error));
    }
  };
  return (
    <button type="button" className="button small" disabled={state === "asked"} onClick={cancel} title={problem}>
      <Ban /> {state === "asked" ? "Cancelling…" : problem ? "Cancel again" : "Cancel"}
    </button>
  );
}

function JobProgress({ job }: { job: Job }): ReactNode {
  const at = FILM_STAGES.indexOf(stageName(job));
  const percent = Math.floor(job.progress * 100);
  return (
    <div className="job-progress">
      <Progress.Root className="progress" value={percent} aria-label={`Progress of ${jobTitle(job)}`}>
        <Progress.Track className="progress-track">
          <Progress.Indicator className="progress-bar" />
        </Progress.Track>
      </Progress.Root>
      <p className="progress-words">
        <span>{job.status === "queued" ? "Queued" : (job.stage || "starting").replace("/", " · ")}</span>
        <span>
          {percent} %{job.etaS === null ? "" : ` · ${remaining(job.etaS)}`}
        </span>
      </p>
      {job.kind === "film.run" ? (
        <ol className="stages" aria-label="Stages">
          {FILM_STAGES.map((name, index) => (
            <li
              key={name}
              data-state={index < at ? "done" : index === at ? "now" : "todo"}
              aria-current={index === at ? "step" : undefined}
            >
              {name}
            </li>
          ))}
        </ol>
      ) : null}
    </div>
  );
}

/** Seconds left, as people say it. */
export function remaining(seconds: number): string {
  if (seconds < 2) return "a moment left";
  if (seconds < 60) return `about ${Math.ceil(seconds)} s left`;
  if (seconds < 3600) return `about ${Math.round(seconds / 60)} min left`;
  return `about ${(seconds / 3600).toFixed(1)} h left`;
}

function JobResultView({ title, result }: { title: string; result: JobResult }): ReactNode {
  const video = result.assets.find(({ key }) => key === "master") ?? result.assets.find(isVideo);
  const poster = result.assets.find((asset) => asset.key === "poster");
  const captions = result.assets.find((asset) => asset.url.endsWith(".vtt"));
  if (!video) return null;
  return (
    // Subtitles exist only when they were asked for
    <video
      className="player"
      controls
      playsInline
      preload="metadata"
      poster={poster?.url}
      src={video.url}
      title={title}
    >
      {captions ? <track kind="subtitles" src={captions.url} /> : null}
    </video>
  );
}

function isVideo(asset: Asset): boolean {
  return asset.mediaType.startsWith("video/") || /\.(mp4|webm)$/i.test(asset.url);
}

function JobLabels({ result }: { result: JobResult }): ReactNode {
  const files = result.assets
    .filter((asset) => asset.key !== "storyboard" && asset.key !== "poster")
    .sort((one, other) => fileRank(one) - fileRank(other));
  const honest = [
    result.renderer && `renderer: ${result.renderer}`,
    result.fidelity && `fidelity: ${result.fidelity}`,
    result.plannedBy && `planned by: ${result.plannedBy}`,
  ].filter(Boolean);
  return (
    <footer className="job-labels">
      <ul className="chips">
        {result.facts.map((fact) => (
          <li key={fact}>{fact}</li>
        ))}
        {honest.map((label) => (
          <li key={label} className="honest">
            {label}
          </li>
        ))}
      </ul>
      {result.depicted.length > 0 ? (
        <p className="quiet">
          <b>Depicted:</b> {result.depicted.join(", ")}
        </p>
      ) : null}
      {result.notDepicted.length > 0 ? (
        <p className="quiet">
          <b>Not depicted:</b> {result.notDepicted.join(", ")}
        </p>
      ) : null}
      {result.notes.length > 0 ? (
        <details className="fold">
          <summary>Notes</summary>
          <ul>
            {result.notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </details>
      ) : null}
      {files.length > 0 ? (
        <ul className="files">
          {files.map((asset) => (
            <li key={asset.url}>
              <a href={asset.url} download={asset.name} target="_blank" rel="noopener">
                <Download /> {fileLabel(asset)}
              </a>
            </li>
          ))}
        </ul>
      ) : null}
    </footer>
  );
}

/** Names for a film's files, in the order in which they are offered. */
const FILES = new Map([
  ["master", "Film, MP4"],
  ["subtitles", "Subtitles"],
  ["subtitles_vtt", "Subtitles, VTT"],
  ["otio", "Timeline, OTIO"],
  ["edl", "Edit list, EDL"],
  ["qc", "Quality report"],
  ["animatic", "Animatic"],
]);

function fileLabel(asset: Asset): string {
  return FILES.get(asset.key) ?? asset.name;
}

function fileRank(asset: Asset): number {
  const rank = [...FILES.keys()].indexOf(asset.key);
  return rank < 0 ? FILES.size : rank;
}

/** Storyboard panels, or the pictures that were asked for; each opens large. */
function Pictures({ pictures }: { pictures: readonly Asset[] }): ReactNode {
  const [open, setOpen] = useState<Asset | null>(null);
  if (pictures.length === 0) return null;
  const name = (asset: Asset): string =>
    [`Picture ${pictures.indexOf(asset) + 1}`, asset.caption].filter(Boolean).join(": ");
  return (
    <>
      <ul className="pictures" data-count={Math.min(pictures.length, 3)} aria-label="Storyboard">
        {pictures.map((asset) => (
          <li key={asset.url}>
            <button type="button" onClick={() => setOpen(asset)}>
              <img src={asset.url} alt={name(asset)} loading="lazy" />
            </button>
          </li>
        ))}
      </ul>
      <Dialog.Root open={open !== null} onOpenChange={(isOpen) => !isOpen && setOpen(null)}>
        <Dialog.Portal>
          <Dialog.Backdrop className="backdrop" />
          <Dialog.Popup className="lightbox">
            <Dialog.Title className="visually-hidden">{open ? name(open) : ""}</Dialog.Title>
            {open ? <img src={open.url} alt={name(open)} /> : null}
            <Dialog.Close className="icon-button" aria-label="Close">
              <X />
            </Dialog.Close>
          </Dialog.Popup>
        </Dialog.Portal>
      </Dialog.Root>
    </>
  );
}
