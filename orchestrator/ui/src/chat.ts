import { ApiError, getJson, reason, request } from "./api";
import { refreshJobList } from "./jobs";
import { serverEvents } from "./sse";
import { Store } from "./store";
import {
  type Attachment,
  type Chunk,
  type Conversation,
  type Decided,
  fields,
  items,
  jobIdsOf,
  type Outcome,
  readChunk,
  readConversation,
  readMessage,
  type Step,
} from "./wire";

/** One message as the page shows it. */
export interface Message {
  readonly id: string;
  readonly role: "user" | "assistant";
  readonly content: string;
  readonly reasoning: string;
  readonly steps: readonly Step[];
  readonly outcome: Outcome | null;
  readonly jobIds: readonly string[];
  readonly attachments: readonly Attachment[];
  readonly decided: Decided;
  readonly createdAt: number;
  readonly state: "streaming" | "done" | "stopped" | "failed";
  readonly problem: string | null;
}

/** Who is asked, and how: what the reader has chosen. An empty text leaves it to the server. */
export interface Asked {
  readonly model: string;
  readonly mode: string;
}

/** What is sent with a message besides its words. */
export interface Enclosed {
  readonly attachments?: readonly Attachment[];
  readonly decided?: Decided;
}

export const NOTHING_DECIDED: Decided = { confirm: [], leave: [] };

// The server forgets calls that wait after a day.
const HELD_FOR_MS = 24 * 3600 * 1000;

/** The messages of one conversation. */
export interface Thread {
  readonly messages: readonly Message[];
  readonly loaded: boolean;
  readonly problem: string | null;
  /** When the server takes messages again, in ms since the epoch; 0 means now. */
  readonly retryAt: number;
}

// Keep-alive comments come every 10 s.
const SILENCE_MS = 60_000;

let lastLocalId = 0;

export const conversations = new Store<{
  list: readonly Conversation[];
  loaded: boolean;
  problem: string | null;
}>({ list: [], loaded: false, problem: null });

const threads = new Map<string, Store<Thread>>();
const answering = new Map<string, AbortController>();

export function thread(id: string): Store<Thread> {
  const known = threads.get(id);
  if (known) return known;
  const store = new Store<Thread>({ messages: [], loaded: false, problem: null, retryAt: 0 });
  threads.set(id, store);
  return store;
}

export async function loadConversations(): Promise<void> {
  try {
    const body = fields(await getJson("/api/conversations"));
    conversations.set({ list: items(body["data"]).map(readConversation), loaded: true, problem: null });
  } catch (error) {
    conversations.patch({ problem: reason(error) });
  }
}

export async function createConversation(): Promise<string> {
  const response = await request("/api/conversations", { method: "POST" });
  const created = readConversation(await response.json());
  thread(created.id).patch({ loaded: true });
  conversations.patch({ list: [created, ...conversations.get().list] });
  return created.id;
}

export async function deleteConversation(id: string): Promise<void> {
  stopAnswer(id);
  await request(`/api/conversations/${encodeURIComponent(id)}`, { method: "DELETE" });
  threads.delete(id);
  conversations.patch({ list: conversations.get().list.filter((row) => row.id !== id) });
}

/** Reads a conversation from the server, unless an answer is being streamed into it right now. */
export async function loadThread(id: string): Promise<void> {
  const store = thread(id);
  if (answering.has(id)) return;
  try {
    const body = fields(await getJson(`/api/conversations/${encodeURIComponent(id)}/messages`));
    if (answering.has(id)) return;
    const messages = items(body["data"]).map((row): Message => {
      const { finish, ...message } = readMessage(row);
      const state = finish === "cancelled" ? "stopped" : finish === "error" ? "failed" : "done";
      return { ...message, state, problem: state === "failed" ? "This answer was broken off." : null };
    });
    store.patch({ messages, loaded: true, problem: null });
  } catch (error) {
    store.patch({ problem: reason(error) });
  }
}

export function stopAnswer(id: string): void {
  answering.get(id)?.abort(new DOMException("Stopped", "AbortError"));
}

/** Sends `content` and streams the answer into the thread. Every failure is shown there; nothing is thrown. */
export async function send(id: string, content: string, asked: Asked, enclosed: Enclosed = {}): Promise<void> {
  if (answering.has(id)) return;
  const { attachments = [], decided = NOTHING_DECIDED } = enclosed;
  const stop = new AbortController();
  answering.set(id, stop);
  const store = thread(id);
  const answer = new Answer(store, content, attachments, decided);
  try {
    const response = await request(`/api/conversations/${encodeURIComponent(id)}/messages`, {
      method: "POST",
      body: {
        content,
        ...(asked.model ? { model: asked.model } : {}),
        ...(attachments.length > 0 ? { attachments } : {}),
        committee: { ...(asked.mode ? { mode: asked.mode } : {}), ...decided },
      },
      headers: { Accept: "text/event-stream" },
      signal: stop.signal,
    });
    if (!response.body) throw new ApiError("The server sent an empty answer.", response.status);
    let done = false;
    for await (const event of serverEvents(response.body, SILENCE_MS)) {
      done = event.data === "[DONE]";
      if (done) break;
      answer.add(readChunk(event.data));
    }
    answer.finish(done);
  } catch (error) {
    answer.fail(error, stop.signal.aborted);
  } finally {
    answering.delete(id);
    if (answer.lostSight) void recallHeld(id);
    void loadConversations();
    void refreshJobList();
  }
}

/**
 * What became of the calls that wait in the message at `index`, as words in their order: "open", "run", "left" or
 * "lapsed".
 */
export function fatesOf(messages: readonly Message[], index: number, now: number): string {
  const message = messages[index];
  const later = messages.slice(index + 1).filter((_, at, rest) => !unanswered(rest[at + 1]));
  const confirmed = new Set(later.flatMap((one) => one.decided.confirm));
  const left = new Set(later.flatMap((one) => one.decided.leave));
  const lapsed = message !== undefined && message.createdAt > 0 && now - message.createdAt > HELD_FOR_MS;
  const fates = (message?.outcome?.held ?? []).map(({ id }) => {
    if (confirmed.has(id)) return "run";
    return left.has(id) ? "left" : lapsed ? "lapsed" : "open";
  });
  return fates.join(" ");
}

/** Whether a message stands for an answer that never began, so that what was said before it may be said again. */
function unanswered(answer: Message | undefined): boolean {
  return answer?.role === "assistant" && answer.state === "failed" && !answer.content && answer.steps.length === 0;
}

const RECALL_AFTER_MS = [300, 1_000, 3_000, 8_000];

/** The server keeps what waits also when an answer breaks off; the account, which names it, never came. */
async function recallHeld(id: string): Promise<void> {
  const store = thread(id);
  const broken = store.get().messages.at(-1);
  for (const waitMs of RECALL_AFTER_MS) {
    await new Promise((resume) => setTimeout(resume, waitMs));
    try {
      const body = fields(await getJson(`/api/conversations/${encodeURIComponent(id)}/messages`));
      const stored = readMessage(items(body["data"]).at(-1));
      if (store.get().messages.at(-1) !== broken || !broken) return;
      if (stored.role === "assistant" && stored.outcome?.held.length) {
        const { outcome, content } = stored;
        store.patch({ messages: [...store.get().messages.slice(0, -1), { ...broken, outcome, content }] });
        return;
      }
    } catch {
      // The next reading of the conversation shows it.
    }
  }
}

/** Asks the last question again; a question that got no answer at all is not shown twice. */
export async function retry(id: string, asked: Asked): Promise<void> {
  const store = thread(id);
  const [question, answer] = store.get().messages.slice(-2);
  if (question?.role !== "user" || answer?.role !== "assistant") return;
  if (!answer.content) store.patch({ messages: store.get().messages.slice(0, -2) });
  await send(id, question.content, asked, question);
}

/** A message pair that grows while chunks arrive. The page is told at most once a frame. */
class Answer {
  readonly #store: Store<Thread>;
  #message: Message;
  #scheduled = false;
  #finished = false;

  constructor(store: Store<Thread>, question: string, attachments: readonly Attachment[], decided: Decided) {
    const blank = {
      reasoning: "",
      steps: [],
      outcome: null,
      jobIds: [],
      attachments: [],
      decided: NOTHING_DECIDED,
      createdAt: Date.now(),
      problem: null,
    };
    const said = { content: question, attachments, decided };
    const user: Message = { ...blank, ...said, id: localId(), role: "user", state: "done" };
    this.#store = store;
    this.#message = { ...blank, id: localId(), role: "assistant", content: "", state: "streaming" };
    store.patch({ messages: [...store.get().messages, user, this.#message], loaded: true, problem: null, retryAt: 0 });
  }

  /** Whether calls wait that this page cannot name, because the account did not come. */
  get lostSight(): boolean {
    return this.#message.outcome === null && this.#message.steps.some((step) => step.event === "held");
  }

  add(chunk: Chunk): void {
    const before = this.#message;
    this.#finished ||= chunk.finished;
    if (chunk.error !== null) throw new ApiError(chunk.error, 200);
    this.#message = {
      ...before,
      content: before.content + chunk.content,
      reasoning: before.reasoning + chunk.reasoning,
      steps: chunk.step ? [...before.steps, chunk.step] : before.steps,
      outcome: chunk.outcome ?? before.outcome,
      jobIds: chunk.jobIds.length > 0 ? [...new Set([...before.jobIds, ...chunk.jobIds])] : before.jobIds,
    };
    this.#schedule();
  }

  finish(done: boolean): void {
    if (done || this.#finished) this.#end({ state: "done" });
    else this.#end({ state: "failed", problem: "The connection was lost before the answer was complete." });
  }

  fail(error: unknown, stopped: boolean): void {
    if (error instanceof ApiError && error.retryAfterS !== null) {
      this.#store.patch({ retryAt: Date.now() + error.retryAfterS * 1000 });
    }
    this.#end(stopped ? { state: "stopped" } : { state: "failed", problem: reason(error) });
  }

  #end(state: Pick<Message, "state"> & { problem?: string }): void {
    const jobIds = [...new Set([...this.#message.jobIds, ...jobIdsOf(this.#message.content)])];
    this.#message = { ...this.#message, jobIds, ...state };
    this.#show();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // Frames stop in a hidden page, the answer does not.
    if (document.hidden) setTimeout(() => this.#show(), 250);
    else requestAnimationFrame(() => this.#show());
  }

  #show(): void {
    this.#scheduled = false;
    const message = this.#message;
    const messages = this.#store.get().messages;
    this.#store.patch({ messages: messages.map((other) => (other.id === message.id ? message : other)) });
  }
}

// Not crypto.randomUUID: browsers keep that from pages served over plain HTTP to another machine.
function localId(): string {
  lastLocalId += 1;
  return `local-${lastLocalId}`;
}
