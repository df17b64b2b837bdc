// The newest snapshot, by server-sent events. When the stream breaks the page says so and tries again.
import { ApiError, get, type Block, type Status } from './api';
import { store } from './store';

export type Link = 'connecting' | 'live' | 'ended' | 'lost';

export const status = store<Status | null>(null);
export const linkState = store<Link>('connecting');
/** The newest block that was told of, to announce and to ask for the list again. */
export const newBlock = store<Block | null>(null);

const AGAIN_MS = 3000;
let source: EventSource | null = null;

export async function start(): Promise<void> {
  try {
    status.set(await get<Status>('status'));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) return;
    linkState.set('lost');
    setTimeout(() => void start(), AGAIN_MS);
    return;
  }
  listen();
}

function listen(): void {
  source?.close();
  source = new EventSource('/api/v1/events');
  source.addEventListener('status', (e) => {
    const now = JSON.parse((e as MessageEvent<string>).data) as Status;
    status.set(now);
    linkState.set(now.mode === 'replay' && now.finished ? 'ended' : 'live');
  });
  source.addEventListener('block', (e) => newBlock.set(JSON.parse((e as MessageEvent<string>).data) as Block));
  source.addEventListener('end', () => {
    linkState.set('ended');
    // The last figures; the stream has nothing more to tell.
    source?.close();
    void get<Status>('status').then((s) => status.set(s), () => undefined);
  });
  source.onerror = () => {
    if (linkState.get() === 'ended') return;
    linkState.set('lost');
    if (source?.readyState === EventSource.CLOSED) setTimeout(() => void start(), AGAIN_MS);
  };
}
