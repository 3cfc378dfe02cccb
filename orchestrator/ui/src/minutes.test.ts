import { describe, expect, it } from "vitest";
import { fatesOf, type Message, NOTHING_DECIDED } from "./chat";
import { agreementWords, byStandIn, missingWords, partOf, settledBy, stagesOf } from "./minutes";
import { announcementAt, type Outcome, readMessage, type Step } from "./wire";

function outcome(committee: object): Outcome {
  const found = readMessage({
    role: "assistant",
    content: "",
    committee: { agreement: "agreed", ...committee },
  }).outcome;
  if (!found) throw new Error("no outcome");
  return found;
}

const step = (stage: string, member: string, event: string, detail = ""): Step => ({ stage, member, event, detail });

describe("stages", () => {
  it("gather the steps that belong together, in their order", () => {
    const stages = stagesOf([
      step("probe", "qwen3", "started"),
      step("probe", "gptoss", "started"),
      step("probe", "qwen3", "answered", "call"),
      step("compare", "", "conflict", "key"),
      step("act", "", "started", "web_read"),
      step("act", "", "held", "film_run"),
      step("speak", "qwen3", "started"),
      step("act", "", "started", "web_read"),
    ]);
    expect(stages.map((stage) => stage.title)).toEqual([
      "Thinking it over",
      "Comparing the proposals",
      "Running tools",
      "Waiting for your word",
      "Answering",
      "Running tools",
    ]);
    expect(stages[0]?.attendees).toEqual([
      { name: "qwen3", state: "done", note: "wants to act first" },
      { name: "gptoss", state: "busy", note: "" },
    ]);
    expect(stages[1]?.notes).toEqual(["they differ (key)"]);
    expect(stages[3]?.notes).toEqual(["film run"]);
    expect(new Set(stages.map((stage) => stage.key)).size).toBe(stages.length);
  });

  it("that are not known are shown as they came", () => {
    const [stage] = stagesOf([step("moon_phase", "qwen3", "waned", "")]);
    expect(stage).toMatchObject({ title: "moon phase", attendees: [], notes: ["qwen3 waned"] });
  });

  it("of hostile names are no properties of an object", () => {
    expect(stagesOf([step("constructor", "__proto__", "toString", "x")])[0]?.notes).toHaveLength(1);
  });
});

describe("an account in words", () => {
  it.each([
    [{ agreement: "agreed", agreed: ["a", "b"] }, "both agreed"],
    [{ agreement: "agreed", agreed: ["a", "b", "c"] }, "all agreed"],
    [{ agreement: "decided", decided_by: "verdicts" }, "they differed, settled by a blind vote in both orders"],
    [{ agreement: "split" }, "they did not agree"],
    [{ agreement: "single", speaker: "qwen3" }, "only qwen3 answered"],
    [{ agreement: "something new" }, "something new"],
  ])("%o", (committee, words) => expect(agreementWords(outcome(committee))).toBe(words));

  it("says who was missing, why, and who had which part", () => {
    const one = outcome({
      degraded: true,
      speaker: "a",
      members: { a: "ok", b: "timeout", c: "silent", d: "malformed" },
      causes: { b: "It was slow.", d: "No JSON." },
      agreed: ["a"],
      dissent: { d: "41" },
    });
    expect(missingWords(one)).toBe("The committee was not complete for this answer. b: It was slow. d: No JSON.");
    expect(["a", "b", "c", "d"].map((name) => partOf(name, one))).toEqual([
      "spoke",
      "did not answer: timeout",
      "was not asked",
      "held something else, but failed once: malformed",
    ]);
    expect(settledBy(outcome({ agreement: "solo", decided_by: "agreement" }))).toBe("");
  });

  it("tells a stand-in from a model", () => {
    expect(byStandIn(outcome({ model: "offline-rules" }))).toBe(true);
    expect(byStandIn(outcome({ model: "qwen3:32b" }))).toBe(false);
  });
});

describe("calls that wait", () => {
  const DAY = 24 * 3600 * 1000;
  const message = (given: Partial<Message>): Message => ({
    id: "",
    role: "assistant",
    content: "x",
    reasoning: "",
    steps: [],
    outcome: null,
    jobIds: [],
    attachments: [],
    decided: NOTHING_DECIDED,
    createdAt: 1000,
    state: "done",
    problem: null,
    ...given,
  });
  const held = ["1", "2", "3"].map((id) => ({ id: `call_${id}`, name: "film_run", arguments: {} }));
  const waiting = message({ outcome: outcome({ held }) });
  const said = message({ role: "user", decided: { confirm: ["call_1"], leave: ["call_2"] } });

  it("are open until the user says something about them", () => {
    expect(fatesOf([waiting], 0, 2000)).toBe("open open open");
    expect(fatesOf([waiting, message({ role: "user" }), message({})], 0, 2000)).toBe("open open open");
    expect(fatesOf([waiting, said, message({})], 0, 2000)).toBe("run left open");
    expect(fatesOf([said, waiting], 1, 2000)).toBe("open open open");
  });

  it("are open again when the server did not hear it, and lapse after a day", () => {
    const unheard = message({ state: "failed", content: "" });
    expect(fatesOf([waiting, said, unheard], 0, 2000)).toBe("open open open");
    expect(fatesOf([waiting, said], 0, DAY + 2000)).toBe("run left lapsed");
  });

  it("are read with every sign of their arguments in sight", () => {
    const [call] = outcome({
      held: [
        { id: "c", name: "note_write", arguments: { text: "a\u202eb\u0000\n", n: [1], "k\u200b": "نه\u200cه" } },
        {},
      ],
    }).held;
    expect(call?.args).toEqual([
      { name: "text", value: "a[U+202E]b[U+0000]\n" },
      { name: "n", value: "[\n  1\n]" },
      { name: "k[U+200B]", value: "نه\u200cه" },
    ]);
  });

  it("are cut from the text that announces them", () => {
    const asks =
      "Not done yet. Reply **yes** to run exactly this, or anything else to leave it:\n- **confirm**: `call_1`\n";
    expect(announcementAt(`Hello.\n\n### Status\n${asks}`)).toBe("Hello.\n".length);
    const both = `Hello.\n\n### Status\nNo member could speak.\n\n${asks}`;
    expect(both.slice(0, announcementAt(both))).toMatch(/speak\.\n\n$/);
    expect(announcementAt("Hello.")).toBe(-1);
  });

  it("of a broken answer are read too", () => {
    const broken = readMessage({ role: "assistant", finish_reason: "cancelled", committee: { held } });
    expect(broken.outcome?.held).toHaveLength(3);
    expect(readMessage({ role: "user", committee: { confirm: ["a", 5] } }).decided).toEqual({
      confirm: ["a"],
      leave: [],
    });
  });
});
