// Peers that name themselves with what a browser would run, as packets: the whole way from the wire to the page.
import { createHash } from 'node:crypto';

/** User agents of at most 256 bytes (BIP 14): as text they are ugly, as markup they would be a script. */
export const AGENTS = [
  '/<img src=x onerror="window.ran=1"><script>window.ran=1</script><b>bold</b>:1/',
  `/'"><svg onload=window.ran=2></svg><iframe srcdoc="<script>parent.ran=2</script>">/`,
  '/</textarea></title></style></script><script src=//evil.example/x.js></script>{{ran=3}}${ran=3}/',
];

const NODE = { ip: [10, 88, 0, 2], port: 18444 };
const [FIN, SYN, PSH, ACK] = [1, 2, 8, 16];
const SECOND = 1_000_000;

/** Integers of different widths, the lowest byte first. */
function little(...fields) {
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

function message(command, payload) {
  const sum = (b) => createHash('sha256').update(b).digest();
  const name = Buffer.alloc(12);
  name.write(command);
  return Buffer.concat([Buffer.from('fabfb5da', 'hex'), name, little([payload.length, 4]), sum(sum(payload)).subarray(0, 4), payload]);
}

function version(agent, seconds, nonce) {
  const text = Buffer.from(agent);
  const nobody = Buffer.alloc(26);
  return message('version', Buffer.concat([little([70016, 4], [1, 8], [seconds, 8]), nobody, nobody, little([nonce, 8], [text.length, 1]), text, little([7, 4], [1, 1])]));
}

/** A capture (pcap) of `n` peers that call, one each half second, with one of the user agents after the other. */
export function capture(n) {
  const out = [little([0xa1b2c3d4, 4], [2, 2], [4, 2], [0, 8], [262_144, 4], [1, 4])];
  let time = 1_780_000_000 * SECOND;
  for (let k = 0; k < n; k += 1) {
    const peer = { ip: [10, 88, 1 + (k >> 8), k & 255], port: 40_000 + k };
    const next = { recv: 1000, sent: 2000 };
    const put = (way, flags, payload = Buffer.alloc(0)) => {
      const [from, to, back] = way === 'recv' ? [peer, NODE, 'sent'] : [NODE, peer, 'recv'];
      const data = frame(from, to, next[way], flags === SYN ? 0 : next[back], flags, payload);
      next[way] += payload.length + (flags & (SYN | FIN) ? 1 : 0);
      out.push(little([Math.floor(time / SECOND), 4], [time % SECOND, 4], [data.length, 4], [data.length, 4]), data);
      time += 1000;
    };
    put('recv', SYN);
    put('sent', SYN | ACK);
    put('recv', ACK);
    const seconds = Math.floor(time / SECOND);
    put('recv', PSH | ACK, version(AGENTS[k % AGENTS.length], seconds, 2 * k + 1));
    put('sent', PSH | ACK, version('/node:1/', seconds, 2 * k + 2));
    put('sent', PSH | ACK, message('verack', Buffer.alloc(0)));
    put('recv', PSH | ACK, message('verack', Buffer.alloc(0)));
    time += SECOND / 2;
  }
  return Buffer.concat(out);
}
