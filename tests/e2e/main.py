"""Runs the end-to-end tests: main.py PROGRAM [TEST...]"""

import os
import shutil
import signal
import sys
import tempfile
import time
import traceback

import net

import agree
import clock
import config
import crowded
import faults
import host
import page
import rights
import sinks
import wrapped

TESTS = {
    name.removeprefix("test_"): function
    for module in (rights, config, faults, clock, sinks, wrapped, crowded, agree, host, page)
    for name, function in vars(module).items() if name.startswith("test_")
}


def main():
    program, wanted = sys.argv[1], sys.argv[2:] or list(TESTS)
    unknown = [name for name in wanted if name not in TESTS]
    if unknown:
        sys.exit(f"no such test: {', '.join(unknown)}; there are {', '.join(TESTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failed, skipped = [], []
    if not shutil.which("btcd"):
        skipped = [name for name in wanted if TESTS[name].__module__ in ("agree", "host", "page")]
        wanted = [name for name in wanted if name not in skipped]
    without_btcd = list(skipped)
    for name in wanted:
        work = tempfile.mkdtemp(prefix="btcdmon-e2e-")
        os.chmod(work, 0o755)
        started = time.monotonic()
        with net.Network() as network:
            try:
                notes = TESTS[name](program, network, work)
                print(f"ok      {name} ({time.monotonic() - started:.0f} s){': ' + notes if notes else ''}", flush=True)
            except page.Missing as missing:
                skipped.append(name)
                print(f"SKIPPED {name}: {missing}", flush=True)
            except Exception:
                failed.append(name)
                print(f"FAILED  {name}\n{traceback.format_exc()}  (left in {work})", flush=True)
        if name not in failed:
            shutil.rmtree(work)
    for name in without_btcd:
        print(f"SKIPPED {name}: it needs btcd, and Go to build it is not here")
    print(f"{len(wanted) + len(without_btcd) - len(failed) - len(skipped)} passed, {len(failed)} failed, {len(skipped)} skipped")
    sys.exit(1 if failed or (skipped and os.environ.get("CI")) else 0)


if __name__ == "__main__":
    main()
