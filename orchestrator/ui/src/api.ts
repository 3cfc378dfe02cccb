import { Store } from "./store";
import { type Attachment, errorText, parse, readAttachment } from "./wire";

/** Whether the server wants a key before it talks to us; `entries` counts successful sign-ins. */
export const session = new Store({ needed: false, entries: 0 });

/** The server said no, or (status 0) said nothing. */
export class ApiError extends Error {
  override name = "ApiError";

  constructor(
    message: string,
    readonly status: number,
    readonly retryAfterS: number | null = null,
  ) {
    super(message);
  }
}

interface Options {
  readonly method?: "GET" | "POST" | "DELETE";
  /** A form is sent as it is, anything else as JSON. */
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
}

/** A successful response, or ApiError. A 401 also opens the key dialog. Aborting raises the signal's reason. */
export async function request(path: string, options: Options = {}): Promise<Response> {
  const method = options.method ?? "GET";
  const form = options.body instanceof FormData ? options.body : null;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers: { ...(method === "GET" || form ? {} : { "Content-Type": "application/json" }), ...options.headers },
      body: method === "GET" ? null : (form ?? JSON.stringify(options.body ?? {})),
      signal: options.signal ?? null,
      cache: "no-store",
    });
  } catch {
    options.signal?.throwIfAborted();
    throw new ApiError("The server does not answer.", 0, null);
  }
  if (response.ok) return response;
  if (response.status === 401) session.patch({ needed: true });
  throw await refusal(response);
}

async function refusal(response: Response): Promise<ApiError> {
  const body = parse(await response.text().catch(() => ""));
  const retryAfter = Number(response.headers.get("Retry-After") ?? Number.NaN);
  const message = errorText(body) || `The server answered ${response.status} ${response.statusText}.`;
  return new ApiError(message, response.status, Number.isFinite(retryAfter) ? retryAfter : null);
}

export async function getJson(path: string, signal?: AbortSignal): Promise<unknown> {
  return (await request(path, signal ? { signal } : {})).json();
}

/** Keeps `file` on the server, for the next message; `onProgress` hears how much of it has gone, from 0 to 1. */
export function upload(
  file: File,
  onProgress: (fraction: number) => void = () => undefined,
  signal?: AbortSignal,
): Promise<Attachment> {
  const form = new FormData();
  form.append("file", file, file.name);
  // fetch does not tell how much of a body has gone.
  const call = new XMLHttpRequest();
  return new Promise((resolve, reject) => {
    call.upload.onprogress = ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0);
    call.onload = () => {
      if (call.status === 401) session.patch({ needed: true });
      const kept = call.status < 300 ? readAttachment(parse(call.responseText)) : null;
      if (kept) resolve(kept);
      else reject(uploadRefusal(call));
    };
    call.onerror = () => reject(new ApiError("The server does not answer, or broke off the upload.", 0));
    call.onabort = () => reject(new DOMException("Stopped", "AbortError"));
    signal?.addEventListener("abort", () => call.abort());
    call.open("POST", "/api/upload");
    call.send(form);
  });
}

function uploadRefusal(call: XMLHttpRequest): ApiError {
  const { status, statusText } = call;
  if (status < 300) return new ApiError("The server does not say where it keeps the file.", status);
  const message = errorText(parse(call.responseText));
  if (message) return new ApiError(message, status);
  return new ApiError(
    status === 413 ? "It is larger than this server takes." : `The server answered ${status} ${statusText}.`,
    status,
  );
}

/** Trades `key` for a cookie that scripts cannot read. */
export async function signIn(key: string): Promise<void> {
  await request("/api/session", { method: "POST", body: { api_key: key } });
  session.set({ needed: false, entries: session.get().entries + 1 });
}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
