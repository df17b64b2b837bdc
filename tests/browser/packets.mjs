// Packets that a test makes: messages of peers with a node, as a capture.
import { createHash } from 'node:crypto';

const NODE = { ip: [10, 88, 0, 2], port: 18444 };
const [FIN, SYN, PSH, ACK] = [1, 2, 8, 16];
export const SECOND = 1_000_000;

/** Integers of different widths, the lowest byte first. */
export function little(...fields) {
  return Buffer.concat(
    fields.map(([n, bytes]) => {
      const b = Buffer.alloc(8);
      b.writeBigUInt64LE(BigInt(n));
      return b.subarray(0, bytes);
    }),
  );
}

/** RFC 1071. */
function checksum(bytes) {
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i] << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum & 0xffff;
}

function frame(from, to, seq, ack, flags, payload) {
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(from.port, 0);
  tcp.writeUInt16BE(to.port, 2);
  tcp.writeUInt32BE(seq, 4);
  tcp.writeUInt32BE(ack, 8);
  tcp.set([5 << 4, flags, 0xff, 0xff], 12);
  const segment = Buffer.concat([tcp, payload]);
  const pseudo = Buffer.from([...from.ip, ...to.ip, 0, 6, segment.length >> 8, segment.length & 255]);
  segment.writeUInt16BE(checksum(Buffer.concat([pseudo, segment])), 16);
  const total = 20 + segment.length;
  const ip = Buffer.from([0x45, 0, total >> 8, total & 255, 0, 0, 0x40, 0, 64, 6, 0, 0, ...from.ip, ...to.ip]);
  ip.writeUInt16BE(checksum(ip), 10);
  return Buffer.concat([Buffer.from('020000000002020000000001' + '0800', 'hex'), ip, segment]);
}

export const once = (b) => createHash('sha256').update(b).digest();
export const twice = (b) => once(once(b));

export function message(command, payload) {
  const name = Buffer.alloc(12);
  name.write(command);
  return Buffer.concat([Buffer.from('fabfb5da', 'hex'), name, little([payload.length, 4]), twice(payload).subarray(0, 4), payload]);
}

export function version(agent, seconds, nonce) {
  const text = Buffer.from(agent);
  const nobody = Buffer.alloc(26);
  return message('version', Buffer.concat([little([70016, 4], [1, 8], [seconds, 8]), nobody, nobody, little([nonce, 8], [text.length, 1]), text, little([7, 4], [1, 1])]));
}

/** A capture (pcap) that grows. */
export class Capture {
  constructor() {
    this.out = [little([0xa1b2c3d4, 4], [2, 2], [4, 2], [0, 8], [262_144, 4], [1, 4])];
    this.time = 1_780_000_000 * SECOND;
  }

  get seconds() {
    return Math.floor(this.time / SECOND);
  }

  bytes() {
    return Buffer.concat(this.out);
  }

  /** Peer number `k` calls; both name themselves. Tells how to send: way, and message. */
  call(k, agent) {
    const peer = { ip: [10, 88, 1 + (k >> 8), k & 255], port: 40_000 + k };
    const next = { recv: 1000, sent: 2000 };
    const put = (way, flags, payload = Buffer.alloc(0)) => {
      const [from, to, back] = way === 'recv' ? [peer, NODE, 'sent'] : [NODE, peer, 'recv'];
      const data = frame(from, to, next[way], flags === SYN ? 0 : next[back], flags, payload);
      next[way] += payload.length + (flags & (SYN | FIN) ? 1 : 0);
      this.out.push(little([this.seconds, 4], [this.time % SECOND, 4], [data.length, 4], [data.length, 4]), data);
      this.time += 1000;
    };
    const send = (way, payload) => put(way, PSH | ACK, payload);
    put('recv', SYN);
    put('sent', SYN | ACK);
    put('recv', ACK);
    const { seconds } = this;
    send('recv', version(agent, seconds, 2 * k + 1));
    send('sent', version('/node:1/', seconds, 2 * k + 2));
    send('sent', message('verack', Buffer.alloc(0)));
    send('recv', message('verack', Buffer.alloc(0)));
    return send;
  }
}
