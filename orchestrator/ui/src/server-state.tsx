import { Popover } from "@base-ui/react/popover";
import { type ReactNode, useEffect } from "react";
import { getJson } from "./api";
import type { Asked } from "./chat";
import { remembered, Store, useStore } from "./store";
import { type Health, type Member, type Model, readHealth, readModels } from "./wire";

/** How the server is, as last heard; `problem` says why nothing newer is known. */
export const serverState = new Store<{ health: Health | null; problem: string | null }>({
  health: null,
  problem: null,
});

/** What can be asked; the first is the committee itself. */
export const models = new Store<readonly Model[]>([]);

/** The id of the model that the reader chose; empty means the committee. */
export const chosenModel = remembered("model");

/** How the committee is to answer: "auto", "deep" or "solo"; empty means "auto". */
export const chosenMode = remembered("mode");

const MODES: readonly string[] = ["auto", "deep", "solo"];

/** What the reader chose, as far as the server has it. */
export function useAsked(): Asked & { readonly alone: boolean } {
  const [model, mode, known] = [useStore(chosenModel), useStore(chosenMode), useStore(models)];
  // A member that has been renamed since is nobody. Before the list is there, the choice is taken at its word.
  const valid = known.length === 0 || known.some((one) => one.id === model) ? model : "";
  const alone = valid !== "" && valid !== known[0]?.id;
  return { model: valid, mode: alone || !MODES.includes(mode) || mode === "auto" ? "" : mode, alone };
}

const REFRESH_MS = 15_000;
const REFRESH_IN_TROUBLE_MS = 3_000;

async function refresh(): Promise<void> {
  try {
    // A 503 tells what is wrong in the same shape.
    const response = await fetch("/healthz", { cache: "no-store" });
    serverState.set({ health: readHealth(await response.json()), problem: null });
  } catch {
    serverState.patch({ problem: "The server does not answer." });
  }
}

export async function loadModels(): Promise<void> {
  try {
    models.set(readModels(await getJson("/v1/models")));
  } catch {
    // Without the list the committee itself still answers; the badge tells of the server's state.
  }
}

/** A dot and a word; opened, every member by name. */
export function HealthBadge(): ReactNode {
  const { health, problem } = useStore(serverState);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stopped = false;
    const look = async (): Promise<void> => {
      if (!document.hidden) await refresh();
      if (stopped) return;
      const { health, problem } = serverState.get();
      timer = setTimeout(look, problem || !health?.databaseOk ? REFRESH_IN_TROUBLE_MS : REFRESH_MS);
    };
    void look();
    return () => {
      stopped = true;
      clearTimeout(timer);
    };
  }, []);
  const { tone, words } = summary(health, problem);
  return (
    <Popover.Root>
      <Popover.Trigger className="health" data-tone={tone}>
        <span className="dot" /> {words}
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Positioner sideOffset={8} align="end" className="positioner">
          <Popover.Popup className="popup">
            <Popover.Title className="popup-title">The committee</Popover.Title>
            {problem ? <p className="notice bad">{problem} Below is what was last known.</p> : null}
            <ul className="members">
              {(health?.members ?? []).map((member) => (
                <li key={member.name} data-tone={memberTone(member)}>
                  <span className="dot" />
                  <b>{member.name}</b> <span className="quiet">{member.model}</span>
                  <p className="quiet">{memberWords(member)}</p>
                </li>
              ))}
            </ul>
          </Popover.Popup>
        </Popover.Positioner>
      </Popover.Portal>
    </Popover.Root>
  );
}

type Tone = "good" | "fair" | "bad" | "unknown";

function summary(health: Health | null, problem: string | null): { tone: Tone; words: string } {
  if (problem) return { tone: "bad", words: "Server unreachable" };
  if (health === null) return { tone: "unknown", words: "Connecting…" };
  if (!health.databaseOk) return { tone: "bad", words: "Database down" };
  const down = health.members.filter((member) => !member.ok);
  if (health.members.length > 0 && down.length === health.members.length) {
    return { tone: "bad", words: "No member answers" };
  }
  if (down.length > 0) return { tone: "fair", words: `${down.map((member) => member.name).join(", ")} down` };
  if (health.degraded) return { tone: "fair", words: "Degraded" };
  if (health.members.some((member) => member.offline)) return { tone: "fair", words: "Offline members" };
  return { tone: "good", words: health.members.map((member) => member.name).join(" + ") || "Ready" };
}

function memberTone(member: Member): Tone {
  if (!member.ok) return "bad";
  return member.offline ? "fair" : "good";
}

function memberWords(member: Member): string {
  if (!member.ok) return member.note || "Does not answer.";
  if (member.offline) return `Built-in stand-in: it follows rules, no language model is connected. ${member.note}`;
  return member.note || "Ready.";
}
