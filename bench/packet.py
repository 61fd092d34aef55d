"""
What the guard costs a packet: microseconds to send a small UDP datagram to another host over a veth
pair, with everything that the kernel does with it there, in the best of many bursts.

C{none} has no rules at all, C{tracked} one rule that turns connection tracking on, C{before} the
guard of the version before, and C{guard} the guard of this version. With each guard, datagrams come
from a C{stranger} to a protected port, from a client that is C{let in}, from a session that C{goes
on} after the door has closed, and to a port that is C{free}. Bursts take turns, so all meet the
same machine. Run as root::

    python -m bench.packet [--bursts 400] [--json FILE]
"""

import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from itertools import product

from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.model.doors import Door
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import Sequence
from tests import ROOT
from tests.lab.case import KNOCKS
from tests.lab.guardtext import writeGuard
from tests.lab.hosts import CLIENT4, SERVER4, Network
from tests.lab.program import Program, makeNetworks

PORT, FREE = 51820, 51821
BURST = 200
"""Datagrams of one burst, which takes a millisecond or two."""
MAX_BURSTS = 10_000
PACKAGES = {"nft": "nftables", "ip": "iproute2"}
TRACKED = (
    "table inet other { chain c { type filter hook input priority 0; ct state invalid drop; }; }"
)
DOOR = Door("ssh", Sequence.parse(KNOCKS), parsePortRanges(f"{PORT}/udp"))
SET = "udp_open4_180000ms_43200000ms"
OPENINGS = {
    "before": f"inet {TABLE} ssh_open4 {{ {CLIENT4} timeout 1h }}",
    "guard": f"inet {TABLE} {SET} {{ {CLIENT4} . {PORT} timeout 1h }}",
}
OLD = ROOT / "tests" / "real" / "old-guard.nft"
GUARDS = {
    "before": OLD.read_text().replace("tcp . 2222", f"udp . {PORT}"),
    "guard": writeGuard(Guard((DOOR,))),
}
KINDS = ("free", "stranger", "let in", "goes on")


class Service:
    """A server with some rules, that listens on both ports."""

    def __init__(self, network: Network, stack: ExitStack, rules: str = "") -> None:
        self.network = network
        self._sockets = []
        for port in (PORT, FREE):
            with network.server.inside():
                listening = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            listening.bind(("", port))
            listening.setblocking(False)
            self._sockets.append(listening)
        if rules:
            path = network.folder / "rules"
            path.write_text(rules)
            network.server.run("nft", "-f", str(path))

    def answer(self) -> None:
        """Answer the sender of a datagram that has arrived."""
        for listening in self._sockets:
            with suppress(BlockingIOError):
                _, address = listening.recvfrom(100)
                listening.sendto(b"y", address)


class Sender:
    """
    Sends bursts to a server of its own.

    @ivar best: microseconds a datagram, in the best burst.
    """

    def __init__(self, service: Service, port: int) -> None:
        self.best = float("inf")
        with service.network.client.inside():
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.connect((SERVER4, port))
        self.burst(isMeasured=False)
        service.answer()
        self.burst(isMeasured=False)  # the guard remembers a session once it is answered

    def burst(self, isMeasured: bool = True) -> None:
        """Send one burst."""
        send = self._socket.send
        began = time.perf_counter()
        for _ in range(BURST):
            send(b"x")
        if isMeasured:
            self.best = min(self.best, 1e6 * (time.perf_counter() - began) / BURST)


def makeSenders(networks: Mapping[str, Network], stack: ExitStack) -> dict[str, Sender]:
    """Return a sender for each case."""
    senders = {
        "none": Sender(Service(networks["none"], stack), FREE),
        "tracked": Sender(Service(networks["tracked"], stack, TRACKED), FREE),
    }
    for name, rules in GUARDS.items():
        closed = Service(networks[f"{name}, stranger"], stack, rules)
        senders[f"{name}, free"] = Sender(closed, FREE)
        senders[f"{name}, stranger"] = Sender(closed, PORT)
        for kind in ("let in", "goes on"):
            network = networks[f"{name}, {kind}"]
            opened = Service(network, stack, rules)
            network.server.run("nft", f"add element {OPENINGS[name]}")
            senders[f"{name}, {kind}"] = Sender(opened, PORT)
            if kind == "goes on":
                network.server.run("nft", f"delete element {OPENINGS[name]}")
    return senders


def measure(bursts: int) -> dict[str, float]:
    """Make the hosts, let the senders take turns, and return the best figure of each."""
    names = [f"{guard}, {kind}" for guard, kind in product(GUARDS, KINDS[1:])]
    with makeNetworks("none", "tracked", *names) as networks, ExitStack() as stack:
        senders = makeSenders(networks, stack)
        for _ in range(bursts):
            for sender in senders.values():
                sender.burst()
    return {name: round(sender.best, 2) for name, sender in senders.items()}


def main() -> None:
    """Run the benchmark."""
    program = Program("bench.packet", "What the guard costs a packet.", PACKAGES)
    program.addNumber("bursts", 400, MAX_BURSTS, "bursts of each kind")
    options = program.start()
    figures = program.run(measure, options.bursts)
    for name, best in figures.items():
        print(f"{name:20}{best:6.2f} us")
    for kind in KINDS:
        print(f"{kind}: {figures[f'guard, {kind}'] / figures[f'before, {kind}']:.2f} of before")
    program.save(figures)


if __name__ == "__main__":
    main()
