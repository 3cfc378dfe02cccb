import { CirclePause } from "lucide-react";
import { memo, type ReactNode, useRef } from "react";
import { inWords } from "./minutes";
import type { Decided, HeldCall } from "./wire";

export type Fate = "open" | "run" | "left" | "lapsed";

interface Props {
  readonly calls: readonly HeldCall[];
  readonly fates: readonly Fate[];
  /** While an answer is on its way nothing can be said. */
  readonly busy: boolean;
  readonly onDecide: (words: string, decided: Decided) => void;
}

const SAID: Readonly<Record<Exclude<Fate, "open">, string>> = {
  run: "You let it run.",
  left: "You left it.",
  lapsed: "Nobody answered within a day, so it was dropped. Ask again if it is still wanted.",
};

/** Calls that wait for the reader: what exactly would be run, and the two answers. */
export const HeldCalls = memo(function HeldCalls({ calls, fates, busy, onDecide }: Props): ReactNode {
  const section = useRef<HTMLElement>(null);
  // The button that was pressed goes away, and the focus must not be lost with it.
  const decide = (words: string, decided: Decided): void => {
    section.current?.focus();
    onDecide(words, decided);
  };
  const open = calls.filter((_, index) => fates[index] === "open");
  const run = (some: readonly HeldCall[]): void =>
    decide(`Run ${names(some)}.`, { confirm: some.map((call) => call.id), leave: [] });
  const leave = (some: readonly HeldCall[]): void =>
    decide(`Leave ${names(some)}.`, { confirm: [], leave: some.map((call) => call.id) });
  return (
    <section className="held" ref={section} tabIndex={-1} aria-label="Waits for your word" data-open={open.length > 0}>
      <h3>
        <CirclePause /> {open.length > 0 ? "Not done yet: this waits for your word" : "This waited for your word"}
      </h3>
      {calls.map((call, index) => (
        <div className="held-call" key={call.id} role="group" aria-label={inWords(call.name)}>
          <h4>{inWords(call.name)}</h4>
          <Arguments call={call} />
          <Verdict
            fate={fates[index] ?? "open"}
            name={inWords(call.name)}
            busy={busy}
            onRun={() => run([call])}
            onLeave={() => leave([call])}
          />
        </div>
      ))}
      {open.length > 1 ? (
        <div className="held-buttons">
          <button type="button" className="button small" disabled={busy} onClick={() => run(open)}>
            Run all {open.length}
          </button>
          <button type="button" className="button small" disabled={busy} onClick={() => leave(open)}>
            Leave all {open.length}
          </button>
        </div>
      ) : null}
    </section>
  );
});

interface VerdictProps {
  readonly fate: Fate;
  readonly name: string;
  readonly busy: boolean;
  readonly onRun: () => void;
  readonly onLeave: () => void;
}

function Verdict({ fate, name, busy, onRun, onLeave }: VerdictProps): ReactNode {
  if (fate !== "open") return <p className="quiet">{SAID[fate]}</p>;
  return (
    <div className="held-buttons">
      <button
        type="button"
        className="button primary small"
        aria-label={`Run it: ${name}`}
        disabled={busy}
        onClick={onRun}
      >
        Run it
      </button>
      <button type="button" className="button small" aria-label={`Leave it: ${name}`} disabled={busy} onClick={onLeave}>
        Leave it
      </button>
    </div>
  );
}

function Arguments({ call }: { call: HeldCall }): ReactNode {
  if (call.args.length === 0) return <p className="quiet">Without arguments.</p>;
  return (
    <dl>
      {call.args.map(({ name, value }) => (
        <div key={name}>
          <dt>{name}</dt>
          {/* Long values scroll, and a scrolling box must be reachable by keyboard */}
          <dd dir="auto" tabIndex={value.length > 400 ? 0 : undefined}>
            {value}
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** In words that are no plain "yes", which would stand for all that waits. */
function names(calls: readonly HeldCall[]): string {
  return calls.map((call) => call.name).join(", ");
}
