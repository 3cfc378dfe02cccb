import { AlertDialog } from "@base-ui/react/alert-dialog";
import { Plus, Trash2 } from "lucide-react";
import { type ReactNode, useState } from "react";
import { reason } from "./api";
import { conversations, deleteConversation } from "./chat";
import { jobTitle, STATUS_WORDS } from "./job-card";
import { jobList } from "./jobs";
import { conversationHash, jobHash, type Route } from "./route";
import { useStore } from "./store";
import { type Conversation, isOver } from "./wire";

/** Conversations above, recent jobs below. `onLeave` runs after any choice, so that a drawer can close. */
export function Sidebar({ route, onLeave }: { route: Route; onLeave: () => void }): ReactNode {
  return (
    <nav className="sidebar-content" aria-label="Conversations and jobs">
      <a className="button new" href="#/" onClick={onLeave}>
        <Plus /> New conversation
      </a>
      <ConversationList openId={route.view === "conversation" ? route.id : ""} onLeave={onLeave} />
      <JobList openId={route.view === "job" ? route.id : ""} onLeave={onLeave} />
    </nav>
  );
}

function ConversationList({ openId, onLeave }: { openId: string; onLeave: () => void }): ReactNode {
  const { list, loaded, problem } = useStore(conversations);
  const [doomed, setDoomed] = useState<Conversation | null>(null);
  return (
    <section className="list grow">
      <h2>Conversations</h2>
      {problem ? <StaleNote problem={problem} known={loaded} /> : null}
      {loaded && list.length === 0 && !problem ? <p className="quiet">None yet.</p> : null}
      <ul>
        {list.map((row) => (
          <li key={row.id} aria-current={row.id === openId ? "page" : undefined}>
            <a href={conversationHash(row.id)} onClick={onLeave}>
              <span className="ellipsis">{row.title}</span>
            </a>
            <button
              type="button"
              className="icon-button"
              aria-label={`Delete ${row.title}`}
              onClick={() => setDoomed(row)}
            >
              <Trash2 />
            </button>
          </li>
        ))}
      </ul>
      <ConfirmDelete conversation={doomed} onClose={() => setDoomed(null)} isOpen={doomed?.id === openId} />
    </section>
  );
}

interface ConfirmProps {
  readonly conversation: Conversation | null;
  readonly isOpen: boolean;
  readonly onClose: () => void;
}

function ConfirmDelete({ conversation, isOpen, onClose }: ConfirmProps): ReactNode {
  const [problem, setProblem] = useState("");
  const confirm = async (): Promise<void> => {
    if (!conversation) return;
    try {
      await deleteConversation(conversation.id);
      if (isOpen) window.location.hash = "#/";
      setProblem("");
      onClose();
    } catch (error) {
      setProblem(reason(error));
    }
  };
  return (
    <AlertDialog.Root open={conversation !== null} onOpenChange={(open) => !open && onClose()}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="backdrop" />
        <AlertDialog.Popup className="dialog">
          <AlertDialog.Title className="dialog-title">Delete this conversation?</AlertDialog.Title>
          <AlertDialog.Description className="quiet">
            “{conversation?.title}” goes for good. Films it started stay in the job list.
          </AlertDialog.Description>
          {problem ? <p className="notice bad">{problem}</p> : null}
          <div className="dialog-buttons">
            <AlertDialog.Close className="button">Keep it</AlertDialog.Close>
            <button type="button" className="button danger" onClick={confirm}>
              Delete
            </button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}

function JobList({ openId, onLeave }: { openId: string; onLeave: () => void }): ReactNode {
  const { jobs, loaded, problem } = useStore(jobList);
  return (
    <section className="list" aria-label="Recent jobs">
      <h2>Recent jobs</h2>
      {problem ? <StaleNote problem={problem} known={loaded} /> : null}
      {loaded && jobs.length === 0 && !problem ? <p className="quiet">Films and pictures appear here.</p> : null}
      <ul>
        {jobs.map((job) => (
          <li key={job.id} aria-current={job.id === openId ? "page" : undefined}>
            <a href={jobHash(job.id)} onClick={onLeave}>
              <span className="dot" data-status={job.status} title={job.status} />
              <span className="ellipsis">{jobTitle(job)}</span>
              <span className="quiet">
                {isOver(job) ? STATUS_WORDS[job.status].toLowerCase() : `${Math.floor(job.progress * 100)} %`}
              </span>
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function StaleNote({ problem, known }: { problem: string; known: boolean }): ReactNode {
  return (
    <p className="notice" role="status">
      {problem} {known ? "Showing what was last known." : "Nothing is known yet; trying again."}
    </p>
  );
}
