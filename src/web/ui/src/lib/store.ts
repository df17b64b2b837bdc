// The smallest store that a page can watch.
import { useEffect, useRef, useState } from 'preact/hooks';

export interface Store<T> {
  get(): T;
  set(value: T): void;
  watch(f: (value: T) => void): () => void;
}

export function store<T>(first: T): Store<T> {
  let value = first;
  const watchers = new Set<(value: T) => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const f of [...watchers]) f(next);
    },
    watch(f) {
      watchers.add(f);
      return () => watchers.delete(f);
    },
  };
}

/** The value now, and again at each change. */
export function use<T>(s: Store<T>): T {
  const [, again] = useState(0);
  const value = s.get();
  useEffect(() => {
    const stop = s.watch(() => again((n) => n + 1));
    // It may have changed since this was drawn.
    if (!Object.is(value, s.get())) again((n) => n + 1);
    return stop;
  }, [s]);
  return value;
}

/** A change settles for so long, ms: what is told of at once is in the server's tables a moment later. */
const SETTLE_MS = 150;

/** The value, but changed at most once in so many milliseconds: a node that downloads the chain tells of hundreds of blocks a second. */
export function useCalm<T>(value: T, ms: number): T {
  const [calm, set] = useState(value);
  const last = useRef(0);
  useEffect(() => {
    const timer = setTimeout(
      () => {
        last.current = Date.now();
        set(value);
      },
      Math.max(SETTLE_MS, last.current + ms - Date.now()),
    );
    return () => clearTimeout(timer);
  }, [value]);
  return calm;
}
