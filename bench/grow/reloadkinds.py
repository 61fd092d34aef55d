"""
Reload, by what changes: the most milliseconds of processor time that the reactor's thread used at a
time, without openings and with 2,000 of them; and how long knocks took to open meanwhile. Knocks
come all the time, each from an address of its own. The worst of some reloads.

C{nothing} changes nothing, C{term} the longest time of one door, C{more} adds a door that protects
a new port, C{less} removes it, C{udp} gives UDP sessions other times, C{grant} lets a sealed door
open for networks of another size, and C{uses} makes the openings of a door good for one connection,
or ends them because the door opens for more.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from ipaddress import IPv4Address
from pathlib import Path

from bench.grow._daemon import BeatingDaemon, figures, worst, writeConf
from tests.lab.adminclient import AdminClient
from tests.lab.hosts import Network
from tests.lab.manydoors import KNOCK_PORTS, PROTECTED, listSequences, writeDoors
from tests.lab.program import makeNetwork, onProcessor, pickProcessors
from tests.lab.traffic.prober import knocking

POINTS = (1, 10, 100, 1000)
COUNTS = "doors"
PACKAGES = {"ip": "iproute2", "nft": "nftables", "ssh-keygen": "openssh-client"}
KINDS = ("nothing", "term", "more", "less", "udp", "grant", "uses")
ROUNDS = 2
OPENINGS = 2000
PAUSE = 0.15
"""Seconds after each reload, for what it leaves to be done."""
FIRST = IPv4Address("10.0.0.1")
TCP, UDP = "first", "vpn"
"""The doors that change: they are there beside the others, and have the openings."""


class _Doors:
    """
    The configuration, which changes in steps.

    @param count: how many doors there are beside those that change.
    """

    def __init__(self, network: Network, count: int) -> None:
        self._host = network.server
        self._others = writeDoors(count)
        self._isMore = False
        self._terms = {"uses": False, "udp": False, "grant": False, "term": False}
        key = self._host.folder / "key"
        self._host.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))

    def write(self, kind: str = "nothing") -> Path:
        """Write it with one change."""
        if kind in ("more", "less"):
            self._isMore = kind == "more"
        elif kind != "nothing":
            self._terms[kind] = not self._terms[kind]
        return writeConf(self._host, "\n".join(self._lines()))

    def _lines(self) -> Iterator[str]:
        terms = self._terms
        yield 'listen = "capture"'
        yield f"[doors.{TCP}]\nsequence = {[*KNOCK_PORTS[-5:]]}\nports = [19500]"
        yield f'open_for = "1h"\nmax_open_for = "{20 if terms["term"] else 10}h"'
        yield 'uses = "once"' if terms["uses"] else ""
        yield f'[doors.{UDP}]\nsequence = {[*KNOCK_PORTS[-20:-15]]}\nports = ["19501/udp"]'
        yield f'open_for = "1h"\nmax_open_for = "10h"\nudp_idle = {50 if terms["udp"] else 100}'
        yield f"[doors.sealed]\nsequence = {[*KNOCK_PORTS[-10:-5]]}\nports = [19600]"
        yield f'authorized_keys = "{self._host.folder}/key.pub"'
        yield f"grant4 = {24 if terms['grant'] else 25}"
        if self._isMore:
            yield f"[doors.more]\nsequence = {[*KNOCK_PORTS[-15:-10]]}\nports = [19700]"
        yield self._others


def measure(points: Sequence[int]) -> list[dict[str, float]]:
    """Return a row for each number of doors."""
    return [_measure(count) for count in points]


def _measure(count: int) -> dict[str, float]:
    daemonCPU, proberCPU = pickProcessors()
    row: dict[str, float] = {}
    with makeNetwork() as network:
        network.server.serve(PROTECTED)
        doors = _Doors(network, count)
        with onProcessor(daemonCPU):
            daemon = BeatingDaemon(network.server, doors.write())
        time.sleep(1)
        with onProcessor(proberCPU):
            for openings in (0, OPENINGS):
                _open(daemon, openings)
                with knocking(network, listSequences(count)[0], PROTECTED) as knocks:
                    for kind in KINDS:
                        row[f"{kind} {openings}, ms"] = max(
                            _reload(daemon, doors, kind, openings) for _ in range(ROUNDS)
                        )
                row[f"worst knock {openings}, ms"] = figures(knocks)["worst knock, ms"]
                row[f"knocks {openings} that failed"] = figures(knocks)["knocks that failed"]
        daemon.stop()
    return row


def _reload(daemon: BeatingDaemon, doors: _Doors, kind: str, openings: int) -> float:
    """Reload. Return the milliseconds that the reactor's thread worked at a time."""
    if kind == "uses":  # another one may have ended them
        _open(daemon, openings)
    if kind in ("more", "less"):  # the opposite first
        doors.write({"more": "less", "less": "more"}[kind])
        daemon.reload()
        time.sleep(PAUSE)
    doors.write(kind)
    began = time.time()
    daemon.reload()
    time.sleep(PAUSE)
    return worst(daemon.held(began))["work, ms"]


def _open(daemon: BeatingDaemon, count: int) -> None:
    with closing(AdminClient(daemon.admin)) as admin:
        for door in (TCP, UDP):
            sources = (str(FIRST + number) for number in range(count // 2))
            admin.openAll(sources, door, 30_000)
