import { Dialog } from "@base-ui/react/dialog";
import { type FormEvent, type ReactNode, useState } from "react";
import { ApiError, reason, session, signIn } from "./api";
import { useStore } from "./store";

/** Asks for a key when the server wants one. The key is traded for a cookie and kept nowhere. */
export function KeyDialog(): ReactNode {
  const { needed } = useStore(session);
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState("");
  const submit = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    try {
      await signIn(key.trim());
      setProblem("");
      setKey("");
    } catch (error) {
      setProblem(
        error instanceof ApiError && error.status === 401 ? "The server does not know this key." : reason(error),
      );
    }
  };
  return (
    <Dialog.Root open={needed} onOpenChange={(open) => !open && session.patch({ needed: false })}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog">
          <Dialog.Title className="dialog-title">This server asks for a key</Dialog.Title>
          <Dialog.Description className="quiet">
            It is traded for a cookie and is not kept on this page. Whoever runs the server can give you one.
          </Dialog.Description>
          <form onSubmit={submit}>
            <input
              type="password"
              value={key}
              onChange={(event) => setKey(event.target.value)}
              placeholder="sk-…"
              aria-label="Key"
              autoComplete="off"
              spellCheck={false}
            />
            {problem ? (
              <p className="notice bad" role="alert">
                {problem}
              </p>
            ) : null}
            <div className="dialog-buttons">
              <Dialog.Close className="button">Not now</Dialog.Close>
              <button type="submit" className="button primary" disabled={!key.trim()}>
                Sign in
              </button>
            </div>
          </form>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
