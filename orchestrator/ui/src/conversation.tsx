import { ArrowDown, Clapperboard, Image, Lightbulb, Scale } from "lucide-react";
import { type ReactNode, useCallback, useEffect, useLayoutEffect, useRef, useState } from "react";
import { Answer, Question } from "./answer";
import { reason, session } from "./api";
import { createConversation, fatesOf, loadThread, retry, send, stopAnswer, type Thread, thread } from "./chat";
import { Composer } from "./composer";
import { conversationHash } from "./route";
import { serverState, useAsked } from "./server-state";
import { Store, useStore } from "./store";
import { useUploads } from "./uploads";
import { allStandIn, type Decided } from "./wire";

const EXAMPLES = [
  { icon: Clapperboard, text: "Make a 20-second film about monarch butterflies. Title: Butterflies" },
  { icon: Scale, text: "Weigh up SQLite against Postgres for a job queue, and tell me where you disagree." },
  { icon: Lightbulb, text: "Explain how a committee of two models can beat the better one." },
];

// What rules can do without a language model.
const OFFLINE_EXAMPLES = [
  { icon: Clapperboard, text: "Make a 20-second film about monarch butterflies. Title: Butterflies" },
  { icon: Image, text: "Draw a lighthouse at dusk" },
  { icon: Clapperboard, text: "Make a 15-second film about a red fox in the snow. Title: First Snow" },
];

const NOTHING = new Store<Thread>({ messages: [], loaded: true, problem: null, retryAt: 0 });

/** One conversation with its composer; an empty `id` is one that begins with the first message. */
export function ConversationView({ id }: { id: string }): ReactNode {
  const [draft, setDraft] = useState("");
  const { model, mode } = useAsked();
  const uploads = useUploads();
  const [problem, setProblem] = useState("");
  const [waiting, setWaiting] = useState(false);
  const { entries } = useStore(session);
  const { messages, loaded, problem: loadProblem, retryAt } = useStore(id ? thread(id) : NOTHING);
  const busy = messages.at(-1)?.state === "streaming";
  const uploading = uploads.underWay.length > 0;

  // A sign-in may open what was refused before
  useEffect(() => {
    if (id) void loadThread(id);
  }, [id, entries]);

  const submit = async (): Promise<void> => {
    const content = draft.trim();
    if (!content || busy) return;
    setProblem("");
    if (uploading) {
      setWaiting(true);
      return;
    }
    try {
      const target = id || (await createConversation());
      setDraft("");
      uploads.clear();
      void send(target, content, { model, mode }, { attachments: uploads.kept });
      window.location.hash = conversationHash(target);
    } catch (error) {
      setProblem(reason(error));
    }
  };
  // Enter during an upload sends when that is done; not without a file that was meant to come along.
  useEffect(() => {
    if (!waiting || uploading) return;
    setWaiting(false);
    if (uploads.problems.length === 0) void submit();
  });
  const decide = useCallback(
    (words: string, decided: Decided) => void send(id, words, { model, mode }, { decided }),
    [id, model, mode],
  );
  const askAgain = useCallback(() => void retry(id, { model, mode }), [id, model, mode]);

  const problems = [...uploads.problems, problem || loadProblem || ""].filter(Boolean);
  return (
    <>
      <Scroller follow={messages}>
        {messages.length === 0 && loaded ? <Welcome onPick={setDraft} /> : null}
        {messages.length === 0 && !loaded && problems.length === 0 ? <p className="quiet centred">Loading…</p> : null}
        {messages.map((message, index) =>
          message.role === "user" ? (
            <Question key={message.id} content={message.content} attachments={message.attachments} />
          ) : (
            <Answer
              key={message.id}
              message={message}
              retryAt={retryAt}
              fates={message.outcome?.held.length ? fatesOf(messages, index, Date.now()) : ""}
              busy={busy}
              onDecide={decide}
              onRetry={index === messages.length - 1 ? askAgain : undefined}
            />
          ),
        )}
      </Scroller>
      <div className="dock">
        {problems.map((words) => (
          <p className="notice bad" role="alert" key={words}>
            {words}
          </p>
        ))}
        <Composer
          draft={draft}
          onDraft={setDraft}
          busy={busy}
          uploads={uploads}
          waiting={waiting}
          onSend={() => void submit()}
          onStop={() => stopAnswer(id)}
        />
      </div>
    </>
  );
}

function Welcome({ onPick }: { onPick: (text: string) => void }): ReactNode {
  const { health } = useStore(serverState);
  const offline = health !== null && allStandIn(health);
  // Until it is known who answers, only what both can do.
  const examples = health === null ? EXAMPLES.slice(0, 1) : offline ? OFFLINE_EXAMPLES : EXAMPLES;
  return (
    <section className="welcome">
      <h2>What shall we make?</h2>
      <p className="quiet">
        {health === null
          ? ""
          : offline
            ? "No language model is connected, so rules stand in: they start films and pictures, and cannot discuss. "
            : "Several models think about what you ask, compare notes, and one of them answers. "}
        Films take a few minutes and keep going when you close this page.
      </p>
      <ul>
        {examples.map(({ icon: Icon, text }) => (
          <li key={text}>
            <button type="button" onClick={() => onPick(text)}>
              <Icon /> {text}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

/** Keeps the newest text in view while the reader is at the bottom, and leaves a reader who scrolled up alone. */
function Scroller({ follow, children }: { follow: unknown; children: ReactNode }): ReactNode {
  const area = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const lastTop = useRef(0);
  const [away, setAway] = useState(false);
  const toEnd = useCallback((): void => {
    const element = area.current;
    if (element) element.scrollTop = element.scrollHeight;
  }, []);
  useLayoutEffect(() => {
    if (atEnd.current) toEnd();
  }, [follow, toEnd]);
  // Pictures and job cards grow without a new message.
  useEffect(() => {
    if (!content.current) return;
    const observer = new ResizeObserver(() => atEnd.current && toEnd());
    observer.observe(content.current);
    return () => observer.disconnect();
  }, [toEnd]);
  const onScroll = (): void => {
    const element = area.current;
    if (!element) return;
    const below = element.scrollHeight - element.scrollTop - element.clientHeight;
    // Only scrolling up leaves the end: what grows below the reader does not.
    if (below < 80) atEnd.current = true;
    else if (element.scrollTop < lastTop.current) atEnd.current = false;
    lastTop.current = element.scrollTop;
    setAway(!atEnd.current);
  };
  return (
    <div className="scroller" ref={area} onScroll={onScroll}>
      <div className="messages" ref={content} role="log" aria-label="Messages" aria-live="off">
        {children}
      </div>
      {away ? (
        <button type="button" className="round-button to-end" aria-label="Jump to the end" onClick={toEnd}>
          <ArrowDown />
        </button>
      ) : null}
    </div>
  );
}
