import { Check, TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import type { Message } from "./chat";
import { agreementWords, inWords, partOf, settledBy, type Stage, stagesOf } from "./minutes";
import type { Outcome } from "./wire";

/** What the committee is doing before the first word of its answer. */
export function Deliberating({ message }: { message: Message }): ReactNode {
  const stages = stagesOf(message.steps);
  return (
    <section className="deliberating" aria-label="The committee is deliberating">
      {stages.length > 0 ? <Stages stages={stages} live /> : null}
      <p className="visually-hidden" role="status">
        {stages.at(-1)?.title ?? "The committee is deliberating"}
      </p>
      {message.reasoning ? <Thoughts text={message.reasoning} /> : null}
    </section>
  );
}

/** How the answer above it came about, folded to one line. */
export function Decision({ message }: { message: Message }): ReactNode {
  const { steps, reasoning, outcome, state } = message;
  const stages = stagesOf(steps);
  if (stages.length === 0 && !reasoning && !outcome?.agreement) return null;
  const now = state === "streaming" ? stages.at(-1)?.title : undefined;
  const badge = outcome ? agreementWords(outcome) : "";
  return (
    <details className="fold deliberation">
      <summary>
        {now ? <span className="busy">{now}</span> : "How it was decided"}
        {badge ? (
          <span className="agreement" data-agreement={outcome?.agreement}>
            {badge}
          </span>
        ) : null}
      </summary>
      <div className="decision">
        {outcome?.agreement ? <Account outcome={outcome} /> : null}
        {stages.length > 0 ? (
          <section>
            <h4>Step by step</h4>
            <Stages stages={stages} />
          </section>
        ) : null}
        {reasoning ? <Thoughts text={reasoning} /> : null}
      </div>
    </details>
  );
}

function Thoughts({ text }: { text: string }): ReactNode {
  return (
    <details className="fold thoughts">
      <summary>What the members thought</summary>
      {/* A scrolling box must be reachable by keyboard */}
      <div className="reasoning" dir="auto" tabIndex={0}>
        {text}
      </div>
    </details>
  );
}

/** `live`: the last stage is still under way. */
function Stages({ stages, live = false }: { stages: readonly Stage[]; live?: boolean }): ReactNode {
  return (
    <ol className="steps" aria-label="Stages">
      {stages.map(({ key, title, attendees, notes }, index) => (
        <li key={key} aria-current={live && index === stages.length - 1 ? "step" : undefined}>
          <span className="step-title">{title}</span>
          {attendees.map(({ name, state, note }) => (
            <span className="attendee" data-state={state} key={name}>
              {state === "done" ? <Check aria-label="answered" /> : null}
              {state === "failed" ? <TriangleAlert aria-label="failed" /> : null}
              <bdi>{name}</bdi>
              {note ? <span className="quiet">{note}</span> : null}
            </span>
          ))}
          {notes.map((note, at) => (
            <span className="step-note" key={at} dir="auto">
              {note}
            </span>
          ))}
        </li>
      ))}
    </ol>
  );
}

/** Who agreed, who did not, what settled it, why the speaker spoke, and what it cost. */
function Account({ outcome }: { outcome: Outcome }): ReactNode {
  const { agreed, dissent, speaker, spokeBecause, route, mode, fit, context } = outcome;
  const together = agreed.length > 1 || dissent.size > 0;
  const rows: [string, string][] = [
    [agreed.length === 1 ? "Held by" : "Agreed", together ? agreed.join(", ") : ""],
    ...[...dissent].map(([member, held]): [string, string] => [`${member} held instead`, held || "something else"]),
    ["Settled by", agreed.length > 0 || dissent.size > 0 ? settledBy(outcome) : ""],
    ["Spoke", [speaker, spokeBecause].filter(Boolean).join(": ")],
    ["Alone because", route && route !== spokeBecause ? route : ""],
    ["Mode", mode === "deep" ? "deep: the answers were cross-checked in any case" : ""],
    [
      fit === "packed" ? "Conversation shortened" : fit === "routed" ? "Not everyone could read it" : "Context",
      context,
    ],
  ];
  const known = rows.filter(([, value]) => value);
  return (
    <>
      {known.length > 0 ? (
        <dl className="account" aria-label="How it was decided">
          {known.map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd dir="auto">{value}</dd>
            </div>
          ))}
        </dl>
      ) : null}
      <Members outcome={outcome} />
    </>
  );
}

function Members({ outcome }: { outcome: Outcome }): ReactNode {
  const names = [...new Set([...outcome.members.keys(), ...outcome.usage.map((one) => one.member)])];
  if (names.length === 0 || outcome.usage.length === 0) return null;
  return (
    <div className="table-scroll">
      <table className="usage">
        <caption className="visually-hidden">The members, and the tokens that each of them read and wrote</caption>
        <thead>
          <tr>
            <th scope="col">Member</th>
            <th scope="col">Part</th>
            <th scope="col">Read</th>
            <th scope="col">Wrote</th>
            <th scope="col">Not shown</th>
          </tr>
        </thead>
        <tbody>
          {names.map((name) => {
            const cost = outcome.usage.find((one) => one.member === name);
            return (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{inWords(partOf(name, outcome))}</td>
                <td>{count(cost?.read)}</td>
                <td>{count(cost?.wrote)}</td>
                <td title="Of what it wrote, the part that is not in the answer">{count(cost?.hidden)}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

const NUMBER = new Intl.NumberFormat("en");

function count(tokens: number | undefined): string {
  return tokens === undefined ? "" : NUMBER.format(tokens);
}
