"""Compares the kernel, the daemon and the ports with what the soak expects."""

import json
import select
import socket
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pkdoors.errors import AskError
from tests.soak.expectations import Key, formatKeys
from tests.soak.world import CLIENTS, PATIENCE, STRANGERS, World, serverFor

ANSWER = 0.4
"""Seconds without an answer after which a port counts as closed. On a veth it takes 1 ms."""

LOCKED_OUT = 4.0
"""Seconds after which a client counts as locked out if it does not get in. This is less patience
than elsewhere, because the client's time must not be over before."""
NOT_YET = "firewalld has not followed yet"

Try = tuple[Key, int]
"""A connection to try: for which opening, and to which port."""


class Checker:
    """
    @ivar slowest: the most seconds until everything agreed, and what was the last to do so.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.slowest = (0.0, "nothing")

    def awaitAgreement(self) -> str:
        """
        Wait until the daemon and the kernel agree with the expectations.

        @return: what does not agree; empty if everything does. An opening that is not allowed is
            reported at once.
        """
        began, last = time.monotonic(), ""
        while True:
            leak, lack = self._findDisagreement()
            took = time.monotonic() - began
            if leak or not lack or took > PATIENCE:
                self.slowest = max(self.slowest, (took, last or "nothing"))
                return leak or lack
            last = lack
            time.sleep(0.05)

    def _findDisagreement(self) -> tuple[str, str]:
        """Return openings that are not allowed, and whatever else is not as expected."""
        left, guarded = self.readKernel()
        kernel = _ends(left)
        if leaked := self.world.expected.findLate(kernel):  # first, because the daemon may hang
            return (
                f"the kernel has openings that are not allowed, or too long: {formatKeys(leaked)}",
                "",
            )
        try:
            status = self.world.admin.status() if self.world.daemon else {}
        except AskError as error:
            status = {"trouble": str(error)}
        openings = {
            (opening["door"], opening["source"]): opening for opening in status.get("openings", [])
        }
        daemon = _ends(
            {key: found["seconds_left"] for key, found in openings.items() if found["open"]}
        )
        if leaked := self.world.expected.findLate(daemon):
            return (
                f"the daemon has openings that are not allowed, or too long: {formatKeys(leaked)}",
                "",
            )
        lacks = [
            *self._findLacks("kernel", kernel),
            *(self._findLacks("daemon", daemon) if self.world.daemon else []),
            *self._findTroubles(status, set(daemon) ^ set(kernel)),
            *(["the guard is not complete"] if self._protectedPorts() != guarded else []),
        ]
        return "", "; ".join(lacks or self._findDeafPorts())

    def _protectedPorts(self) -> set[int]:
        """Return the ports that must be closed to everybody else."""
        return {gate.port for gate in self.world.gates.values()}

    def _findLacks(self, place: str, ends: Mapping[Key, float]) -> list[str]:
        """Return what is missing, or ends too early."""
        missing = self.world.expected.required(time.monotonic()) - set(ends)
        early = self.world.expected.findEarly(ends)
        return [
            *([f"the {place} lacks {formatKeys(missing)}"] if missing else []),
            *([f"the {place} ends too early: {formatKeys(early)}"] if early else []),
        ]

    def _findTroubles(self, status: Mapping[str, Any], different: set[Key]) -> list[str]:
        """Return what the daemon reports but should not, or should but does not."""
        if not status:
            return []
        doors = sorted(door["name"] for door in status.get("doors", []))
        openings = status.get("openings", [])
        return [
            *([status["trouble"]] if "trouble" in status else []),
            *(opening["trouble"] or NOT_YET for opening in openings if not opening["open"]),
            *([f"daemon and kernel differ: {formatKeys(different)}"] if different else []),
            *([f"the daemon's doors are {doors}"] if doors != sorted(self.world.gates) else []),
        ]

    def readKernel(self) -> tuple[dict[Key, float], set[int]]:
        """
        Return what the kernel has: the seconds that each opening has left, and the ports that are
        closed to everybody else; no ports if the guard is not complete.
        """
        status, listing = self.world.server.status("nft", "-j", "list", "table", "inet", "pkdoors")
        if status:
            return {}, set()
        parts = json.loads(listing)["nftables"]
        found = [part["set"] for part in parts if "set" in part]
        sets = {table["name"]: table.get("elem", []) for table in found}
        names = {gate.port: name for name, gate in self.world.gates.items()}
        chains = {part["rule"]["chain"] for part in parts if "rule" in part}
        openings = {
            (names.get(port, f"port {port}"), source): element["elem"]["expires"]
            for name, elements in sets.items()
            if name.startswith("tcp_open")
            for element in elements
            for source, port in [element["elem"]["val"]["concat"]]
        }
        isComplete = {"input", "forward", "tcp_in", "tcp_dnat"} <= chains
        return openings, set(_ports(sets.get("tcp_ports", []))) if isComplete else set()

    def _findDeafPorts(self) -> list[str]:
        """Return whether firewalld keeps knocks out, and on which ports."""
        if not self.world.firewalld or not self.world.daemon:
            return []
        status, rules = self.world.server.status("firewall-cmd", "--list-rich-rules")
        ports = {port for gate in self.world.gates.values() for port in gate.sequence}
        deaf = [port for port in ports if status or f'port="{port}"' not in rules]
        return [f"firewalld does not let knocks in: {deaf}"] if deaf else []

    def tryDoors(self) -> str:
        """
        Try each door from each address, and check that exactly the expected clients get in.

        @return: what is wrong; empty if nothing is.
        """
        tries = [
            ((gate.name, source), gate.port)
            for gate in self.world.gates.values()
            for source in (*CLIENTS, *STRANGERS)
        ]
        allowed = self.world.expected.allowed(time.monotonic())
        answered = self.reach(tries)
        if leaked := answered - allowed:
            return f"got in without an opening: {formatKeys(leaked)}"
        return self._tryAgain([tried for tried in tries if tried[0] not in answered])

    def _tryAgain(self, tries: list[Try]) -> str:
        """Try for a while; return which clients with an opening do not get in."""
        end = time.monotonic() + LOCKED_OUT
        while tries:
            required = self.world.expected.required(time.monotonic())
            tries = [tried for tried in tries if tried[0] in required]
            if tries and time.monotonic() > end:
                return f"do not get in: {formatKeys(key for key, _ in tries)}"
            answered = self.reach(tries)
            tries = [tried for tried in tries if tried[0] not in answered]
        return ""

    def reach(self, tries: Iterable[Try]) -> set[Key]:
        """Try some connections at the same time, and return for which openings a port answered."""
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
            connection.connect_ex((serverFor(source), port))
            return connection

    def checkSessions(self) -> str:
        """Return which sessions were lost; empty if none was."""
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
    """Return when openings end, from the seconds that they have left."""
    now = time.monotonic()
    return {key: now + seconds for key, seconds in left.items()}


def _ports(elements: Iterable[Any]) -> Iterator[int]:
    """Yield the ports of an interval set."""
    for element in elements:
        isRange = isinstance(element, dict)
        first, last = element["range"] if isRange else (element, element)
        yield from range(first, last + 1)
