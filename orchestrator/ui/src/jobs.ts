import { ApiError, getJson, reason, request, session } from "./api";
import { serverEvents } from "./sse";
import { Store } from "./store";
import {
  type Asset,
  FILM_STAGES,
  fields,
  isOver,
  items,
  type Job,
  type JobEvent,
  readJob,
  readJobEvent,
  readPanels,
  stageName,
  uniqueAssets,
} from "./wire";

/** What is known of one job; `problem` says why it may be out of date. */
export interface JobView {
  readonly job: Job | null;
  readonly pictures: readonly Asset[];
  readonly problem: string | null;
}

interface Watch {
  readonly view: Store<JobView>;
  watchers: number;
  stop: AbortController;
}

// Heartbeats come every 15 s.
const SILENCE_MS = 45_000;
const POLL_MS = 4_000;
const PANELS_MS = 1_500;
const LIST_MS = 5_000;
const LONGEST_WAIT_MS = 15_000;
// A browser opens six connections to one origin over HTTP/1.1; streams must leave some for everything else.
const MOST_STREAMS = 3;

const watches = new Map<string, Watch>();
let streams = 0;

export function jobView(id: string): Store<JobView> {
  return watchOf(id).view;
}

/** Keeps the view of job `id` up to date until the returned function is called. One stream serves all watchers. */
export function watchJob(id: string): () => void {
  const watch = watchOf(id);
  watch.watchers += 1;
  if (watch.watchers === 1) {
    watch.stop = new AbortController();
    void follow(id, watch.view, watch.stop.signal);
  }
  return () => {
    watch.watchers -= 1;
    if (watch.watchers === 0) watch.stop.abort(new DOMException("No longer watched", "AbortError"));
  };
}

function watchOf(id: string): Watch {
  const known = watches.get(id);
  if (known) return known;
  const watch: Watch = {
    view: new Store<JobView>({ job: null, pictures: [], problem: null }),
    watchers: 0,
    stop: new AbortController(),
  };
  watches.set(id, watch);
  return watch;
}

/** Follows a job to its end through lost connections, restarts of the server and sign-ins. */
async function follow(id: string, view: Store<JobView>, signal: AbortSignal): Promise<void> {
  const panels = new Panels(view, signal);
  const unsubscribe = view.subscribe(() => void panels.refresh());
  let lastEventId = "";
  let failures = 0;
  const remember = (eventId: string): void => {
    lastEventId = eventId || lastEventId;
    failures = 0;
  };
  while (!signal.aborted && !isSettled(view.get())) {
    try {
      if (streams < MOST_STREAMS) await streamJob(id, view, lastEventId, remember, signal);
      else await pollJob(id, view, signal);
    } catch (error) {
      if (signal.aborted) break;
      view.patch({ problem: reason(error) });
      if (error instanceof ApiError && error.status === 404) break;
      if (error instanceof ApiError && error.status === 401) await signedIn(signal);
    }
    if (isSettled(view.get())) break;
    await pause(Math.min(LONGEST_WAIT_MS, 500 * 2 ** failures), signal);
    failures += 1;
  }
  unsubscribe();
}

function isSettled({ job }: JobView): boolean {
  return job !== null && isOver(job) && (job.status !== "succeeded" || job.result !== null);
}

async function streamJob(
  id: string,
  view: Store<JobView>,
  lastEventId: string,
  remember: (eventId: string) => void,
  signal: AbortSignal,
): Promise<void> {
  streams += 1;
  try {
    const headers: Record<string, string> = lastEventId ? { "Last-Event-ID": lastEventId } : {};
    const response = await request(`/api/jobs/${encodeURIComponent(id)}/stream`, { headers, signal });
    if (!response.body) return;
    for await (const event of serverEvents(response.body, SILENCE_MS)) {
      remember(event.id);
      if (event.data === "[DONE]") break;
      show(view, readJobEvent(event.data));
    }
  } finally {
    streams -= 1;
  }
  // Events may carry a shortened job; the row itself has the whole result.
  if (!isSettled(view.get())) await readRow(id, view, signal);
}

async function pollJob(id: string, view: Store<JobView>, signal: AbortSignal): Promise<void> {
  await readRow(id, view, signal);
  if (!isSettled(view.get())) await pause(POLL_MS, signal);
}

async function readRow(id: string, view: Store<JobView>, signal: AbortSignal): Promise<void> {
  const row = await getJson(`/api/jobs/${encodeURIComponent(id)}`, signal);
  show(view, { job: readJob(row), stage: "", progress: null, assets: [] });
}

function show(view: Store<JobView>, event: JobEvent): void {
  const next = afterEvent(view.get(), event);
  view.set(next);
  const { job } = next;
  // The list is polled; a followed job is known sooner.
  if (job) jobList.patch({ jobs: jobList.get().jobs.map((other) => (other.id === job.id ? job : other)) });
}

function afterEvent(view: JobView, event: JobEvent): JobView {
  const base = event.job ?? view.job;
  if (base === null) return { ...view, problem: null };
  const job: Job = {
    ...base,
    title: base.title || (view.job?.title ?? ""),
    stage: base.stage || event.stage || (view.job?.stage ?? ""),
    progress: Math.max(base.progress, event.progress ?? 0, view.job?.progress ?? 0),
    result: base.result ?? view.job?.result ?? null,
  };
  const found = [...view.pictures, ...event.assets, ...(job.result?.assets ?? [])].filter(isPicture);
  return { job, pictures: uniqueAssets(found), problem: null };
}

function isPicture(asset: Asset): boolean {
  const image = asset.mediaType.startsWith("image/") || /\.(png|jpe?g|webp|avif)$/i.test(asset.url);
  return image && asset.key !== "poster";
}

/** Storyboard panels while a film is made: its row names them, the job's events only tell that there are more. */
class Panels {
  readonly #view: Store<JobView>;
  readonly #signal: AbortSignal;
  #busy = false;
  #complete = false;

  constructor(view: Store<JobView>, signal: AbortSignal) {
    this.#view = view;
    this.#signal = signal;
  }

  async refresh(): Promise<void> {
    const job = this.#view.get().job;
    if (this.#busy || this.#complete || job?.kind !== "film.run" || isOver(job)) return;
    const beyond = FILM_STAGES.indexOf(stageName(job)) - FILM_STAGES.indexOf("storyboard");
    if (beyond < 0) return;
    this.#busy = true;
    try {
      const found = readPanels(await getJson(`/api/films/${encodeURIComponent(job.filmId)}`, this.#signal));
      this.#complete = beyond > 0;
      this.#view.patch({ pictures: uniqueAssets([...this.#view.get().pictures, ...found]) });
    } catch {
      // The panels come with the result at the latest.
    }
    await pause(PANELS_MS, this.#signal);
    this.#busy = false;
  }
}

export async function cancelJob(id: string): Promise<void> {
  await request(`/api/jobs/${encodeURIComponent(id)}/cancel`, { method: "POST" });
}

/** The latest jobs. An error leaves the last known list standing and says so. */
export const jobList = new Store<{ jobs: readonly Job[]; loaded: boolean; problem: string | null }>({
  jobs: [],
  loaded: false,
  problem: null,
});

/** Refreshes the list every few seconds while the page is looked at, until the returned function is called. */
export function watchJobList(): () => void {
  const stop = new AbortController();
  void (async () => {
    while (!stop.signal.aborted) {
      if (!document.hidden) await refreshJobList(stop.signal);
      await pause(LIST_MS, stop.signal);
    }
  })();
  return () => stop.abort(new DOMException("No longer watched", "AbortError"));
}

export async function refreshJobList(signal?: AbortSignal): Promise<void> {
  try {
    const body = fields(await getJson("/api/jobs?limit=20", signal));
    jobList.set({ jobs: items(body["data"]).map(readJob), loaded: true, problem: null });
  } catch (error) {
    if (!signal?.aborted) jobList.patch({ problem: reason(error) });
  }
}

async function signedIn(signal: AbortSignal): Promise<void> {
  await session.until(({ needed }) => !needed, signal).catch(() => undefined);
}

/** Waits; an abort ends the wait early and quietly. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
