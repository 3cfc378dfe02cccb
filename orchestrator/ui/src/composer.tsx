import { Select } from "@base-ui/react/select";
import { ArrowUp, Check, ChevronDown, Paperclip, Square, X } from "lucide-react";
import { type KeyboardEvent, type ReactNode, useEffect, useRef } from "react";
import { chosenModel, models } from "./server-state";
import { useStore } from "./store";
import type { Attachment, Model } from "./wire";

interface Props {
  readonly draft: string;
  readonly onDraft: (text: string) => void;
  readonly busy: boolean;
  readonly attachments: readonly Attachment[];
  readonly uploading: boolean;
  readonly onAttach: (files: readonly File[]) => void;
  readonly onDetach: (url: string) => void;
  readonly onSend: () => void;
  readonly onStop: () => void;
}

/** Enter sends, Shift+Enter makes a new line, Escape stops a running answer; files come by the clip or by pasting. */
export function Composer(props: Props): ReactNode {
  const { draft, onDraft, busy, attachments, uploading, onAttach, onDetach, onSend, onStop } = props;
  const field = useRef<HTMLTextAreaElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === "Escape" && busy) onStop();
    // While an input method composes a word, Enter accepts the word.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    if (!busy && !uploading) onSend();
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
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy && !uploading) onSend();
      }}
    >
      {attachments.length > 0 || uploading ? (
        <ul className="attached" aria-label="Attached">
          {attachments.map(({ url, name }) => (
            <li key={url}>
              {name}
              <button type="button" aria-label={`Remove ${name}`} onClick={() => onDetach(url)}>
                <X />
              </button>
            </li>
          ))}
          {uploading ? (
            <li className="busy" role="status">
              Uploading…
            </li>
          ) : null}
        </ul>
      ) : null}
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
          onAttach(files);
        }}
        placeholder="Ask, or describe a film…"
        aria-label="Message"
        // Writing is what this page is for
        autoFocus
      />
      <div className="composer-row">
        <ModelChip />
        <label className="clip">
          <input
            type="file"
            multiple
            aria-label="Attach files"
            onChange={(event) => {
              onAttach([...(event.target.files ?? [])]);
              // The same file may be chosen again
              event.target.value = "";
            }}
          />
          <Paperclip aria-hidden="true" />
        </label>
        <span className="hint">Enter sends · Shift+Enter for a new line</span>
        {busy ? (
          <button type="button" className="round-button" onClick={onStop} aria-label="Stop">
            <Square />
          </button>
        ) : (
          <button type="submit" className="round-button" disabled={!draft.trim() || uploading} aria-label="Send">
            <ArrowUp />
          </button>
        )}
      </div>
    </form>
  );
}

function ModelChip(): ReactNode {
  const model = useStore(chosenModel);
  const known = useStore(models);
  const options: readonly Model[] = known.length > 0 ? known : [{ id: "", label: "The whole committee" }];
  const chosen = options.find((option) => option.id === model) ?? options[0];
  return (
    <Select.Root value={chosen?.id ?? ""} onValueChange={(value) => chosenModel.set(value ?? "")}>
      <Select.Trigger className="model-chip" aria-label="Who answers">
        <Select.Value>{chosen?.label ?? ""}</Select.Value>
        <ChevronDown />
      </Select.Trigger>
      <Select.Portal>
        <Select.Positioner sideOffset={6} align="start" alignItemWithTrigger={false} className="positioner">
          <Select.Popup className="popup">
            <Select.List>
              {options.map((option) => (
                <Select.Item key={option.id} value={option.id} className="option">
                  <Select.ItemText>{option.label}</Select.ItemText>
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
