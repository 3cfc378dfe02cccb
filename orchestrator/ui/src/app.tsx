import { CSPProvider } from "@base-ui/react/csp-provider";
import { Dialog } from "@base-ui/react/dialog";
import { Menu, Moon, Sun } from "lucide-react";
import { type ReactNode, useEffect, useState } from "react";
import { session } from "./api";
import { conversations, loadConversations } from "./chat";
import { ConversationView } from "./conversation";
import { JobCard, jobTitle } from "./job-card";
import { jobList, watchJobList } from "./jobs";
import { KeyDialog } from "./key-dialog";
import { type Route, useRoute } from "./route";
import { HealthBadge, loadModels } from "./server-state";
import { Sidebar } from "./sidebar";
import { useStore } from "./store";

export function App(): ReactNode {
  const route = useRoute();
  const { entries } = useStore(session);
  const title = useTitle(route);
  useEffect(() => {
    document.title = route.view === "new" ? "Committee" : `${title} · Committee`;
  }, [route.view, title]);
  // A sign-in may open what was refused before
  useEffect(() => {
    void loadConversations();
    void loadModels();
    return watchJobList();
  }, [entries]);
  return (
    <CSPProvider disableStyleElements>
      <div className="shell">
        <aside className="sidebar">
          <Brand />
          <Sidebar route={route} onLeave={() => undefined} />
        </aside>
        <main>
          <header className="top">
            <SidebarDrawer route={route} />
            <h1>{title}</h1>
            <HealthBadge />
            <ThemeButton />
          </header>
          {route.view === "job" ? (
            <div className="scroller">
              <div className="messages">
                <JobCard key={route.id} id={route.id} />
              </div>
            </div>
          ) : (
            <ConversationView
              key={route.view === "conversation" ? route.id : "new"}
              id={route.view === "conversation" ? route.id : ""}
            />
          )}
        </main>
      </div>
      <KeyDialog />
    </CSPProvider>
  );
}

function useTitle(route: Route): string {
  const { list } = useStore(conversations);
  const { jobs } = useStore(jobList);
  if (route.view === "job") {
    const job = jobs.find((row) => row.id === route.id);
    return job ? jobTitle(job) : "Job";
  }
  if (route.view === "new") return "New conversation";
  return list.find((row) => row.id === route.id)?.title ?? "Conversation";
}

function Brand(): ReactNode {
  return (
    <p className="brand">
      <img src="/favicon.svg" alt="" width="24" height="24" /> Committee
    </p>
  );
}

/** The sidebar on narrow screens. */
function SidebarDrawer({ route }: { route: Route }): ReactNode {
  const [open, setOpen] = useState(false);
  return (
    <Dialog.Root open={open} onOpenChange={setOpen}>
      <Dialog.Trigger className="icon-button menu-button" aria-label="Conversations and jobs">
        <Menu />
      </Dialog.Trigger>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="drawer">
          <Dialog.Title className="brand">Committee</Dialog.Title>
          <Sidebar route={route} onLeave={() => setOpen(false)} />
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}

const THEME = "theme";

/** Follows the system until the reader chooses; the choice is remembered. */
function ThemeButton(): ReactNode {
  const [theme, setTheme] = useState(() => localStorage.getItem(THEME) ?? "");
  useEffect(() => {
    if (theme) document.documentElement.dataset["theme"] = theme;
  }, [theme]);
  const dark = theme ? theme === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  const change = (): void => {
    const next = dark ? "light" : "dark";
    localStorage.setItem(THEME, next);
    setTheme(next);
  };
  return (
    <button type="button" className="icon-button" onClick={change} aria-label={dark ? "Light colours" : "Dark colours"}>
      {dark ? <Sun /> : <Moon />}
    </button>
  );
}
