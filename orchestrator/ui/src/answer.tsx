import { CircleAlert, Paperclip, RotateCw } from "lucide-react";
import { memo, type ReactNode, useEffect, useState } from "react";
import type { Message } from "./chat";
import { JobCard } from "./job-card";
import { Markdown } from "./markdown";
import { type Attachment, type Outcome, type Step, toolResultsAt } from "./wire";

interface Props {
  readonly message: Message;
  /** Set on the last answer: asks again. */
  readonly onRetry?: (() => void) | undefined;
  readonly retryAt: number;
}

interface QuestionProps {
  readonly content: string;
  readonly attachments: readonly Attachment[];
}

export const Question = memo(function Question({ content, attachments }: QuestionProps): ReactNode {
  return (
    <article className="question" aria-label="You">
      {content}
      {attachments.length > 0 ? (
        <ul className="attached" aria-label="Attached">
          {attachments.map(({ url, name }) => (
            <li key={url}>
              <a href={url} target="_blank" rel="noreferrer">
                {/\.(png|jpe?g|webp|gif)$/i.test(name) ? <img src={url} alt="" /> : <Paperclip />} {name}
              </a>
            </li>
          ))}
        </ul>
      ) : null}
    </article>
  );
});

/** One answer: the deliberation folded, the text, then the jobs it started. */
export const Answer = memo(function Answer({ message, onRetry, retryAt }: Props): ReactNode {
  const streaming = message.state === "streaming";
  return (
    <article className="answer" aria-label="Committee" aria-busy={streaming} data-state={message.state}>
      <Deliberation message={message} />
      <AnswerText message={message} />
      {streaming && !message.content ? <span className="caret" role="status" aria-label="Answering" /> : null}
      {message.outcome?.degraded ? <p className="notice">{degradedWords(message)}</p> : null}
      {message.jobIds.map((id) => (
        <JobCard key={id} id={id} />
      ))}
      {message.state === "stopped" ? <p className="quiet">This answer was stopped.</p> : null}
      {message.problem ? (
        <div className="notice bad" role="alert">
          <CircleAlert /> <span>{message.problem}</span>
          {onRetry ? <RetryButton onRetry={onRetry} retryAt={retryAt} /> : null}
        </div>
      ) : null}
    </article>
  );
});

/** The server's Tool Results section is folded where job cards show the same and more; errors stay in sight. */
function AnswerText({ message }: { message: Message }): ReactNode {
  const { content } = message;
  const at = toolResultsAt(content);
  const section = at < 0 ? "" : content.slice(at);
  if (!section || message.jobIds.length === 0 || /\berrors?\b/i.test(section)) return <Markdown text={content} />;
  return (
    <>
      <Markdown text={content.slice(0, at)} />
      <details className="fold">
        <summary>Tool results</summary>
        <Markdown text={section.replace(/^.*\n/, "")} />
      </details>
    </>
  );
}

function Deliberation({ message }: { message: Message }): ReactNode {
  const { steps, reasoning, outcome, state } = message;
  if (steps.length === 0 && !reasoning && !outcome) return null;
  const last = steps.at(-1);
  const busy = state === "streaming" && !message.content;
  return (
    <details className="fold deliberation">
      <summary>
        {busy ? (
          <span className="busy">{last ? stepWords(last) : "The committee is deliberating"}</span>
        ) : (
          "How the committee got there"
        )}
        {outcome?.agreement ? <span className="agreement">{agreementWords(outcome)}</span> : null}
      </summary>
      {steps.length > 0 ? (
        <ol className="steps">
          {steps.map((step, index) => (
            // Minutes are only ever appended to
            <li key={index}>{stepWords(step)}</li>
          ))}
        </ol>
      ) : null}
      {outcome ? <Account outcome={outcome} /> : null}
      {reasoning ? <div className="reasoning">{reasoning}</div> : null}
    </details>
  );
}

/** Who agreed, who did not, what settled it, and why the speaker spoke. */
function Account({ outcome }: { outcome: Outcome }): ReactNode {
  const { agreed, dissent, decidedBy, speaker, spokeBecause, context, held } = outcome;
  const rows: [string, string][] = [
    ["Agreed", agreed.join(", ")],
    ...[...dissent].map(([member, held]): [string, string] => [`${member} dissents`, held]),
    ["Settled by", agreed.length > 0 || dissent.size > 0 ? decidedBy : ""],
    ["Spoke", [speaker, spokeBecause].filter(Boolean).join(": ")],
    ["Context", context],
    ["Waits for your word", held.join(", ").replaceAll("_", " ")],
  ];
  const known = rows.filter(([, value]) => value);
  if (known.length === 0) return null;
  return (
    <dl className="account" aria-label="How it was decided">
      {known.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function agreementWords({ agreement, speaker }: Outcome): string {
  const known: Record<string, string> = {
    agreed: "all agreed",
    compatible: "views fit together",
    decided: "opinions differed; it was settled",
    split: "opinions differed",
    single: "one member only",
    solo: speaker ? `${speaker} alone` : "one member alone",
  };
  return known[agreement] ?? agreement;
}

/** A step as a sentence; one that this page does not know, as it came. */
function stepWords({ stage, member, event, detail }: Step): string {
  const why = detail ? ` (${detail.replaceAll("_", " ")})` : "";
  switch (`${stage} ${event}`) {
    case "probe started":
      return `${member} is thinking it over`;
    case "probe answered":
      return `${member} has a proposal${why}`;
    case "probe failed":
      return `${member} did not answer${why}`;
    case "act started":
      return `Tools are running${why}`;
    case "speak started":
      return `${member} speaks`;
    case "speak failed":
      return `${member} could not speak${why}`;
    case "route solo":
      return `${member} answers alone${why}`;
  }
  if (stage === "compare") return `The proposals were compared: ${event}${why}`;
  return `${[stage, member, event].filter(Boolean).join(", ")}${why}`;
}

function degradedWords({ outcome }: Message): string {
  const missing = [...(outcome?.members ?? [])].filter(([, state]) => state !== "ok" && state !== "silent");
  const causes = missing.map(([name, state]) => `${name}: ${outcome?.causes.get(name) || state.replaceAll("_", " ")}`);
  return `The committee was not complete for this answer. ${causes.join(" ")}`.trim();
}

function RetryButton({ onRetry, retryAt }: { onRetry: () => void; retryAt: number }): ReactNode {
  const waitS = useSecondsUntil(retryAt);
  return (
    <button type="button" className="button small" disabled={waitS > 0} onClick={onRetry}>
      <RotateCw /> {waitS > 0 ? `Try again in ${waitS} s` : "Try again"}
    </button>
  );
}

function useSecondsUntil(time: number): number {
  const [now, setNow] = useState(() => Date.now());
  const left = Math.max(0, Math.ceil((time - now) / 1000));
  useEffect(() => {
    if (left === 0) return;
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [left]);
  return left;
}
