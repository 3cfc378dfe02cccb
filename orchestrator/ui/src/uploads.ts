import { useRef, useState } from "react";
import { reason, upload } from "./api";
import type { Attachment } from "./wire";

// As many as the server takes with one message.
const MOST = 16;

/** A file on its way; `fraction` of it has gone. */
export interface Uploading {
  readonly key: number;
  readonly name: string;
  readonly fraction: number;
}

export interface Uploads {
  readonly kept: readonly Attachment[];
  readonly underWay: readonly Uploading[];
  /** What went wrong since the reader last attached something, in words. */
  readonly problems: readonly string[];
  readonly attach: (files: readonly File[]) => void;
  readonly detach: (url: string) => void;
  readonly cancel: (key: number) => void;
  readonly clear: () => void;
}

/** The files of the message that is being written. */
export function useUploads(): Uploads {
  const [kept, setKept] = useState<readonly Attachment[]>([]);
  const [underWay, setUnderWay] = useState<readonly Uploading[]>([]);
  const [problems, setProblems] = useState<readonly string[]>([]);
  const stops = useRef(new Map<number, AbortController>());
  const lastKey = useRef(0);

  const one = async (file: File, key: number, stop: AbortController): Promise<void> => {
    const onProgress = (fraction: number): void =>
      setUnderWay((list) => list.map((other) => (other.key === key ? { ...other, fraction } : other)));
    try {
      stop.signal.throwIfAborted();
      const done = await upload(file, onProgress, stop.signal);
      setKept((list) => [...list.filter((other) => other.url !== done.url), done]);
    } catch (error) {
      if (!stop.signal.aborted) setProblems((list) => [...list, `${file.name}: ${reason(error)}`]);
    } finally {
      stops.current.delete(key);
      setUnderWay((list) => list.filter((other) => other.key !== key));
    }
  };
  const attach = async (files: readonly File[]): Promise<void> => {
    const room = Math.max(0, MOST - kept.length - underWay.length);
    setProblems(files.length > room ? [`At most ${MOST} files go with one message.`] : []);
    const taken = files.slice(0, room).map((file) => {
      lastKey.current += 1;
      const [key, stop] = [lastKey.current, new AbortController()];
      stops.current.set(key, stop);
      return { file, key, stop };
    });
    setUnderWay((list) => [...list, ...taken.map(({ file, key }) => ({ key, name: file.name, fraction: 0 }))]);
    // One after the other: a slow line is not shared out.
    for (const { file, key, stop } of taken) await one(file, key, stop);
  };
  return {
    kept,
    underWay,
    problems,
    attach: (files) => void attach(files),
    detach: (url) => setKept((list) => list.filter((other) => other.url !== url)),
    cancel: (key) => stops.current.get(key)?.abort(),
    clear: () => {
      setKept([]);
      setProblems([]);
    },
  };
}
