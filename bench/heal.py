"""
Time to heal: milliseconds from the moment somebody removes the guard until everything is back.

With nftables this is the time from the end of C{nft flush ruleset} to the end of the transaction
that puts guard and opening back, both as the kernel reports them. Beside it, for scale, is the time
that a shell takes to put the same table back with C{nft -f}. With firewalld it is the time from its
signal C{Reloaded} until the protected port answers the client again. Beside it is the reload
itself, during which firewalld lets nobody in. Run as root::

    python -m bench.heal [--times 50] [--json FILE]
"""

import select
import socket
import subprocess
import time
from contextlib import suppress

from bench.common import PROTECTED, SEQUENCE, Times, ratio, report, startDaemon
from pkdoors.firewall.netlink.messages import MAX_ANSWER
from pkdoors.firewall.nftables._monitor import listenToNftables
from pkdoors.firewall.nftables._notifications import Changes
from tests.lab.buswatch import watchBus
from tests.lab.firewalld import Firewalld
from tests.lab.hosts import CLIENT4, SERVER4, Host, Network
from tests.lab.program import Program, makeNetwork

MAX_TIMES = 1000
"""Each takes up to two seconds."""

PATIENCE = 10.0
"""Seconds after which something counts as never healed."""

ANSWER = 0.02
"""Seconds to wait for the answer of an open port; it takes one millisecond."""

NOBODY = 0
"""A netlink port that belongs to nobody, so no change counts as one's own."""

RELOADED = "type='signal',interface='org.fedoraproject.FirewallD1',member='Reloaded'"

PACKAGES = {
    "ip": "iproute2",
    "nft": "nftables",
    "firewalld": "firewalld",
    "dbus-monitor": "dbus-bin",
}


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.heal", "Time to heal.", PACKAGES)
    program.addNumber("times", 50, MAX_TIMES, "how often")
    options = program.start()
    times = program.run(measure, options.times)
    lines = [
        f"median of nft -f / median after a flush: {ratio(times, 'nft -f', 'flush'):.1f}",
        f"median of a reload / median after it: {ratio(times, 'reload', 'reloaded'):.1f}",
    ]
    report(program, times, lines)


def measure(count: int) -> Times:
    """Open a door, and take it away again and again, with each firewall."""
    times: Times = {}
    for firewall, work in (("nftables", flush), ("firewalld", reload)):
        with makeNetwork() as network:
            if firewall == "firewalld":
                Firewalld(network.server)
            network.server.serve(PROTECTED)
            startDaemon(network.server, firewall=firewall)
            network.client.send(SEQUENCE)
            if not network.client.comesToReach(PROTECTED):
                raise AssertionError("the door does not open")
            times |= work(network, count)
    return times


def flush(network: Network, count: int) -> Times:
    """Flush nftables."""
    healed: list[float | None] = []
    shell: list[float | None] = []
    guard = network.folder / "guard.nft"
    with network.server.inside(), listenToNftables(NOBODY) as events:
        events.setblocking(True)
        for _ in range(count):
            guard.write_text(f"flush ruleset\n{listGuard()}")
            drain(events)
            with subprocess.Popen(["nft", "flush", "ruleset"]):
                healed.append(waitForGuard(events))
            time.sleep(0.2)  # the healer does not start twice within 50 ms
            if CLIENT4 not in listGuard():
                healed[-1] = None
        for _ in range(count):
            began = time.monotonic()
            subprocess.run(["nft", "-f", str(guard)], check=True)
            shell.append(1000 * (time.monotonic() - began))
            time.sleep(0.2)
    return {"flush": healed, "nft -f": shell}


def listGuard() -> str:
    """Return the table of the guard, as nft writes it."""
    command = ["nft", "list", "table", "inet", "pkdoors"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def waitForGuard(events: socket.socket) -> float | None:
    """Return the milliseconds between the two transactions that the kernel reports."""
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
    """Discard what the kernel has reported so far."""
    while select.select([events], [], [], 0)[0]:
        events.recv(MAX_ANSWER)


def reload(network: Network, count: int) -> Times:
    """Reload firewalld."""
    healed: list[float | None] = []
    itself: list[float | None] = []
    with watchBus(network.server, RELOADED) as lines:
        for _ in range(count):
            began = time.monotonic()
            command = network.server.spawn("firewall-cmd", "--reload")
            while b"member=Reloaded" not in lines.readline():
                pass
            reloaded = time.monotonic()
            itself.append(1000 * (reloaded - began))
            healed.append(waitForPort(network.client, reloaded))
            command.popen.wait()
            time.sleep(0.3)
    return {"reloaded": healed, "reload": itself}


def waitForPort(client: Host, reloaded: float) -> float | None:
    """Return the milliseconds until the protected port answers."""
    while time.monotonic() < reloaded + PATIENCE:
        with client.inside(), suppress(OSError):
            socket.create_connection((SERVER4, PROTECTED), ANSWER).close()
            return 1000 * (time.monotonic() - reloaded)
        time.sleep(0.001)  # refused
    return None


if __name__ == "__main__":
    main()
