// Asking the server from a component: the last answer stays on the page while the next one is under way.
import { useEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from './api';

export interface Asked<T> {
  data: T | null;
  error: string | null;
  missing: boolean;
  busy: boolean;
}

/** After what went wrong it is asked again, each time later, ms. */
const AGAIN_MS = 1000;
const AGAIN_AT_MOST_MS = 30_000;

/** What is wrong with the question stays wrong; all else may mend. */
const lasts = (error: unknown): boolean => error instanceof ApiError && error.status >= 400 && error.status < 500 && error.status !== 429;

/** Asks whenever `key` changes; null asks nothing. */
export function useAsk<T>(key: string | null, ask: (signal: AbortSignal) => Promise<T>): Asked<T> {
  const [state, set] = useState<Asked<T>>({ data: null, error: null, missing: false, busy: key !== null });
  const latest = useRef(ask);
  latest.current = ask;
  useEffect(() => {
    if (key === null) return;
    const control = new AbortController();
    let timer = 0;
    const once = (pause: number): void => {
      set((s) => ({ ...s, busy: true }));
      latest.current(control.signal).then(
        (data) => {
          if (!control.signal.aborted) set({ data, error: null, missing: false, busy: false });
        },
        (error: unknown) => {
          if (control.signal.aborted) return;
          const missing = error instanceof ApiError && error.status === 404;
          const text = error instanceof ApiError ? error.message : 'The sensor does not answer. The page tries again by itself.';
          set((s) => ({ data: missing ? null : s.data, error: text, missing, busy: false }));
          if (!lasts(error)) timer = setTimeout(() => once(Math.min(2 * pause, AGAIN_AT_MOST_MS)), pause);
        },
      );
    };
    once(AGAIN_MS);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [key]);
  return state;
}
