/*
 * The committee's minutes and its account of a turn, in plain words. Whatever a newer server says that this page does
 * not know is shown as it came.
 */

import type { Outcome, Step } from "./wire";

export interface Attendee {
  readonly name: string;
  readonly state: "busy" | "done" | "failed";
  readonly note: string;
}

/** One stage of the deliberation: who took part, and what came of it. */
export interface Stage {
  readonly key: string;
  readonly title: string;
  readonly attendees: readonly Attendee[];
  readonly notes: readonly string[];
}

const TITLES: Readonly<Record<string, string>> = {
  route: "Finding out who should answer",
  probe: "Thinking it over",
  compare: "Comparing the proposals",
  evidence: "Checking what can be checked",
  "cross-check": "Looking at each other’s answers",
  verdict: "Judging blind, in both orders",
  sample: "Asking for one more opinion",
  choose: "Choosing among what was proposed",
  act: "Running tools",
  replan: "Looking at the results",
  speak: "Answering",
};

// What a member proposes to do.
const PROPOSALS: Readonly<Record<string, string>> = {
  answer: "has an answer",
  call: "wants to act first",
  clarify: "wants to ask you first",
  decline: "would rather not",
};

const RESULTS: Readonly<Record<string, string>> = {
  conflict: "they differ",
  agreed: "they agree",
  compatible: "they fit together",
  single: "there is only one",
  tie: "no side won",
  decided: "one side won",
};

// Names come from outside: those of an object's own methods are no words of ours.
function word<T>(words: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(words, name) ? words[name] : undefined;
}

/** The stages in the order in which they came; steps of one stage that follow each other belong together. */
export function stagesOf(steps: readonly Step[]): Stage[] {
  const stages: { stage: string; steps: Step[] }[] = [];
  for (const step of steps) {
    const stage = step.event === "held" ? "held" : step.stage;
    const last = stages.at(-1);
    if (last?.stage === stage) last.steps.push(step);
    else stages.push({ stage, steps: [step] });
  }
  return stages.map(({ stage, steps }, index) => ({
    key: `${index} ${stage}`,
    title: stage === "held" ? "Waiting for your word" : (word(TITLES, stage) ?? inWords(stage)),
    attendees: attendees(steps),
    notes: steps
      .filter((step) => !step.member || !word(PRESENCE, step.event))
      .map(note)
      .filter(Boolean),
  }));
}

const PRESENCE: Readonly<Record<string, Attendee["state"]>> = { started: "busy", answered: "done", failed: "failed" };

function attendees(steps: readonly Step[]): Attendee[] {
  const found = new Map<string, Attendee>();
  for (const { member, event, detail } of steps) {
    const state = word(PRESENCE, event);
    if (member && state) found.set(member, { name: member, state, note: word(PROPOSALS, detail) ?? inWords(detail) });
  }
  return [...found.values()];
}

function note({ member, event, detail }: Step): string {
  if (event === "started" || event === "held") return inWords(detail);
  if (event === "changed") return `${member} found a mistake of its own: ${inWords(detail)}`;
  if (event === "found") return inWords(detail);
  const what = word(RESULTS, event) ?? [member, event].filter(Boolean).join(" ");
  return detail && detail !== event ? `${what} (${inWords(detail)})` : what;
}

/** How the members stood, in a few words for a badge; empty when it is not known. */
export function agreementWords({ agreement, agreed, decidedBy, speaker }: Outcome): string {
  switch (agreement) {
    case "agreed":
      return agreed.length === 2 ? "both agreed" : "all agreed";
    case "compatible":
      return "their views fit together";
    case "decided":
      return decidedBy
        ? `they differed, settled by ${word(SETTLED_BY, decidedBy) ?? decidedBy}`
        : "they differed, and settled it";
    case "split":
      return "they did not agree";
    case "single":
      return speaker ? `only ${speaker} answered` : "one member only";
    case "solo":
      return speaker ? `${speaker} alone` : "one member alone";
  }
  return agreement;
}

const SETTLED_BY: Readonly<Record<string, string>> = {
  agreement: "agreement",
  evidence: "a check that a program made",
  "cross-check": "a mistake that one found in its own answer",
  verdicts: "a blind vote in both orders",
  "third sample": "a fresh look",
  planner: "the planner, as nothing else could",
};

/** What settled it; empty when there was nothing to settle. */
export function settledBy({ decidedBy, agreement }: Outcome): string {
  if (agreement === "solo" || agreement === "single") return "";
  return word(SETTLED_BY, decidedBy) ?? decidedBy;
}

/** Whether a stand-in answered that is no language model. */
export function byStandIn({ model }: Outcome): boolean {
  return model.startsWith("offline-rules");
}

/** Who was missing and why, as a sentence; empty for a committee that was complete. */
export function missingWords({ degraded, members, causes }: Outcome): string {
  if (!degraded) return "";
  const missing = [...members].filter(([, state]) => state !== "ok" && state !== "silent");
  const why = missing.map(([name, state]) => `${name}: ${causes.get(name) || inWords(state)}`);
  return `The committee was not complete for this answer. ${why.join(" ")}`.trim();
}

/** One member's part in an answer. */
export function partOf(member: string, outcome: Outcome): string {
  const state = outcome.members.get(member) ?? "ok";
  if (state === "silent") return "was not asked";
  const part = [
    outcome.agreed.includes(member) && outcome.agreed.length > 1 ? "agreed" : "",
    outcome.dissent.has(member) ? "held something else" : "",
    outcome.speaker === member ? "spoke" : "",
  ].filter(Boolean);
  if (state === "ok") return part.join(", ") || "took part";
  return part.length > 0
    ? `${part.join(", ")}, but failed once: ${inWords(state)}`
    : `did not answer: ${inWords(state)}`;
}

export function inWords(name: string): string {
  return name.replaceAll("_", " ");
}
