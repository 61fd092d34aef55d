"""
What the guard costs a packet: microseconds to send a small UDP datagram to another host over a veth
pair, with all that the kernel does with it there, in the best of many bursts.

C{none} has no rules at all, C{tracked} one rule that turns connection tracking on, C{before} the
guard of the version before, C{guard} that of this one; for each a C{stranger} at a protected port,
a client that is C{let in}, a session that C{goes on} when the door has closed, and a port that is
C{free}. Bursts take turns, so that all meet the same machine. Run as root::

    python -m bench.packet [--bursts 400] [--json FILE]
"""

import argparse
import json
import socket
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.common import lacking
from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.model.doors import Door
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import Sequence
from tests.lab.case import KNOCKS
from tests.lab.hosts import CLIENT4, SERVER4, Network

PORT, FREE = 51820, 51821
BURST = 200
"""Datagrams of one burst, which takes a millisecond or two."""
MOST_BURSTS = 10_000
OLD = Path(__file__).parents[1] / "tests" / "real" / "old-guard.nft"
TRACKED = (
    "table inet other { chain c { type filter hook input priority 0; ct state invalid drop; }; }"
)
DOOR = Door("ssh", Sequence.parse(KNOCKS), parsePortRanges(f"{PORT}/udp"))
ADD = f"add element inet {TABLE} ssh_open4 {{ {CLIENT4} timeout 1h }}"
DELETE = f"delete element inet {TABLE} ssh_open4 {{ {CLIENT4} }}"
GUARDS = {
    "before": OLD.read_text().replace("tcp . 2222", f"udp . {PORT}"),
    "guard": f"add table inet {TABLE}\n{Guard((DOOR,)).commands()}",
}


class Hosts:
    """A server with some rules, and its client; something listens there."""

    def __init__(self, folder: Path, stack: ExitStack, rules: str) -> None:
        self.network = stack.enter_context(Network(folder))
        self._listening = []
        for port in (PORT, FREE):
            with self.network.server.inside():
                one = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            one.bind(("", port))
            one.setblocking(False)
            self._listening.append(one)
        if rules:
            path = folder / "rules"
            path.write_text(rules)
            self.nft("-f", str(path))

    def nft(self, *command: str) -> None:
        """Change the server's rules."""
        self.network.server.run("nft", *command)

    def answer(self) -> None:
        """Answer whoever has sent something that arrived."""
        for each in self._listening:
            with suppress(BlockingIOError):
                _, address = each.recvfrom(100)
                each.sendto(b"y", address)


class Sender:
    """
    Sends bursts from a client to a server of its own.

    @ivar best: microseconds a datagram, in the best burst.
    """

    def __init__(self, host: "Hosts", port: int) -> None:
        self.best = float("inf")
        with host.network.client.inside():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((SERVER4, port))
        self.burst(measured=False)
        host.answer()
        self.burst(measured=False)  # a session that is answered is remembered

    def burst(self, measured: bool = True) -> None:
        """Send one."""
        send = self._socket.send
        began = time.perf_counter()
        for _ in range(BURST):
            send(b"x")
        if measured:
            self.best = min(self.best, 1e6 * (time.perf_counter() - began) / BURST)


def senders(folder: Path, stack: ExitStack) -> dict[str, Sender]:
    """Make the hosts, and what sends on them."""
    found: dict[str, Sender] = {}
    found["none"] = Sender(Hosts(folder, stack, ""), FREE)
    found["tracked"] = Sender(Hosts(folder, stack, TRACKED), FREE)
    for name, rules in GUARDS.items():
        closed = Hosts(folder, stack, rules)
        found[f"{name}, free"] = Sender(closed, FREE)
        found[f"{name}, stranger"] = Sender(closed, PORT)
        for kind in ("let in", "goes on"):
            opened = Hosts(folder, stack, rules)
            opened.nft(ADD)
            found[f"{name}, {kind}"] = Sender(opened, PORT)
        opened.nft(DELETE)
    return found


def main() -> None:
    """See the docstring of the module."""
    parser = argparse.ArgumentParser(description=__doc__.strip().split("\n")[0])
    parser.add_argument("--bursts", type=int, default=400, help="of each kind (default: 400)")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    if trouble := lacking({"nft": "nftables", "ip": "iproute2"}):
        sys.exit(f"bench.packet: {trouble}")
    with TemporaryDirectory(prefix="pkdoors-") as folder, ExitStack() as stack:
        found = senders(Path(folder), stack)
        for _ in range(min(options.bursts, MOST_BURSTS)):
            for each in found.values():
                each.burst()
    figures = {name: round(each.best, 2) for name, each in found.items()}
    for name, best in figures.items():
        print(f"{name:20}{best:6.2f} us")
    for kind in ("free", "stranger", "let in", "goes on"):
        print(f"{kind}: {figures[f'guard, {kind}'] / figures[f'before, {kind}']:.2f} of before")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
