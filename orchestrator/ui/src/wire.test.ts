import { describe, expect, it } from "vitest";
import { assetsIn, jobIdsOf, readChunk, readAttachment, readJob, readMessage } from "./wire";

const ID = "0190a1b2-0000-7000-8000-000000000001";
const OTHER = "0190a1b2-0000-7000-8000-000000000002";

describe("job ids", () => {
  it("are taken from the server's own section alone", () => {
    const content = `The model made up \`${OTHER}\`.\n\n### Tool Results\n- **film_id**: \`${OTHER}\`\n- **jobs**: \`${ID}\`\n`;
    expect(jobIdsOf(content)).toEqual([ID]);
    expect(jobIdsOf(`jobs: \`${ID}\``)).toEqual([]);
  });

  it("are taken from the last chunk and from stored messages", () => {
    const committee = { agreement: "agreed", tool_results: [{ name: "film.run", job_ids: [ID] }] };
    expect(readChunk(JSON.stringify({ choices: [], committee })).jobIds).toEqual([ID]);
    expect(readMessage({ role: "assistant", content: "", job_ids: [ID], committee }).jobIds).toEqual([ID]);
  });
});

describe("chunks", () => {
  it.each(["", "null", "[]", '"text"', "{", '{"choices":[null]}', '{"choices":[{"delta":{"content":5}}]}'])(
    "that make no sense are empty: %s",
    (data) => expect(readChunk(data)).toMatchObject({ content: "", reasoning: "", error: null, jobIds: [] }),
  );

  it("carry errors", () => {
    expect(readChunk('{"error":{"message":"gone"}}').error).toBe("gone");
    expect(readChunk('{"error":{}}').error).not.toBe("");
  });
});

describe("the account of a turn", () => {
  const committee = {
    agreement: "split",
    speaker: "qwen3",
    agreed: ["qwen3"],
    dissent: { gptoss: "41" },
    decided_by: "verdicts",
    spoke_because: "its position won",
    context: { fit: "whole", detail: "" },
    held: [{ id: "a", name: "film_run", arguments: {} }],
  };

  it("is read from the last chunk and from a stored message", () => {
    for (const { outcome } of [readChunk(JSON.stringify({ committee })), readMessage({ committee })]) {
      expect(outcome).toMatchObject({
        agreed: ["qwen3"],
        decidedBy: "verdicts",
        held: [{ id: "a", name: "film_run", args: [] }],
      });
      expect([...(outcome?.dissent ?? [])]).toEqual([["gptoss", "41"]]);
    }
  });

  it("keeps its minutes, and leaves out what makes no sense", () => {
    const step = { stage: "speak", member: "qwen3", event: "started", detail: "" };
    expect(readMessage({ steps: [step, null, "x", {}] }).steps).toEqual([step]);
    expect(readMessage({ committee: { agreement: 3, agreed: "x", dissent: [], held: [null] } }).outcome).toMatchObject({
      agreement: "",
      agreed: [],
      held: [],
    });
  });
});

describe("attachments", () => {
  it("are ours or none", () => {
    const url = "https://films.example/uploads/00ff/a%20b.png";
    expect(readAttachment({ url })).toEqual({ url: "/uploads/00ff/a%20b.png", name: "a b.png" });
    expect(readAttachment({ url: "https://evil.example/a.png" })).toBeNull();
    expect(readMessage({ attachments: [{ url, name: "x" }, null, { url: "javascript:1" }] }).attachments).toEqual([
      { url: "/uploads/00ff/a%20b.png", name: "x" },
    ]);
  });
});

describe("assets", () => {
  it("lose the server's public name and keep their place", () => {
    const url = "https://films.example/artifacts/00ff/a%20b.png";
    const found = assetsIn({ storyboard: [{ keyframes: [{ url, name: "a b.png" }] }], edl: "/artifacts/00ff/x.edl" });
    expect(found.map(({ key, url: path, name }) => [key, path, name])).toEqual([
      ["storyboard", "/artifacts/00ff/a%20b.png", "a b.png"],
      ["edl", "/artifacts/00ff/x.edl", "x.edl"],
    ]);
  });

  it.each(["javascript:alert('/artifacts/')", "https://evil.example/x?/artifacts/", "/api/jobs", "//", "data:,x"])(
    "do not come from elsewhere: %s",
    (url) => expect(assetsIn({ master: { url } })).toEqual([]),
  );
});

describe("jobs", () => {
  it("are readable however little is known of them", () => {
    expect(readJob({})).toMatchObject({ status: "queued", progress: 0, etaS: null, error: null, result: null });
    expect(readJob({ status: "failed", error: { code: "x", message: "Because." } }).error).toBe("Because.");
    expect(readJob({ status: "failed", error: "Because." }).error).toBe("Because.");
  });
});
