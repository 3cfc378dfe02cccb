import { useSyncExternalStore } from "react";

/** What the address after `#` asks for. */
export type Route =
  | { readonly view: "new" }
  | { readonly view: "conversation"; readonly id: string }
  | { readonly view: "job"; readonly id: string };

export function conversationHash(id: string): string {
  return `#/c/${encodeURIComponent(id)}`;
}

export function jobHash(id: string): string {
  return `#/jobs/${encodeURIComponent(id)}`;
}

export function readRoute(hash: string): Route {
  const [, place, id] = /^#\/(c|jobs)\/([\w-]+)$/.exec(hash) ?? [];
  if (!place || !id) return { view: "new" };
  return { view: place === "c" ? "conversation" : "job", id };
}

export function useRoute(): Route {
  return readRoute(useSyncExternalStore(subscribe, () => window.location.hash));
}

function subscribe(watcher: () => void): () => void {
  window.addEventListener("hashchange", watcher);
  return () => window.removeEventListener("hashchange", watcher);
}
