import { describe, expect, it } from "vitest";
import { EventParser, type ServerEvent, serverEvents, StreamSilent } from "./sse";

function parse(...pieces: string[]): ServerEvent[] {
  const parser = new EventParser();
  return pieces.flatMap((piece) => [...parser.push(piece)]);
}

function body(...pieces: Uint8Array[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
}

async function collect(events: AsyncIterable<ServerEvent>): Promise<string[]> {
  const data: string[] = [];
  for await (const event of events) data.push(event.data);
  return data;
}

describe("EventParser", () => {
  it("joins data lines, remembers the id and skips comments, names and retry", () => {
    const text = 'retry: 1000\nid: 7\nevent: x\ndata: {"a":\ndata: 1}\n\n: keep-alive\n\ndata:[DONE]\n\n';
    expect(parse(text)).toEqual([
      { id: "7", data: '{"a":\n1}' },
      { id: "7", data: "[DONE]" },
    ]);
  });

  it.each(["\n", "\r\n", "\r"])("knows the line end %j", (end) => {
    const text = ["data: one", "", "data: two", "", ": end"].join(end) + end;
    expect(parse(text).map((event) => event.data)).toEqual(["one", "two"]);
  });

  it("gives the same events however the text is cut", () => {
    const text = "id: 1\r\ndata: é one\r\n\r\n: c\r\n\r\nid: 2\r\ndata: two\r\ndata:\r\n\r\n";
    const whole = parse(text);
    expect(whole).toEqual([
      { id: "1", data: "é one" },
      { id: "2", data: "two\n" },
    ]);
    for (let cut = 0; cut <= text.length; cut += 1) {
      expect(parse(text.slice(0, cut), text.slice(cut))).toEqual(whole);
    }
    expect(parse(...text)).toEqual(whole);
  });

  it("drops an event that was never finished", () => {
    expect(parse("data: half")).toEqual([]);
  });
});

describe("serverEvents", () => {
  it("decodes characters that are cut in two", async () => {
    const bytes = new TextEncoder().encode("data: 🦋\n\n");
    expect(await collect(serverEvents(body(bytes.slice(0, 8), bytes.slice(8))))).toEqual(["🦋"]);
  });

  it("gives up on a connection that says nothing", async () => {
    const silent = new ReadableStream<Uint8Array>({ start: () => undefined });
    await expect(collect(serverEvents(silent, 10))).rejects.toBeInstanceOf(StreamSilent);
  });

  it("cancels the body when the reader leaves", async () => {
    let cancelled = false;
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode("data: x\n\n")),
      cancel: () => {
        cancelled = true;
      },
    });
    for await (const event of serverEvents(endless)) {
      expect(event.data).toBe("x");
      break;
    }
    expect(cancelled).toBe(true);
  });
});
