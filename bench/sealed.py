"""
Sealed knocks under hard conditions: over a bad line, and while somebody spoofs knocks.

The line loses 5 of 100 datagrams, doubles 5, and delays each by 10 to 50 ms, so that they overtake
each other (C{tests/lab/badline.py}). The benchmark counts how many sealed knocks open at their
first sending, and how many plain ones do. The spoofer knows the whole sequence. It sends plain
knocks, cut and changed seals and seals by an unknown key, half of them with the client's own
address (C{tests/lab/spoofer.py}); the benchmark measures how long a knock takes to open meanwhile.
Run as root::

    python -m bench.sealed [--knocks 1000] [--tries 100] [--rate 10000] [--json FILE]
"""

import random
import re
import subprocess
import sys
import time
from contextlib import closing
from ipaddress import IPv4Address

from twisted.conch.ssh.keys import Key

from bench.common import KNOCKS, PROTECTED, SEQUENCE, Times, report, startDaemon
from tests.lab.hosts import SERVER4, Network
from tests.lab.modules import runModule
from tests.lab.program import Program, makeNetwork
from tests.lab.sealing import makeKey, publicLine, sealed, statement
from tests.lab.traffic.prober import Prober

VICTIM = IPv4Address("10.79.0.1")
"""One of the addresses that L{Prober} speaks for."""
MAX_TRIES = 10_000
MAX_RATE = 1_000_000
PACKAGES = {"ip": "iproute2", "nft": "nftables"}


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.sealed", "Sealed knocks under hard conditions.", PACKAGES)
    program.addNumber("knocks", 1000, MAX_TRIES, "knocks over the line")
    program.addNumber("tries", 100, MAX_TRIES, "knocks under the spoofer")
    program.addNumber("rate", 10_000, MAX_RATE, "the spoofer's datagrams a second")
    options = program.start()
    opened, times = program.run(measure, options.knocks, options.tries, options.rate)
    for kind, count in opened.items():
        print(f"{kind} knocks over the bad line that opened at once: {count} of {options.knocks}")
    report(program, times, line=opened, knocks=options.knocks)


def measure(knocks: int, tries: int, rate: int) -> tuple[dict[str, int], Times]:
    """Make the hosts, and return how many knocks opened over the line, and the times."""
    with makeNetwork() as network:
        return knockOverLine(network, knocks), knockUnderSpoofer(network, tries, rate)


def knockOverLine(network: Network, count: int) -> dict[str, int]:
    """Return how many sealed knocks, and plain ones, open at their first sending."""
    key = makeKey()
    identity = network.folder / "id"
    identity.write_bytes(key.toString("openssh", subtype="v1"))
    identity.chmod(0o600)
    opened = {}
    for kind, daemonOptions, options in (
        ("sealed", writeKey(network, key), ["-i", str(identity)]),
        ("plain", [], []),
    ):
        daemon = startDaemon(network.server, *daemonOptions)
        with runModule(network.client, "tests.lab.badline", SERVER4, KNOCKS, "1"):
            client = [sys.executable, "-m", "tests.lab.knocks", str(count), "0.12", "127.0.0.1"]
            with network.client.inside():
                command = [*client, "-m", KNOCKS, *options]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        time.sleep(0.5)
        opened[kind] = len(re.findall("(?:opened|extended) door", daemon.log()))
        daemon.stop()
    return opened


def knockUnderSpoofer(network: Network, tries: int, rate: int) -> Times:
    """Return the milliseconds until a sealed knock opens, without the spoofer and with it."""
    key = makeKey()
    network.server.serve(PROTECTED)
    startDaemon(network.server, *writeKey(network, key))
    times: Times = {}
    with closing(Prober(network, SEQUENCE, PROTECTED)) as prober:
        times["quiet"] = [openAndClose(prober, key) for _ in range(tries)]
        junk = network.folder / "junk"
        junk.write_text("".join(f"{datagram.hex()}\n" for datagram in makeJunk(key)))
        arguments = (str(VICTIM), SERVER4, KNOCKS, str(rate))
        with runModule(network.stranger, "tests.lab.spoofer", *arguments, stdin=junk) as spoofer:
            spoofed = [openAndClose(prober, key) for _ in range(tries)]
            times[f"{rate} spoofed a second"] = spoofed
            if "too slow" in spoofer.log():
                print("the spoofer could not send at the rate that was asked for")
    return times


def openAndClose(prober: Prober, key: Key) -> float | None:
    """Open the door, and close it again; return the milliseconds until it was open."""
    time.sleep(random.uniform(0, 0.05))
    took = prober.knock(sealed(key, SEQUENCE, seconds=60), 0, VICTIM)
    if not prober.shut(sealed(key, SEQUENCE, close=True), VICTIM):
        raise AssertionError("the door does not close")
    return took


def makeJunk(key: Key) -> list[bytes]:
    """Return the datagrams for the spoofer to choose from."""
    good = sealed(key, SEQUENCE)
    unknown = makeKey()
    flipped = (good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :] for at in range(20, len(good), 7))
    forged = (statement(key).encode() + random.randbytes(83) for _ in range(20))
    strange = (sealed(unknown, SEQUENCE) for _ in range(20))
    return [b"knock\n", good[:100], good[:-1], *flipped, *forged, *strange]


def writeKey(network: Network, key: Key) -> list[str]:
    """Write the file of authorized keys, and return the daemon's options for it."""
    keys = network.folder / "authorized_keys"
    keys.write_text(publicLine(key))
    return ["--authorized-keys", str(keys)]


if __name__ == "__main__":
    main()
