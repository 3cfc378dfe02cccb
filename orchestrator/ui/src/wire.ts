/*
 * What the server sends, read tolerantly: a missing or strange field becomes an empty one, an unknown field is ignored.
 * Above this file only these types are seen.
 */

export interface Conversation {
  readonly id: string;
  readonly title: string;
}

/** One line of the committee's minutes. */
export interface Step {
  readonly stage: string;
  readonly member: string;
  readonly event: string;
  readonly detail: string;
}

/** A call that waits for the user's word. */
export interface HeldCall {
  readonly id: string;
  readonly name: string;
  readonly args: readonly { readonly name: string; readonly value: string }[];
}

/** What one member read and wrote, in tokens; `hidden` is the part of `wrote` that is no answer. */
export interface Usage {
  readonly member: string;
  readonly read: number;
  readonly wrote: number;
  readonly hidden: number;
}

/** What the user said about calls that wait, by their ids. */
export interface Decided {
  readonly confirm: readonly string[];
  readonly leave: readonly string[];
}

/** How the members stood at the end of a turn. */
export interface Outcome {
  /** "agreed", "compatible", "decided", "split", "single" or "solo"; empty for a turn that was broken off. */
  readonly agreement: string;
  /** "auto", "deep" or "solo". */
  readonly mode: string;
  /** Why one member answered alone. */
  readonly route: string;
  /** The model that spoke. */
  readonly model: string;
  readonly usage: readonly Usage[];
  readonly degraded: boolean;
  readonly speaker: string;
  /** "ok", "silent" or what went wrong, by member. */
  readonly members: ReadonlyMap<string, string>;
  /** The whole sentence for what went wrong, by member. */
  readonly causes: ReadonlyMap<string, string>;
  /** What settled it: "agreement", "evidence", "verdicts" and the like; empty when there was nothing to settle. */
  readonly decidedBy: string;
  /** Who holds what the answer says. */
  readonly agreed: readonly string[];
  /** What each other member holds instead. */
  readonly dissent: ReadonlyMap<string, string>;
  readonly spokeBecause: string;
  /** "whole", "routed" or "packed". */
  readonly fit: string;
  /** How the conversation was made to fit, when it did not. */
  readonly context: string;
  readonly held: readonly HeldCall[];
}

/** A file that the user attached; `url` is same-origin. */
export interface Attachment {
  readonly url: string;
  readonly name: string;
}

export interface StoredMessage {
  readonly id: string;
  readonly role: "user" | "assistant";
  readonly content: string;
  readonly reasoning: string;
  readonly outcome: Outcome | null;
  readonly jobIds: readonly string[];
  readonly steps: readonly Step[];
  readonly attachments: readonly Attachment[];
  readonly decided: Decided;
  /** In ms since the epoch; 0 when it is not known. */
  readonly createdAt: number;
  /** "stop", "cancelled", "error" and the like; empty when it is not known. */
  readonly finish: string;
}

/** One piece of a streamed answer. */
export interface Chunk {
  readonly content: string;
  readonly reasoning: string;
  readonly step: Step | null;
  readonly outcome: Outcome | null;
  readonly jobIds: readonly string[];
  readonly finished: boolean;
  readonly error: string | null;
}

/** A file that a job made; `url` is same-origin wherever the server serves it. */
export interface Asset {
  readonly key: string;
  readonly url: string;
  readonly name: string;
  readonly mediaType: string;
  readonly caption: string;
}

export type JobStatus = "queued" | "running" | "succeeded" | "failed" | "cancelled";

export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly status: JobStatus;
  readonly progress: number;
  readonly stage: string;
  readonly etaS: number | null;
  readonly title: string;
  /** The film that a film job makes. */
  readonly filmId: string;
  readonly error: string | null;
  readonly updatedAt: string;
  readonly result: JobResult | null;
}

export interface JobResult {
  readonly assets: readonly Asset[];
  /** Short measured facts: size, rate, length. */
  readonly facts: readonly string[];
  readonly renderer: string;
  readonly fidelity: string;
  readonly plannedBy: string;
  readonly depicted: readonly string[];
  readonly notDepicted: readonly string[];
  /** Where the result is not quite what was asked, and why. */
  readonly notes: readonly string[];
}

export interface JobEvent {
  readonly job: Job | null;
  readonly stage: string;
  readonly progress: number | null;
  readonly assets: readonly Asset[];
}

export interface Member {
  readonly name: string;
  readonly model: string;
  readonly ok: boolean;
  /** A scripted stand-in that answers without a model. */
  readonly offline: boolean;
  /** What is unusual, and what to do about it. */
  readonly note: string;
}

export interface Health {
  readonly databaseOk: boolean;
  readonly degraded: boolean;
  readonly members: readonly Member[];
}

export interface Model {
  readonly id: string;
  readonly label: string;
}

type Fields = Readonly<Record<string, unknown>>;

export function fields(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

export function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function texts(value: unknown): string[] {
  return items(value).map(text).filter(Boolean);
}

/** JSON that may be broken reads as an empty object. */
export function parse(json: string): Fields {
  try {
    return fields(JSON.parse(json));
  } catch {
    return {};
  }
}

export function readConversation(value: unknown): Conversation {
  const row = fields(value);
  return { id: text(row["id"]), title: inPlainSight(text(row["title"])) || "New conversation" };
}

export function readMessage(value: unknown): StoredMessage {
  const row = fields(value);
  const content = text(row["content"]);
  const committee = fields(row["committee"]);
  return {
    id: text(row["id"]),
    role: row["role"] === "user" ? "user" : "assistant",
    content,
    reasoning: text(row["reasoning"]) || text(row["reasoning_content"]),
    outcome: readOutcome(committee),
    jobIds: unique([...texts(row["job_ids"]), ...jobIdsIn(committee["tool_results"]), ...jobIdsOf(content)]),
    steps: items(row["steps"])
      .map((step) => readStep(fields(step)))
      .filter((step) => step !== null),
    attachments: items(row["attachments"])
      .map(readAttachment)
      .filter((attachment) => attachment !== null),
    decided: { confirm: texts(committee["confirm"]), leave: texts(committee["leave"]) },
    createdAt: Date.parse(text(row["created_at"])) || 0,
    finish: text(row["finish_reason"]),
  };
}

/** What POST /upload answers, or what a stored message names; null for an address that is not ours. */
export function readAttachment(value: unknown): Attachment | null {
  const row = fields(value);
  const url = ownUrl(text(row["url"]));
  return url ? { url, name: inPlainSight(text(row["name"]) || fileName(url)) } : null;
}

export function isPicture(name: string): boolean {
  return /\.(png|jpe?g|webp|gif|avif|bmp)$/i.test(name);
}

export function readChunk(data: string): Chunk {
  const chunk = parse(data);
  const choice = fields(items(chunk["choices"])[0]);
  const delta = fields(choice["delta"]);
  const committee = fields(chunk["committee"]);
  const step = readStep(committee);
  return {
    content: text(delta["content"]),
    // A step's chunk may carry the same step as a line of reasoning, for clients that do not know the field.
    reasoning: step ? "" : text(delta["reasoning_content"]) || text(delta["reasoning"]),
    step,
    outcome: readOutcome(committee),
    jobIds: jobIdsIn(committee["tool_results"]),
    finished: text(choice["finish_reason"]) !== "",
    error: chunk["error"] === undefined ? null : errorText(chunk) || "The server broke off the answer.",
  };
}

function readStep(committee: Fields): Step | null {
  const stage = text(committee["stage"]);
  if (!stage) return null;
  const [member, event, detail] = [committee["member"], committee["event"], committee["detail"]].map(text);
  return { stage, member: member ?? "", event: event ?? "", detail: detail ?? "" };
}

function readOutcome(committee: Fields): Outcome | null {
  if (!["agreement", "members", "degraded", "held"].some((name) => name in committee)) return null;
  return {
    agreement: text(committee["agreement"]),
    mode: text(committee["mode"]),
    route: text(committee["route"]),
    model: text(committee["model"]),
    usage: Object.entries(fields(committee["usage"])).map(readUsage),
    degraded: committee["degraded"] === true,
    speaker: text(committee["speaker"]),
    members: readWords(committee["members"]),
    causes: readWords(committee["causes"]),
    decidedBy: text(committee["decided_by"]),
    agreed: texts(committee["agreed"]),
    dissent: readWords(committee["dissent"]),
    spokeBecause: text(committee["spoke_because"]),
    fit: text(fields(committee["context"])["fit"]),
    context: text(fields(committee["context"])["detail"]),
    held: items(committee["held"])
      .map(readHeld)
      .filter((call) => call.id && call.name),
  };
}

function readUsage([member, value]: [string, unknown]): Usage {
  const row = fields(value);
  const [read, wrote, hidden] = ["prompt_tokens", "completion_tokens", "hidden_tokens"].map((name) =>
    number(row[name]),
  );
  return { member, read: read ?? 0, wrote: wrote ?? 0, hidden: hidden ?? 0 };
}

function readHeld(value: unknown): HeldCall {
  const row = fields(value);
  const args = Object.entries(fields(row["arguments"])).map(([name, one]) => ({
    name: inPlainSight(name),
    value: inPlainSight(typeof one === "string" ? one : JSON.stringify(one, null, 2)),
  }));
  return { id: text(row["id"]), name: text(row["name"]), args };
}

// Controls, and what turns the direction of text or has no width: with them, what is shown could differ from what is
// run. The joiners that Persian and emoji need stay as they are.
const UNSEEN = /[\0-\x08\v-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff]/g;

/** `value` with every sign that cannot be seen named in its place. */
export function inPlainSight(value: string): string {
  return value.replace(
    UNSEEN,
    (sign) => `[U+${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}]`,
  );
}

/** Where the server asks for the user's word about held calls, at the end of an answer, or -1. */
export function announcementAt(content: string): number {
  const at = content.lastIndexOf("Not done yet. Reply **yes** to run exactly this");
  if (at < 0) return -1;
  // Its heading goes with it, unless something else stands under that too.
  return /(?:^|\n)### Status\s*$/.exec(content.slice(0, at))?.index ?? at;
}

function readWords(value: unknown): Map<string, string> {
  return new Map(Object.entries(fields(value)).map(([name, word]) => [name, text(word)]));
}

const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;

/** Where the server's own section begins in an answer, or -1. */
export function toolResultsAt(content: string): number {
  return /^### Tool Results\s*$/m.exec(content)?.index ?? -1;
}

/** Job ids that the Tool Results section of an answer names. Ids elsewhere are the model's words, not jobs. */
export function jobIdsOf(content: string): string[] {
  const start = toolResultsAt(content);
  if (start < 0) return [];
  const lines = content.slice(start).split("\n");
  return unique(lines.filter((line) => /\bjobs?\b/i.test(line)).flatMap((line) => line.match(UUID) ?? []));
}

/** Every `job_id` and `job_ids` within `value`, however deep. */
function jobIdsIn(value: unknown): string[] {
  if (Array.isArray(value)) return unique(value.flatMap(jobIdsIn));
  return unique(
    Object.entries(fields(value)).flatMap(([key, inner]) => {
      if (key === "job_id") return text(inner) ? [text(inner)] : [];
      if (key === "job_ids" || key === "jobs") return items(inner).flatMap((id) => text(id) || jobIdsIn(id));
      return jobIdsIn(inner);
    }),
  );
}

export function readJob(value: unknown): Job {
  const row = fields(value);
  const payload = fields(row["payload"]);
  const result = fields(row["result"]);
  return {
    id: text(row["id"]) || text(row["job_id"]),
    kind: text(row["kind"]),
    status: readStatus(row["status"]),
    progress: number(row["progress"]) ?? 0,
    stage: text(row["stage"]),
    etaS: number(row["eta_s"]),
    title: inPlainSight(
      [result["title"], payload["title"], payload["synopsis"], payload["prompt"]].map(text).find(Boolean) ?? "",
    ),
    filmId: text(payload["film_id"]) || text(row["id"]),
    error: row["error"] ? errorText(row) || text(row["error"]) || "The job failed." : null,
    updatedAt: text(row["updated_at"]),
    result: row["result"] ? readResult(result) : null,
  };
}

function readStatus(value: unknown): JobStatus {
  const known: readonly JobStatus[] = ["queued", "running", "succeeded", "failed", "cancelled"];
  return known.find((status) => status === value) ?? "queued";
}

export const FILM_STAGES = ["plan", "breakdown", "storyboard", "animatic", "final", "post", "qc", "export"];

/** The stage proper: `final/S1_SH01` is a part of `final`. */
export function stageName(job: Job): string {
  return job.stage.split("/")[0] ?? "";
}

/** The storyboard panels that a film's row names so far. */
export function readPanels(film: unknown): Asset[] {
  return uniqueAssets(
    items(fields(film)["shots"]).flatMap((shot) => assetsIn(fields(shot)["storyboard"], "storyboard")),
  );
}

export function isOver(job: Job): boolean {
  return job.status === "succeeded" || job.status === "failed" || job.status === "cancelled";
}

function readResult(result: Fields): JobResult {
  const master = fields(result["master"]);
  const [width, height] = [number(master["width"]), number(master["height"])];
  const [fps, durationS] = [number(master["fps"]), number(master["duration_s"])];
  const facts = [
    width && height ? `${width} × ${height}` : "",
    fps ? `${fps} fps` : "",
    durationS ? `${Number(durationS.toFixed(1))} s` : "",
  ];
  return {
    assets: assetsIn(result),
    facts: facts.filter(Boolean),
    renderer: text(result["renderer"]),
    fidelity: text(result["fidelity"]),
    depicted: texts(result["depicted"]),
    notDepicted: texts(result["not_depicted"]),
    plannedBy: text(result["planned_by"]),
    notes: [...texts(result["qc_warnings"]), ...texts(fields(result["effective"])["notes"])],
  };
}

/**
 * Files anywhere within `value`: objects with a `url`, `uri` or `url_path`, and bare artifact addresses. `key` says under which
 * name a file was found; whatever lies under `storyboard` keeps that name.
 */
export function assetsIn(value: unknown, key = ""): Asset[] {
  if (Array.isArray(value)) return uniqueAssets(value.flatMap((inner) => assetsIn(inner, key)));
  const row = fields(value);
  const url = ownUrl(text(value) || text(row["url"]) || text(row["uri"]) || text(row["url_path"]));
  const [mediaType, caption] = [text(row["media_type"]), text(row["caption"]) || text(row["notes"])];
  const own = url ? [{ key, url, name: text(row["name"]) || fileName(url), mediaType, caption }] : [];
  const inner = Object.entries(row)
    .filter(([name]) => !["url", "uri", "url_path"].includes(name))
    .flatMap(([name, entry]) => assetsIn(entry, key === "storyboard" ? key : name));
  return uniqueAssets([...own, ...inner]);
}

const OWN_FILES = ["/artifacts/", "/uploads/"];

/**
 * The same-origin form of an artifact's address, else null. Addresses carry the server's public name, which may differ
 * from the one this page was loaded under; the policy lets the page load from its own origin alone.
 */
function ownUrl(address: string): string | null {
  if (!OWN_FILES.some((folder) => address.includes(folder))) return null;
  try {
    const url = new URL(address, "http://page.invalid");
    return OWN_FILES.some((folder) => url.pathname.startsWith(folder)) ? url.pathname : null;
  } catch {
    return null;
  }
}

function fileName(url: string): string {
  const name = url.slice(url.lastIndexOf("/") + 1);
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

export function uniqueAssets(assets: readonly Asset[]): Asset[] {
  return assets.filter((asset, index) => assets.findIndex((other) => other.url === asset.url) === index);
}

export function readJobEvent(data: string): JobEvent {
  const event = parse(data);
  return {
    job: event["job"] ? readJob(event["job"]) : null,
    stage: text(event["stage"]),
    progress: number(event["progress"]),
    assets: assetsIn(event["data"]),
  };
}

export function readHealth(value: unknown): Health {
  const body = fields(value);
  return {
    databaseOk: fields(body["database"])["ok"] !== false,
    degraded: body["degraded"] === true,
    members: items(body["members"]).map(readMember),
  };
}

/** Whether no member is a language model. */
export function allStandIn(health: Health): boolean {
  return health.members.length > 0 && health.members.every((member) => member.offline);
}

function readMember(value: unknown): Member {
  const row = fields(value);
  return {
    name: text(row["name"]),
    model: text(row["model"]),
    // A stand-in answers, although the server it stands for cannot be reached.
    ok: row["reachable"] !== false || row["stand_in"] === true,
    offline: row["stand_in"] === true,
    note: text(row["note"]),
  };
}

// Further ids of the committee itself, which comes first under its own.
const OTHER_NAMES = new Set(["committee", "wrapper-film-orchestrator"]);

export function readModels(value: unknown): Model[] {
  return items(fields(value)["data"])
    .map((row) => text(fields(row)["id"]))
    .filter((id, index) => id && (index === 0 || !OTHER_NAMES.has(id)))
    .map((id, index) => ({ id, label: index === 0 ? "The whole committee" : `${id} alone` }));
}

/** The sentence inside any of the server's error shapes. */
export function errorText(body: Fields): string {
  const error = fields(body["error"]);
  return text(error["message"]) || text(body["detail"]);
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
