// The newest snapshot, by server-sent events. When the stream breaks the page says so and tries again.
import { ApiError, get, type Block, type Status } from './api';
import { store } from './store';

export type Link = 'connecting' | 'live' | 'ended' | 'lost';

export const status = store<Status | null>(null);
export const linkState = store<Link>('connecting');
/** The newest block, to announce. */
export const newBlock = store<Block | null>(null);
/** The block told of last: a new one, or one of which more is known. */
export const toldBlock = store<Block | null>(null);

/** How often the stream was taken up again: what was told in between is to be asked for. */
export const resumed = store(0);

const AGAIN_MS = 3000;
const SOON_MS = 100;
let source: EventSource | null = null;
let waiting = 0;
let fetching = false;
/** Whether something may have been told that this page did not hear. */
let listened = false;

export async function start(): Promise<void> {
  clearTimeout(waiting);
  try {
    status.set(await get<Status>('status'));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return;
    linkState.set('lost');
    again();
    return;
  }
  listen();
}

function again(): void {
  clearTimeout(waiting);
  waiting = setTimeout(() => void start(), AGAIN_MS);
}

/** A block is told at once, the status once a second: it is fetched, so that the tip need not wait for that. */
function soon(): void {
  if (fetching) return;
  fetching = true;
  setTimeout(() => {
    fetching = false;
    void get<Status>('status').then(
      (s) => (status.get()?.time ?? 0) <= (s.time ?? 0) && status.set(s),
      () => undefined,
    );
  }, SOON_MS);
}

function stop(): void {
  if (source) listened = true;
  source?.close();
  source = null;
}

function listen(): void {
  stop();
  // Browsers open six connections to one place, over all tabs: one that is not looked at gives its own back.
  if (document.hidden) {
    listened = true;
    return;
  }
  const opened = new EventSource('/api/v1/events');
  source = opened;
  opened.onopen = () => {
    if (listened) resumed.set(resumed.get() + 1);
    listened = true;
  };
  opened.addEventListener('status', (e) => {
    const now = JSON.parse((e as MessageEvent<string>).data) as Status;
    status.set(now);
    linkState.set(now.mode === 'replay' && now.finished ? 'ended' : 'live');
  });
  opened.addEventListener('block', (e) => {
    const block = JSON.parse((e as MessageEvent<string>).data) as Block;
    toldBlock.set(block);
    // What is told of an older one is no news.
    if (block.time >= (newBlock.get()?.time ?? 0)) newBlock.set(block);
    soon();
  });
  opened.addEventListener('end', () => {
    linkState.set('ended');
    // The last figures; the stream has nothing more to tell.
    stop();
    void get<Status>('status').then((s) => status.set(s), () => undefined);
  });
  opened.onerror = () => {
    listened = true;
    if (linkState.get() === 'ended') return;
    linkState.set('lost');
    if (opened.readyState === EventSource.CLOSED) again();
  };
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) stop();
  else if (!source && linkState.get() !== 'ended') void start();
});
