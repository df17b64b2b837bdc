// The HTTP API as the pages use it; /api/openapi.json describes it whole. Times are microseconds since 1970.
import { store } from './store';

export interface Node {
  name: string;
  addresses: string[];
  network: string | null;
  height: number | null;
  tip_time: number | null;
  tip_hash: string | null;
  inbound: number;
  outbound: number;
  v1: number;
  v2: number;
  undecided: number;
  messages_per_s: number | null;
  bytes_recv_per_s: number | null;
  bytes_sent_per_s: number | null;
  messages: number;
  messages_estimated: number;
  wire_bytes_recv: number;
  wire_bytes_sent: number;
  mempool_tx: number | null;
  mempool_vsize: number | null;
}

export type Counts = Record<string, number>;

export interface SensorFigures {
  frames: number;
  frames_used: number;
  dropped_by_kernel: number;
  frames_skipped: Counts;
  tcp_anomalies: Counts;
  gaps: Counts;
  gap_bytes?: Counts;
  message_troubles: Counts;
  evictions: Counts;
  points_lost: number;
  connections: number;
  limits: Record<string, number | string | null>;
}

export interface Share {
  connections: number;
  bytes: number;
}

export interface Status {
  version: string;
  sensor: string;
  mode: 'live' | 'replay';
  speed: number | null;
  finished: boolean;
  time: number | null;
  since: number | null;
  series_from: number | null;
  series_to: number | null;
  nodes: Node[];
  sensor_figures: SensorFigures;
  visibility: Record<'v1' | 'v2' | 'other' | 'undecided', Share> & { v2_explained_bytes: number | null };
}

export interface Peer {
  id: string;
  address: string;
  direction: 'inbound' | 'outbound';
  transport: string;
  network: string;
  user_agent: string | null;
  protocol_version: number | null;
  services: string[] | null;
  start_height: number | null;
  since: number;
  until?: number | null;
  bytes_recv: number;
  bytes_sent: number;
  messages_recv: number;
  messages_sent: number;
  messages: { recv: Counts; sent: Counts };
  ping_us: number | null;
  ping_min_us: number | null;
  tcp_rtt_us: number | null;
  last_block: string | null;
  last_block_time: number | null;
  last_tx_time: number | null;
  last_tx_first: number | null;
  first_blocks: number;
  first_txs: number;
  handshake: boolean;
  estimated: boolean;
}

export interface Block {
  /** Nothing where a block was told on an encrypted connection: those rows are estimated. */
  hash: string | null;
  transport: 'v1' | 'v2';
  confidence: number | null;
  height: number | null;
  time: number;
  size: number | null;
  weight: number | null;
  num_tx: number | null;
  total_tx_fees: number | null;
  first_announcer: string | null;
  via: string | null;
  missing_tx: number | null;
  missing_bytes: number | null;
  process_time: number | null;
  relay_time: number | null;
  announce_to_data: number | null;
  status: string | null;
}

export interface Step {
  time: number;
  peer: string;
  direction: 'recv' | 'sent';
  what: string;
  bytes: number | null;
}

export interface Column {
  name: string;
  type: string;
  unit: string;
  kind: 'exact' | 'inferred' | 'estimated';
  tag: boolean;
  help: string;
}

export interface Series {
  name: string;
  help: string;
  point: 'interval' | 'event';
  columns: Column[];
}

export interface Line {
  tags: Record<string, string>;
  column: string;
  agg: string;
  values: (number | null)[];
}

export interface Figures {
  name: string;
  from: number;
  to: number;
  step: number;
  time: number[];
  lines: Line[];
}

export type Cell = string | number | boolean | null;

export interface Table {
  columns: string[];
  rows: Cell[][];
  truncated: boolean;
  elapsed_ms: number;
}

/** What the server answered instead of figures, with what to do next. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** True when the server wants to know who asks. */
export const locked = store(false);

type Params = Record<string, string | number | boolean | null | undefined | string[]>;

export function address(path: string, params: Params = {}): string {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params)) {
    if (v === undefined || v === null || v === '') continue;
    for (const one of Array.isArray(v) ? v : [v]) q.append(k, String(one));
  }
  const s = q.toString();
  return `/api/v1/${path}${s ? `?${s}` : ''}`;
}

async function answer<T>(response: Response): Promise<T> {
  if (response.status === 401) locked.set(true);
  if (!response.ok) {
    let message = `The server answered ${response.status}.`;
    try {
      const body = (await response.json()) as { error?: { message?: string } };
      message = body.error?.message ?? message;
    } catch {
      // Not JSON: the status says it.
    }
    throw new ApiError(response.status, message);
  }
  if (response.status === 204) return undefined as T;
  return (await response.json()) as T;
}

/** Times that a request is tried when the server says that there were too many at once. */
const TRIES = 4;

export async function get<T>(path: string, params: Params = {}, signal?: AbortSignal): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    const response = await fetch(address(path, params), { signal, credentials: 'same-origin' });
    if (response.status !== 429 || tries === TRIES) return answer<T>(response);
    await new Promise((go) => setTimeout(go, 400 * tries));
  }
}
