import { useSyncExternalStore } from "react";

/** A value with watchers. Values are replaced, never changed in place. */
export class Store<T> {
  #value: T;
  readonly #watchers = new Set<() => void>();

  constructor(value: T) {
    this.#value = value;
  }

  get = (): T => this.#value;

  set(value: T): void {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    for (const watcher of [...this.#watchers]) watcher();
  }

  /** Replaces some fields of an object value. */
  patch(fields: Partial<T>): void {
    this.set({ ...this.#value, ...fields });
  }

  subscribe = (watcher: () => void): (() => void) => {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  };

  /** Settles once `test` holds for the value; rejects when `signal` aborts first. */
  async until(test: (value: T) => boolean, signal: AbortSignal): Promise<void> {
    if (test(this.#value)) return;
    await new Promise<void>((resolve, reject) => {
      const stop = this.subscribe(() => {
        if (!test(this.#value)) return;
        stop();
        resolve();
      });
      signal.addEventListener("abort", () => {
        stop();
        reject(signal.reason);
      });
    });
  }
}

/** A text that this browser remembers under `key`; where it may keep nothing, it lasts as long as the page. */
export function remembered(key: string): Store<string> {
  const store = new Store(attempt(() => localStorage.getItem(key)) ?? "");
  store.subscribe(() => attempt(() => localStorage.setItem(key, store.get())));
  return store;
}

function attempt<T>(action: () => T): T | null {
  try {
    return action();
  } catch {
    return null;
  }
}

export function useStore<T>(store: Store<T>): T {
  return useSyncExternalStore(store.subscribe, store.get);
}
