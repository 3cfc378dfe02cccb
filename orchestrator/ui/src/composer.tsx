import { Select } from "@base-ui/react/select";
import { ArrowUp, Check, ChevronDown, Paperclip, Square, X } from "lucide-react";
import { type DragEvent, type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";
import { chosenMode, chosenModel, models, useAsked } from "./server-state";
import { useStore } from "./store";
import type { Uploads } from "./uploads";
import { isPicture, type Model } from "./wire";

interface Props {
  readonly draft: string;
  readonly onDraft: (text: string) => void;
  readonly busy: boolean;
  readonly uploads: Uploads;
  /** The message goes as soon as its files have arrived. */
  readonly waiting: boolean;
  readonly onSend: () => void;
  readonly onStop: () => void;
}

/**
 * Enter sends, Shift+Enter makes a new line, Escape stops a running answer; where fingers type, Enter makes the new line
 * and the button sends. Files come by the clip, by pasting and by dropping.
 */
export function Composer(props: Props): ReactNode {
  const { draft, onDraft, busy, uploads, waiting, onSend, onStop } = props;
  const { kept, underWay, attach } = uploads;
  const field = useRef<HTMLTextAreaElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape" && busy) onStop();
    // While an input method composes a word, Enter accepts the word; Safari tells of it by this code alone.
    const composing = event.nativeEvent.isComposing || event.keyCode === 229;
    if (event.key !== "Enter" || event.shiftKey || composing || window.matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    if (!busy) onSend();
  };
  const onDrop = (event: DragEvent): void => {
    if (event.dataTransfer.files.length === 0) return;
    event.preventDefault();
    attach([...event.dataTransfer.files]);
  };
  // The height follows the text
  useEffect(() => {
    const area = field.current;
    if (!area) return;
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
  }, [draft]);
  return (
    <form
      className="composer"
      onDragOver={(event) => event.preventDefault()}
      onDrop={onDrop}
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy) onSend();
      }}
    >
      <Files uploads={uploads} />
      <textarea
        ref={field}
        rows={1}
        value={draft}
        onChange={(event) => onDraft(event.target.value)}
        onKeyDown={onKeyDown}
        onPaste={(event) => {
          const files = [...event.clipboardData.files];
          if (files.length === 0) return;
          event.preventDefault();
          attach(files);
        }}
        dir="auto"
        placeholder={kept.length + underWay.length > 0 ? "What is to be done with it?" : "Ask, or describe a film…"}
        aria-label="Message"
        // Writing is what this page is for
        autoFocus
      />
      <div className="composer-row">
        <ModelChip />
        <ModeChip />
        <label className="clip">
          <input
            type="file"
            multiple
            aria-label="Attach files"
            onChange={(event) => {
              attach([...(event.target.files ?? [])]);
              // The same file may be chosen again
              event.target.value = "";
            }}
          />
          <Paperclip aria-hidden="true" />
        </label>
        <span className="hint" role="status" data-urgent={waiting}>
          {waiting ? "Sends when the files have arrived" : "Enter sends · Shift+Enter for a new line"}
        </span>
        {busy ? (
          <button type="button" className="round-button" onClick={onStop} aria-label="Stop">
            <Square />
          </button>
        ) : (
          <button type="submit" className="round-button" disabled={!draft.trim() || waiting} aria-label="Send">
            <ArrowUp />
          </button>
        )}
      </div>
    </form>
  );
}

function Files({ uploads }: { uploads: Uploads }): ReactNode {
  const { kept, underWay, detach, cancel } = uploads;
  if (kept.length + underWay.length === 0) return null;
  return (
    <ul className="attached" aria-label="Attached">
      {kept.map(({ url, name }) => (
        <li key={url}>
          {isPicture(name) ? <img src={url} alt="" /> : null}
          <bdi className="ellipsis">{name}</bdi>
          <button type="button" aria-label={`Remove ${name}`} onClick={() => detach(url)}>
            <X />
          </button>
        </li>
      ))}
      {underWay.map(({ key, name, fraction }) => (
        <li key={key}>
          <bdi className="ellipsis">{name}</bdi>
          <progress value={fraction} aria-label={`Uploading ${name}`} />
          <button type="button" aria-label={`Do not upload ${name}`} onClick={() => cancel(key)}>
            <X />
          </button>
        </li>
      ))}
    </ul>
  );
}

interface Choice {
  readonly id: string;
  readonly label: string;
  readonly hint?: string;
}

const COMMITTEE: readonly Model[] = [{ id: "", label: "The whole committee" }];

function ModelChip(): ReactNode {
  const known = useStore(models);
  const { model } = useAsked();
  const options = known.length > 0 ? known : COMMITTEE;
  return <Chip name="Who answers" options={options} chosen={model} onChoose={(id) => chosenModel.set(id)} />;
}

const MODES: readonly Choice[] = [
  { id: "auto", label: "Auto", hint: "As thorough as the question needs" },
  { id: "deep", label: "Deep", hint: "Every member checks the others’ answers" },
  { id: "solo", label: "One member", hint: "The quickest: nobody is consulted" },
];

/** How the committee answers; a member that was chosen by name answers alone anyway. */
function ModeChip(): ReactNode {
  const { mode, alone } = useAsked();
  if (alone) return null;
  return <Chip name="How it answers" options={MODES} chosen={mode || "auto"} onChoose={(id) => chosenMode.set(id)} />;
}

interface ChipProps {
  readonly name: string;
  readonly options: readonly Choice[];
  readonly chosen: string;
  readonly onChoose: (id: string) => void;
}

function Chip({ name, options, chosen, onChoose }: ChipProps): ReactNode {
  const shown = options.find((option) => option.id === chosen) ?? options[0];
  return (
    <Select.Root value={shown?.id ?? ""} onValueChange={(value) => onChoose(value ?? "")}>
      <Select.Trigger className="model-chip" aria-label={name}>
        <Select.Value className="ellipsis">{shown?.label ?? ""}</Select.Value>
        <ChevronDown />
      </Select.Trigger>
      <Select.Portal>
        <Select.Positioner sideOffset={6} align="start" alignItemWithTrigger={false} className="positioner">
          <Select.Popup className="popup">
            <Select.List>
              {options.map((option) => (
                <Select.Item key={option.id} value={option.id} className="option">
                  <span>
                    <Select.ItemText>{option.label}</Select.ItemText>
                    {option.hint ? <span className="option-hint">{option.hint}</span> : null}
                  </span>
                  <Select.ItemIndicator>
                    <Check />
                  </Select.ItemIndicator>
                </Select.Item>
              ))}
            </Select.List>
          </Select.Popup>
        </Select.Positioner>
      </Select.Portal>
    </Select.Root>
  );
}
