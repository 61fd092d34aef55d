"""What is seen of the hosts, beside what the books say."""

import json
import select
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pkdoors.errors import AskError
from tests.soak.books import Key, names
from tests.soak.world import CLIENTS, PATIENCE, STRANGERS, World, to

ANSWER = 0.4
"""Seconds without an answer after which a port counts as closed. On a veth it takes 1 ms."""

LOCKED_OUT = 4.0
"""Seconds after which who may come in, and does not get in, is locked out. Not as patient as all
else: it must not wait until his time is over."""
NOT_YET = "firewalld has not followed yet"

Try = tuple[Key, int]
"""A connection that is tried: for which opening, and to which port."""


class Eyes:
    """
    @ivar slowest: the most seconds that it took until all was well, and what was the last to be.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.slowest = (0.0, "nothing")

    def settled(self) -> str:
        """
        Wait until daemon, kernel and books agree.

        @return: what does not; empty where all is well. That somebody is in who may not be is
            told at once.
        """
        began, last = time.monotonic(), ""
        while True:
            leak, lack = self._disagreement()
            took = time.monotonic() - began
            if leak or not lack or took > PATIENCE:
                self.slowest = max(self.slowest, (took, last))
                return leak or lack
            last = lack
            time.sleep(0.05)

    def _disagreement(self) -> tuple[str, str]:
        """What is open that may not be, and what else is not as it ought to be."""
        left, guarded = self.inKernel()
        kernel = _ends(left)
        if leaked := self.world.books.tooLate(kernel):  # the daemon is not asked: it may hang
            return f"the kernel lets in who may not come in, or for too long: {names(leaked)}", ""
        try:
            status = self.world.admin.status() if self.world.daemon else {}
        except AskError as error:
            status = {"trouble": str(error)}
        openings = {(each["door"], each["source"]): each for each in status.get("openings", [])}
        told = _ends({key: each["seconds_left"] for key, each in openings.items() if each["open"]})
        if leaked := self.world.books.tooLate(told):
            return f"the daemon lets in who may not come in, or for too long: {names(leaked)}", ""
        lacks = [
            *self._lacks("kernel", kernel),
            *(self._lacks("daemon", told) if self.world.daemon else []),
            *self._troubles(status, set(told) ^ set(kernel)),
            *(["the guard is not whole"] if self._ports() != guarded else []),
        ]
        return "", "; ".join(lacks or self._deaf())

    def _ports(self) -> set[int]:
        """The ports that have to be closed to all others."""
        return {gate.port for gate in self.world.gates.values()}

    def _lacks(self, who: str, ends: Mapping[Key, float]) -> list[str]:
        """What is missing, or ends sooner than it ought to."""
        missing = self.world.books.must(time.monotonic()) - set(ends)
        early = self.world.books.tooEarly(ends)
        return [
            *([f"the {who} lacks {names(missing)}"] if missing else []),
            *([f"the {who} ends too early: {names(early)}"] if early else []),
        ]

    def _troubles(self, status: Mapping[str, Any], different: set[Key]) -> list[str]:
        """What the daemon says that it should not, or does not say."""
        if not status:
            return []
        doors = sorted(each["name"] for each in status.get("doors", []))
        openings = status.get("openings", [])
        return [
            *([status["trouble"]] if "trouble" in status else []),
            *(
                each["trouble"] or "firewalld has not followed yet"
                for each in openings
                if not each["open"]
            ),
            *([f"daemon and kernel differ: {names(different)}"] if different else []),
            *([f"its doors are {doors}"] if doors != sorted(self.world.gates) else []),
        ]

    def inKernel(self) -> tuple[dict[Key, float], set[int]]:
        """
        What the kernel has: the seconds that each opening has left, and the ports that are closed
        to all others; no ports where the guard is not whole.
        """
        status, listing = self.world.server.status("nft", "-j", "list", "table", "inet", "pkdoors")
        if status:
            return {}, set()
        parts = json.loads(listing)["nftables"]
        sets = {each["set"]["name"]: each["set"].get("elem", []) for each in parts if "set" in each}
        chains = {each["rule"]["chain"] for each in parts if "rule" in each}
        openings = {
            (set_.partition("_open")[0], element["elem"]["val"]): element["elem"]["expires"]
            for set_, elements in sets.items()
            if "_open" in set_
            for element in elements
            if isinstance(element, dict)
        }
        isWhole = {"input", "forward", "tcp_in", "tcp_dnat"} <= chains
        return openings, set(_ports(sets.get("tcp_ports", []))) if isWhole else set()

    def _deaf(self) -> list[str]:
        """Whether firewalld lets the knocks in."""
        if not self.world.firewalld or not self.world.daemon:
            return []
        status, rules = self.world.server.status("firewall-cmd", "--list-rich-rules")
        ports = {port for gate in self.world.gates.values() for port in gate.sequence}
        deaf = [port for port in ports if status or f'port="{port}"' not in rules]
        return [f"firewalld does not let knocks in: {deaf}"] if deaf else []

    def strangersIn(self) -> str:
        """
        Try each door from each address, and see that those get in who ought to.

        @return: what is wrong; empty where all is well.
        """
        tries = [
            ((gate.name, source), gate.port)
            for gate in self.world.gates.values()
            for source in (*CLIENTS, *STRANGERS)
        ]
        may = self.world.books.may(time.monotonic())
        answered = self.reach(tries)
        if leaked := answered - may:
            return f"got in, and may not: {names(leaked)}"
        return self._lockedOut([each for each in tries if each[0] not in answered])

    def _lockedOut(self, tries: list[Try]) -> str:
        """Who does not get in though he ought to, tried again for a while."""
        end = time.monotonic() + LOCKED_OUT
        while tries:
            must = self.world.books.must(time.monotonic())
            tries = [each for each in tries if each[0] in must]
            if tries and time.monotonic() > end:
                return f"do not get in: {names(key for key, _ in tries)}"
            answered = self.reach(tries)
            tries = [each for each in tries if each[0] not in answered]
        return ""

    def reach(self, tries: Iterable[Try]) -> set[Key]:
        """Which of some connections are answered, all tried at the same time."""
        waiting = {self._connecting(key[1], port): key for key, port in tries}
        found = set()
        end = time.monotonic() + ANSWER
        while waiting and (left := end - time.monotonic()) > 0:
            for connection in select.select([], waiting, [], left)[1]:
                key = waiting.pop(connection)
                if not connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    found.add(key)
                connection.close()
        for connection in waiting:
            connection.close()
        return found

    def _connecting(self, source: str, port: int) -> socket.socket:
        with self.world.hostOf(source).inside():
            connection = socket.socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
            connection.setblocking(False)
            connection.bind((source, 0))
            connection.connect_ex((to(source), port))
            return connection

    def sessionsLost(self) -> str:
        """Who was connected and is not any more; empty where all are."""
        lost = []
        for source, session in self.world.sessions:
            try:
                session.settimeout(PATIENCE)
                session.sendall(b"there?")
                if session.recv(100) != b"there?":
                    lost.append(source)
            except OSError:
                lost.append(source)
        return f"connections were lost: {', '.join(lost)}" if lost else ""


def _ends(left: Mapping[Key, float]) -> dict[Key, float]:
    """When openings end that have so many seconds left."""
    now = time.monotonic()
    return {key: now + seconds for key, seconds in left.items()}


def _ports(elements: Iterable[Any]) -> Iterator[int]:
    """The ports of an interval set."""
    for each in elements:
        first, last = each["range"] if isinstance(each, dict) else (each, each)
        yield from range(first, last + 1)
