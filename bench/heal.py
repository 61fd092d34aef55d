"""
Time to heal: milliseconds from somebody's taking away the guard until all is there again.

With nftables from the end of C{nft flush ruleset} to the end of the transaction that puts guard
and opening back, both as the kernel tells them; beside it, for scale, what it takes a shell to put
the same table back with C{nft -f}. With firewalld from its signal C{Reloaded} until the protected
port answers the client again; beside it the reload itself, in which firewalld lets nobody in. Run
as root::

    python -m bench.heal [--times 50] [--json FILE]
"""

import argparse
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, cast

from bench.common import Times, figures, lacking, ratio, signals, table
from bench.rivals import PROTECTED, SEQUENCE
from pkdoors.firewall.netlink.messages import MAX_ANSWER
from pkdoors.firewall.nftables._monitor import listenToNftables
from pkdoors.firewall.nftables._notifications import Changes
from tests.lab.firewalld import Firewalld
from tests.lab.hosts import CLIENT4, SERVER4, Daemon, Host, Network

MAX_TIMES = 1000
"""Each takes up to two seconds."""

PATIENCE = 10.0
"""Seconds after which something counts as never healed."""

ANSWER = 0.02
"""Seconds in which a port that is open has answered; it takes one millisecond."""

NOBODY = 0
"""The netlink port of nobody who changes something: the changes of all are heard."""

PACKAGES = {
    "ip": "iproute2",
    "nft": "nftables",
    "firewalld": "firewalld",
    "dbus-monitor": "dbus-bin",
}


def main() -> None:
    """Run the benchmark."""
    options = parse()
    if lack := lacking(PACKAGES):
        sys.exit(f"bench.heal: {lack}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        times = {**run("nftables", options.times), **run("firewalld", options.times)}
    except KeyboardInterrupt:
        sys.exit("bench.heal: interrupted, and cleaned up")
    print(table(times))
    shell, reload = (ratio(times, *pair) for pair in (("nft -f", "flush"), ("reload", "reloaded")))
    print(f"median of nft -f / median after a flush: {shell:.1f}")
    print(f"median of a reload / median after it: {reload:.1f}")
    if options.json:
        options.json.write_text(json.dumps(figures(times), indent=1) + "\n")


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.heal", description="Time to heal.")
    parser.add_argument("--times", type=int, default=50, help="how often (50)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where raw figures go")
    options = parser.parse_args()
    if not 1 <= options.times <= MAX_TIMES:
        parser.error(f"--times {options.times}: 1 to {MAX_TIMES} are allowed")
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: there is no such directory")
    return options


def run(firewall: str, times: int) -> Times:
    """Make the hosts, open a door for the client, and take all away again and again."""
    with signals(signal.SIG_BLOCK), TemporaryDirectory(prefix="pkdoors-") as folder:
        with Network(Path(folder)) as network, signals(signal.SIG_UNBLOCK):
            if firewall == "firewalld":
                Firewalld(network.server)
            network.server.serve(PROTECTED)
            knocks = ",".join(map(str, SEQUENCE))
            Daemon(network.server, "-m", knocks, "-p", str(PROTECTED), "-t", "1h", "-f", firewall)
            network.client.send(SEQUENCE)
            if not network.client.comesToReach(PROTECTED):
                raise AssertionError("the door does not open")
            return flush(network, times) if firewall == "nftables" else reload(network, times)


def flush(network: Network, times: int) -> Times:
    """Flush nftables."""
    healed: list[float | None] = []
    shell: list[float | None] = []
    guard = network.folder / "guard.nft"
    with network.server.inside(), listenToNftables(NOBODY) as events:
        events.setblocking(True)
        for _ in range(times):
            guard.write_text("flush ruleset\n" + run_("nft", "list", "table", "inet", "pkdoors"))
            drain(events)
            with subprocess.Popen(["nft", "flush", "ruleset"]):
                healed.append(afterFlush(events))
            time.sleep(0.2)  # the healer does not begin twice in a twentieth of a second
            if CLIENT4 not in run_("nft", "list", "table", "inet", "pkdoors"):
                healed[-1] = None
        for _ in range(times):
            began = time.monotonic()
            run_("nft", "-f", str(guard))
            shell.append(1000 * (time.monotonic() - began))
            time.sleep(0.2)
    return {"flush": healed, "nft -f": shell}


def afterFlush(events: socket.socket) -> float | None:
    """Milliseconds between the two transactions that the kernel tells of."""
    changes = Changes("pkdoors", NOBODY)
    flushed = 0.0
    events.settimeout(PATIENCE)
    while True:
        try:
            names = changes.feed(events.recv(MAX_ANSWER))
        except TimeoutError:
            return None
        now = time.monotonic()
        if "nft" in names:
            flushed = now
        if flushed and set(names) - {"nft"}:
            return 1000 * (now - flushed)


def drain(events: socket.socket) -> None:
    """Forget what the kernel has told so far."""
    while select.select([events], [], [], 0)[0]:
        events.recv(MAX_ANSWER)


def reload(network: Network, times: int) -> Times:
    """Reload firewalld."""
    healed: list[float | None] = []
    itself: list[float | None] = []
    with monitor(network.server) as lines:
        for _ in range(times):
            began = time.monotonic()
            command = network.server.spawn("firewall-cmd", "--reload")
            while b"member=Reloaded" not in lines.readline():
                pass
            reloaded = time.monotonic()
            itself.append(1000 * (reloaded - began))
            healed.append(afterReload(network.client, reloaded))
            command.popen.wait()
            time.sleep(0.3)
    return {"reloaded": healed, "reload": itself}


def afterReload(client: Host, reloaded: float) -> float | None:
    """Milliseconds until the protected port answers."""
    while time.monotonic() < reloaded + PATIENCE:
        with client.inside(), suppress(OSError):
            socket.create_connection((SERVER4, PROTECTED), ANSWER).close()
            return 1000 * (time.monotonic() - reloaded)
        time.sleep(0.001)  # refused
    return None


@contextmanager
def monitor(host: Host) -> Iterator[BinaryIO]:
    """What is said on the host's D-Bus, line by line."""
    match = "type='signal',interface='org.fedoraproject.FirewallD1',member='Reloaded'"
    with subprocess.Popen(
        ["dbus-monitor", "--system", match],
        stdout=subprocess.PIPE,
        env={**os.environ, **host.environment},
    ) as process:
        try:
            time.sleep(0.5)
            assert process.stdout is not None
            yield cast(BinaryIO, process.stdout)
        finally:
            process.terminate()


def run_(*argv: str) -> str:
    """Run a program to its end, on this host."""
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
