/** One event of a `text/event-stream`; `id` is the latest id seen, as the standard has it. */
export interface ServerEvent {
  readonly id: string;
  readonly data: string;
}

/** The server sent nothing, not even a keep-alive comment, for too long. */
export class StreamSilent extends Error {
  override name = "StreamSilent";
}

/**
 * Yields the events of a response body. Event names are ignored: the server sends none.
 *
 * `silenceMs` bounds the wait for the next byte, so that a connection that died without a word (a sleeping laptop, a
 * lost network) ends in `StreamSilent` instead of hanging. Leaving the loop early cancels the body.
 */
export async function* serverEvents(
  body: ReadableStream<Uint8Array>,
  silenceMs = Number.POSITIVE_INFINITY,
): AsyncGenerator<ServerEvent, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const parser = new EventParser();
  try {
    for (;;) {
      const { done, value } = await within(reader.read(), silenceMs);
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    // Not awaited: cancelling a body whose connection is gone may never settle.
    reader.cancel().catch(() => undefined);
  }
}

/** Turns text that arrives in arbitrary pieces into events. */
export class EventParser {
  #rest = "";
  #id = "";
  #data: string[] = [];

  /** The events that `text` completes. */
  *push(text: string): Generator<ServerEvent> {
    this.#rest += text;
    // A carriage return at the very end may be the first half of CRLF: wait for what follows it.
    const lines = /\r\n|\n|\r(?!$)/g;
    let start = 0;
    for (let end = lines.exec(this.#rest); end !== null; end = lines.exec(this.#rest)) {
      const event = this.#line(this.#rest.slice(start, end.index));
      start = lines.lastIndex;
      if (event) yield event;
    }
    this.#rest = this.#rest.slice(start);
  }

  #line(line: string): ServerEvent | null {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.#data.push(value);
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    return null;
  }

  #dispatch(): ServerEvent | null {
    if (this.#data.length === 0) return null;
    const event = { id: this.#id, data: this.#data.join("\n") };
    this.#data = [];
    return event;
  }
}

async function within<T>(promise: Promise<T>, limitMs: number): Promise<T> {
  if (!Number.isFinite(limitMs)) return promise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new StreamSilent("The connection fell silent.")), limitMs);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}
