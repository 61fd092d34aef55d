"""
Packets: microseconds to send a small packet to a host with so many doors, over a veth pair, with
everything that the kernel does with it there. A stranger's datagram to a protected port, one that
is let in, a knock, and one to a port that is not protected; for doors with ports of their own,
doors that share a port, ranges, openings for networks, and trusted networks. And microseconds to
connect with an opening for one connection, if all doors share a port.

The medians of bursts that take turns, with hosts that are there at the same time; "none" is a host
without a guard in the same run.
"""

import socket
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.openingkeys import lookupKeys, sourceKey
from pkdoors.firewall.guard.openingsets import Scope, onceSetOf
from pkdoors.firewall.netlink.kernel import Kernel
from pkdoors.firewall.netlink.setchanges import swapElements
from pkdoors.model.doors import Door, Opening
from pkdoors.model.ports import parsePortRanges
from pkdoors.model.sequence import Sequence as Knocks
from pkdoors.model.sources import readSource
from pkdoors.model.trusted import parseTrustedList
from tests.lab.guardtext import writeGuard
from tests.lab.hosts import CLIENT4, SERVER4, Network
from tests.lab.program import makeNetworks

POINTS = (1, 10, 100, 1000)
COUNTS = "doors"
PACKAGES = {"nft": "nftables", "ip": "iproute2"}
BURSTS, BURST = 150, 100
FIRST, KNOCK = 20_000, 50_000
NETWORK = "10.9.1.0/24"
"""The client's."""


def _alone(number: int) -> Door:
    return _door(number, f"{FIRST + 2 * number}/udp")


def _shared(number: int) -> Door:
    return _door(number, f"{FIRST}/udp,{FIRST + 2 + 2 * number}/udp")


def _range(number: int) -> Door:
    return _door(number, f"{FIRST + 21 * number}-{FIRST + 21 * number + 18}/udp")


def _trusting(number: int) -> Door:
    trusted = parseTrustedList(f"10.{number // 250 + 10}.{number % 250}.0/24,{NETWORK}")
    return _door(number, f"{FIRST + 2 * number}/udp", trusted=trusted)


def _door(number: int, ports: str, **fields: object) -> Door:
    sequence = tuple(KNOCK + (5 * number + n) % 10_000 for n in range(5))
    return Door(f"d{number}", Knocks(sequence), parsePortRanges(ports), **fields)  # type: ignore[arg-type]


KINDS: dict[str, tuple[Callable[[int], Door], str]] = {
    "disjoint": (_alone, CLIENT4),
    "shared": (_shared, CLIENT4),
    "ranges": (_range, CLIENT4),
    "networks": (_alone, NETWORK),
    "trusted": (_trusting, ""),
}
"""What doors there are, and for whom the last one is open."""


@dataclass
class Sender:
    """
    Sends bursts.

    @ivar took: microseconds a datagram, in each burst.
    """

    socket: socket.socket
    payload: bytes
    took: list[float] = field(default_factory=list)

    def burst(self) -> None:
        """Send one burst."""
        send, payload = self.socket.send, self.payload
        began = time.perf_counter()
        for _ in range(BURST):
            send(payload)
        self.took.append(1e6 * (time.perf_counter() - began) / BURST)


def measure(points: Sequence[int]) -> list[dict[str, float]]:
    """Return a row for each number of doors."""
    rows: list[dict[str, float]] = [{} for _ in points]
    for kind in KINDS:
        for row, found in zip(rows, _measureKind(kind, points), strict=True):
            row |= found
    for row, took in zip(rows, _measureOnce(points), strict=True):
        row["once, connect, us"] = took
    return rows


def _measureKind(kind: str, points: Sequence[int]) -> list[dict[str, float]]:
    names = [f"{what}{count}" for count in points for what in ("closed", "open")]
    with makeNetworks("none", *names) as networks, ExitStack() as stack:
        senders = {"none": _sender(networks["none"], stack, FIRST + 1, b"x")}
        for count in points:
            make, source = KINDS[kind]
            doors = tuple(make(number) for number in range(count))
            port = doors[-1].ports[0].last
            closed, opened = networks[f"closed{count}"], networks[f"open{count}"]
            scope = frozenset({Scope(4, 24)} if "/" in source else ())
            text = writeGuard(Guard(doors, networks=scope))
            # A trusted client is not a stranger.
            _load(closed, text.replace("10.9.1.0 .", "10.9.77.0 ."))
            _load(opened, text + (_opening(doors[-1], source) if source else ""))
            for name, network, to, payload in (
                ("stranger", closed, port, b"x"),
                ("let in", opened, port, b"x"),
                ("knock", closed, KNOCK + 1, b"knock\n"),
                ("free", closed, FIRST - 1, b"x"),
            ):
                senders[f"{name}{count}"] = _sender(network, stack, to, payload)
        for _ in range(BURSTS):
            for sender in senders.values():
                sender.burst()
    figures = {name: statistics.median(sender.took[5:]) for name, sender in senders.items()}
    return [
        {
            f"{kind}, {name}, us": round(figures[f"{name}{count}" if name != "none" else name], 3)
            for name in ("none", "free", "stranger", "let in", "knock")
        }
        for count in points
    ]


def _measureOnce(points: Sequence[int]) -> list[float]:
    """Return how long it takes to connect at a port of so many doors."""
    with makeNetworks(*(f"once{count}" for count in points)) as networks, ExitStack() as stack:
        clients = [_Connector(networks[f"once{count}"], stack, count) for count in points]
        for _ in range(BURSTS):
            for client in clients:
                client.connect()
    return [round(statistics.median(client.took[5:]), 3) for client in clients]


class _Connector:
    """
    Connects again and again with the same opening for one connection: that of the last door.

    @ivar took: microseconds, for each connection.
    """

    def __init__(self, network: Network, stack: ExitStack, count: int) -> None:
        doors = [_door(number, f"{FIRST}/tcp", once=True) for number in range(count)]
        opening = Opening(doors[-1], readSource(CLIENT4), 3600.0)
        _load(network, writeGuard(Guard(tuple(doors))) + _opening(doors[-1], CLIENT4))
        self._forget = swapElements(TABLE, onceSetOf(opening).used, [sourceKey(opening.source)], ())
        self._client = network.client
        with network.server.inside():
            self._kernel = Kernel()
            self._server = stack.enter_context(socket.create_server(("", FIRST)))
        self.took: list[float] = []

    def connect(self) -> None:
        """Connect once."""
        with self._client.inside():
            client = socket.socket()
        with client:
            began = time.perf_counter()
            client.connect((SERVER4, FIRST))
            self.took.append(1e6 * (time.perf_counter() - began))
            self._server.accept()[0].close()
        self._kernel.transact(self._forget)


def _opening(door: Door, source: str) -> str:
    """Return the commands that open a door."""
    lines = []
    for name, key in lookupKeys(Opening(door, readSource(source), 3600.0)):
        address = ".".join(map(str, key[:4]))
        port = f" . {int.from_bytes(key[4:6])}" if key[4:] else ""
        lines.append(f"add element inet {TABLE} {name} {{ {address}{port} timeout 1h }}")
    return "\n".join(lines) + "\n"


def _load(network: Network, text: str) -> None:
    path = network.folder / "rules"
    path.write_text(text)
    network.server.run("nft", "-f", str(path))


def _sender(network: Network, stack: ExitStack, port: int, payload: bytes) -> Sender:
    with network.server.inside():
        listening = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    listening.bind(("", port))
    with network.client.inside():
        sending = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sending.connect((SERVER4, port))
    return Sender(sending, payload)
