// Peers that name themselves with what a browser would run, as packets: the whole way from the wire to the page.
import { Capture, SECOND } from './packets.mjs';

/** User agents of at most 256 bytes (BIP 14): as text they are ugly, as markup they would be a script. */
export const AGENTS = [
  '/<img src=x onerror="window.ran=1"><script>window.ran=1</script><b>bold</b>:1/',
  `/'"><svg onload=window.ran=2></svg><iframe srcdoc="<script>parent.ran=2</script>">/`,
  '/</textarea></title></style></script><script src=//evil.example/x.js></script>{{ran=3}}${ran=3}/',
];

/** A capture (pcap) of `n` peers that call, one each half second, with one of the user agents after the other. */
export function capture(n) {
  const made = new Capture();
  for (let k = 0; k < n; k += 1) {
    made.call(k, AGENTS[k % AGENTS.length]);
    made.time += SECOND / 2;
  }
  return made.bytes();
}
