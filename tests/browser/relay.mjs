// A crawler that calls, transactions with dust, and a compact block (BIP 152) that the node rebuilds of them: what no
// bundled recording has, since btcd knows no compact blocks and no crawler called it.
import { Capture, little, message, once, SECOND, twice } from './packets.mjs';

export const CRAWLER = '/bitnodes.io:0.3/';
export const TRANSACTIONS = 3;
const HEIGHT = 200;

const MASK = (1n << 64n) - 1n;
const rotate = (x, n) => ((x << n) | (x >> (64n - n))) & MASK;

/** SipHash-2-4 of 32 bytes, as BIP 152 has it. */
function siphash(k0, k1, data) {
  let [a, b, c, d] = [k0 ^ 0x736f6d6570736575n, k1 ^ 0x646f72616e646f6dn, k0 ^ 0x6c7967656e657261n, k1 ^ 0x7465646279746573n];
  const round = () => {
    a = (a + b) & MASK;
    b = rotate(b, 13n) ^ a;
    a = rotate(a, 32n);
    c = (c + d) & MASK;
    d = rotate(d, 16n) ^ c;
    a = (a + d) & MASK;
    d = rotate(d, 21n) ^ a;
    c = (c + b) & MASK;
    b = rotate(b, 17n) ^ c;
    c = rotate(c, 32n);
  };
  const take = (word) => {
    d ^= word;
    round();
    round();
    a ^= word;
  };
  for (let i = 0; i < data.length; i += 8) take(data.readBigUInt64LE(i));
  take(BigInt(data.length) << 56n);
  c ^= 0xffn;
  for (let i = 0; i < 4; i += 1) round();
  return a ^ b ^ c ^ d;
}

const bytes = (b) => Buffer.concat([little([b.length, 1]), b]);
/** To a key of a version 0 witness. */
const output = (value) => Buffer.concat([little([value, 8]), bytes(Buffer.concat([Buffer.from('0014', 'hex'), Buffer.alloc(20, 7)]))]);

function transaction(spends, script, values) {
  const input = Buffer.concat([spends, bytes(script), little([0xffffffff, 4])]);
  return Buffer.concat([little([1, 4], [1, 1]), input, little([values.length, 1]), ...values.map(output), little([0, 4])]);
}

/** Hash of the pairs, up to one; the last is its own partner where there is none. */
function root(hashes) {
  if (hashes.length === 1) return hashes[0];
  const pairs = [];
  for (let i = 0; i < hashes.length; i += 2) pairs.push(twice(Buffer.concat([hashes[i], hashes[i + 1] ?? hashes[i]])));
  return root(pairs);
}

function block(coinbase, transactions, seconds) {
  const merkle = root([coinbase, ...transactions].map(twice));
  for (let nonce = 0; ; nonce += 1) {
    const header = Buffer.concat([little([4, 4]), Buffer.alloc(32, 9), merkle, little([seconds, 4], [0x207fffff, 4], [nonce, 4])]);
    // The least work that regtest asks for.
    if (twice(header)[31] < 0x7f) return header;
  }
}

/** Each transaction has one output that is dust (100 sat) and one that is not. */
export function capture() {
  const made = new Capture();
  made.call(1, CRAWLER);
  const send = made.call(2, '/Satoshi:31.0.0/');
  send('sent', message('sendcmpct', little([1, 1], [2, 8])));
  send('recv', message('sendcmpct', little([1, 1], [2, 8])));
  made.time += 2 * SECOND;
  const transactions = [];
  for (let i = 0; i < TRANSACTIONS; i += 1) {
    const tx = transaction(Buffer.concat([Buffer.alloc(32, 50 + i), little([0, 4])]), Buffer.alloc(0), [100, 50_000 + i]);
    const entry = Buffer.concat([little([1, 1], [1, 4]), twice(tx)]);
    send('recv', message('inv', entry));
    send('sent', message('getdata', entry));
    send('recv', message('tx', tx));
    transactions.push(tx);
  }
  made.time += 3 * SECOND;
  const coinbase = transaction(Buffer.concat([Buffer.alloc(32), little([0xffffffff, 4])]), little([2, 1], [HEIGHT, 2], [0, 4]), [5_000_000_000]);
  const header = block(coinbase, transactions, made.seconds);
  const nonce = little([77, 8]);
  const key = once(Buffer.concat([header, nonce]));
  const short = (tx) => little([siphash(key.readBigUInt64LE(0), key.readBigUInt64LE(8), twice(tx)) & 0xffffffffffffn, 6]);
  const ids = Buffer.concat([little([transactions.length, 1]), ...transactions.map(short)]);
  send('recv', message('cmpctblock', Buffer.concat([header, nonce, ids, little([1, 1], [0, 1]), coinbase])));
  made.time += 3 * SECOND;
  send('sent', message('ping', little([1, 8])));
  send('recv', message('pong', little([1, 8])));
  return made.bytes();
}
