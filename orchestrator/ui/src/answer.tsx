import { Bot, CircleAlert, Paperclip, RotateCw, TriangleAlert } from "lucide-react";
import { memo, type ReactNode, useEffect, useState } from "react";
import type { Message } from "./chat";
import { Decision, Deliberating } from "./decision";
import { type Fate, HeldCalls } from "./held";
import { JobCard } from "./job-card";
import { Markdown } from "./markdown";
import { byStandIn, missingWords } from "./minutes";
import { announcementAt, type Attachment, type Decided, isPicture, type Outcome, toolResultsAt } from "./wire";

interface Props {
  readonly message: Message;
  /** Set on the last answer: asks again. */
  readonly onRetry?: (() => void) | undefined;
  readonly retryAt: number;
  /** What became of the calls that wait, in their order, as one text: a memoised answer compares it cheaply. */
  readonly fates: string;
  readonly busy: boolean;
  readonly onDecide: (words: string, decided: Decided) => void;
}

interface QuestionProps {
  readonly content: string;
  readonly attachments: readonly Attachment[];
}

export const Question = memo(function Question({ content, attachments }: QuestionProps): ReactNode {
  return (
    <article className="question" aria-label="You" dir="auto">
      {content}
      {attachments.length > 0 ? (
        <ul className="attached" aria-label="Attached">
          {attachments.map(({ url, name }) => (
            <li key={url}>
              <a href={url} target="_blank" rel="noreferrer">
                {isPicture(name) ? <img src={url} alt="" loading="lazy" /> : <Paperclip />} <bdi>{name}</bdi>
              </a>
            </li>
          ))}
        </ul>
      ) : null}
    </article>
  );
});

/** One answer: the text, the jobs it started, what waits for the reader, and how it was decided. */
export const Answer = memo(function Answer(props: Props): ReactNode {
  const { message, onRetry, retryAt, fates, busy, onDecide } = props;
  const { outcome } = message;
  const streaming = message.state === "streaming";
  const deliberating = streaming && !message.content;
  return (
    <article className="answer" aria-label="Committee" aria-busy={streaming} data-state={message.state}>
      {deliberating ? <Deliberating message={message} /> : null}
      <AnswerText message={message} />
      {deliberating && message.steps.length === 0 ? <span className="caret" aria-hidden="true" /> : null}
      {outcome ? <Caveats outcome={outcome} /> : null}
      {message.jobIds.map((id) => (
        <JobCard key={id} id={id} />
      ))}
      {outcome && outcome.held.length > 0 && !streaming ? (
        <HeldCalls calls={outcome.held} fates={fates.split(" ") as Fate[]} busy={busy} onDecide={onDecide} />
      ) : null}
      {deliberating ? null : <Decision message={message} />}
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
  // What waits is shown by the page itself, with buttons.
  const asked = message.outcome?.held.length ? announcementAt(message.content) : -1;
  const content = asked < 0 ? message.content : message.content.slice(0, asked);
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

/** What the reader should know before trusting an answer. */
function Caveats({ outcome }: { outcome: Outcome }): ReactNode {
  const missing = missingWords(outcome);
  return (
    <>
      {byStandIn(outcome) ? (
        <p className="notice fair">
          <Bot /> <span>No language model answered: a built-in stand-in, which follows rules, did.</span>
        </p>
      ) : null}
      {missing ? (
        <p className="notice fair">
          <TriangleAlert /> <span>{missing}</span>
        </p>
      ) : null}
    </>
  );
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
