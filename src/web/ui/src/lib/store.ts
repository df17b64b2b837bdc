// The smallest store that a page can watch.
import { useEffect, useState } from 'preact/hooks';

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
  useEffect(() => {
    const before = s.get();
    const stop = s.watch(() => again((n) => n + 1));
    if (!Object.is(before, s.get())) again((n) => n + 1);
    return stop;
  }, [s]);
  return s.get();
}
