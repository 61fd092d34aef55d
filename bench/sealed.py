"""
Sealed knocks where it is hard: over a bad line, and under a spoofer.

The line loses 5 of 100 datagrams, doubles 5, and delays each by 10 to 50 ms, so that they overtake
each other (C{tests/lab/badline.py}); how many knocks open at the first sending of the client, and
how many plain ones do. The spoofer knows the whole sequence and sends plain knocks, cut and changed
seals and seals by an unknown key, half of them in the knocker's own name
(C{tests/lab/spoofer.py}); how long a knock takes to open then. Run as root::

    python -m bench.sealed [--knocks 1000] [--tries 100] [--rate 10000] [--json FILE]
"""

import argparse
import json
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from tempfile import TemporaryDirectory

from twisted.conch.ssh.keys import Key

from bench.common import Times, figures, lacking, signals, table
from bench.prober import Prober
from bench.rivals import PROTECTED, SEQUENCE
from tests.lab.hosts import SERVER4, Daemon, Host, Network, Process
from tests.lab.sealing import makeKey, publicLine, sealed, statement

VICTIM = IPv4Address("10.79.0.1")
"""One of the addresses that L{Prober} speaks for."""
PACKAGES = {"ip": "iproute2", "nft": "nftables"}
KNOCKS = ",".join(map(str, SEQUENCE))


def main() -> None:
    """Run the benchmark."""
    options = parse()
    if lack := lacking(PACKAGES):
        sys.exit(f"bench.sealed: {lack}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        with signals(signal.SIG_BLOCK), TemporaryDirectory(prefix="pkdoors-") as folder:
            with Network(Path(folder)) as network, signals(signal.SIG_UNBLOCK):
                opened = line(network, options.knocks)
                times = attack(network, options.tries, options.rate)
    except KeyboardInterrupt:
        sys.exit("bench.sealed: interrupted, and cleaned up")
    for kind, count in opened.items():
        print(f"{kind} knocks over the bad line that opened at once: {count} of {options.knocks}")
    print(table(times))
    if options.json:
        result = {**figures(times), "line": opened, "knocks": options.knocks}
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.sealed", description="Sealed knocks.")
    parser.add_argument("--knocks", type=int, default=1000, help="over the line (1000)")
    parser.add_argument("--tries", type=int, default=100, help="under the spoofer (100)")
    parser.add_argument("--rate", type=int, default=10_000, help="its datagrams a second (10000)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where raw figures go")
    options = parser.parse_args()
    for name, value in (("knocks", options.knocks), ("tries", options.tries)):
        if not 1 <= value <= 10_000:
            parser.error(f"--{name} {value}: 1 to 10000 are allowed")
    return options


def line(network: Network, count: int) -> dict[str, int]:
    """How many sealed knocks, and plain ones, open at their first sending."""
    key = makeKey()
    identity = network.folder / "id"
    identity.write_bytes(key.toString("openssh", subtype="v1"))
    identity.chmod(0o600)
    opened = {}
    for kind, daemonOptions, options in (
        ("sealed", keysOf(network, publicLine(key)), ["-i", str(identity)]),
        ("plain", [], []),
    ):
        daemon = start(network.server, *daemonOptions)
        with program(network.client, "tests.lab.badline", SERVER4, KNOCKS, "1"):
            knocking = ("tests.lab.knocks", str(count), "0.12", "127.0.0.1", "-m", KNOCKS)
            with network.client.inside():
                subprocess.run(
                    [sys.executable, "-m", *knocking, *options],
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
        time.sleep(0.5)
        opened[kind] = len(re.findall("(?:opened|extended) door", daemon.log()))
        daemon.stop()
    return opened


def attack(network: Network, tries: int, rate: int) -> Times:
    """Milliseconds until a sealed knock has opened, without the spoofer and with it."""
    key = makeKey()
    network.server.serve(PROTECTED)
    start(network.server, *keysOf(network, publicLine(key)))
    times: Times = {}
    with closing(Prober(network, SEQUENCE, PROTECTED)) as prober:
        times["quiet"] = [attempt(prober, key) for _ in range(tries)]
        junk = network.folder / "junk"
        junk.write_text("".join(f"{each.hex()}\n" for each in makeJunk(key)))
        with program(
            *(network.stranger, "tests.lab.spoofer", str(VICTIM), SERVER4, KNOCKS, str(rate)),
            stdin=junk,
        ) as spoofer:
            times[f"{rate} spoofed a second"] = [attempt(prober, key) for _ in range(tries)]
            if "too slow" in spoofer.log():
                print("the spoofer could not send as fast as it was told")
    return times


def attempt(prober: Prober, key: Key) -> float | None:
    """Open, and close again."""
    time.sleep(random.uniform(0, 0.05))
    took = prober.knock(sealed(key, SEQUENCE, seconds=60), 0, VICTIM)
    if not prober.shut(sealed(key, SEQUENCE, close=True), VICTIM):
        raise AssertionError("the door does not close")
    return took


def makeJunk(key: Key) -> list[bytes]:
    """What the spoofer has to choose from."""
    good = sealed(key, SEQUENCE)
    unknown = makeKey()
    flipped = (good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(20, len(good), 7))
    forged = (statement(key).encode() + random.randbytes(83) for _ in range(20))
    strange = (sealed(unknown, SEQUENCE) for _ in range(20))
    return [b"knock\n", good[:100], good[:-1], *flipped, *forged, *strange]


def keysOf(network: Network, lines: str) -> list[str]:
    """The daemon's options for these keys."""
    keys = network.folder / "authorized_keys"
    keys.write_text(lines)
    return ["-k", str(keys)]


def start(host: Host, *options: str) -> Daemon:
    """A daemon."""
    return Daemon(host, "-m", KNOCKS, "-p", str(PROTECTED), "-t", "1h", "-f", "nftables", *options)


@contextmanager
def program(
    host: Host, module: str, *arguments: str, stdin: Path | None = None
) -> Iterator[Process]:
    """Have a program of the tests run meanwhile."""
    command = " ".join([sys.executable, "-m", module, *arguments])
    redirection = f" < {stdin}" if stdin else ""
    process = host.spawn("sh", "-c", f"exec {command}{redirection}", PYTHONPATH=str(Path.cwd()))
    if not process.says("ing"):  # relaying, sending
        raise AssertionError(process.log())
    try:
        yield process
    finally:
        process.stop()


if __name__ == "__main__":
    main()
