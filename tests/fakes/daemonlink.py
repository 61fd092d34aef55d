"""A daemon, as the fleet's process sees it."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet.defer import Deferred, succeed

from pkdoors.errors import NoDaemon
from pkdoors.fleet.relay.daemonlink import DaemonRefusal

Hear = Callable[[str, dict[str, Any]], None]

DOOR = {
    "name": "ssh",
    "ports": ["22/tcp"],
    "lock": "sealed",
    "open_for": 30.0,
    "max_open_for": 3600.0,
    "sessions": "keep",
    "udp_idle": 1.0,
    "udp_max": 1.0,
    "openings": 0,
    "sources": 0,
    "fleet": True,
}
"""A door in the daemon's status."""


class FakeDaemonLink:
    """
    It has the methods of L{pkdoors.fleet.relay.daemonlink.DaemonLink}.

    @ivar taken: the lines that it took, as values.
    @ivar most: the lines of the longest request.
    @ivar isAway: whether nobody answers.
    @ivar refusal: why it takes no lines.
    @ivar doors: what it tells of its doors.
    """

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.most = 0
        self.isAway = False
        self.refusal = ""
        self.doors = [DOOR]
        self.openings: list[dict[str, Any]] = []
        self._following: dict[str, tuple[Deferred[None], Hear]] = {}

    async def post(self, lines: Iterable[bytes]) -> list[dict[str, Any]]:
        """See L{DaemonLink.post}."""
        self._check()
        if self.refusal:
            raise DaemonRefusal(self.refusal)
        found = [json.loads(line) for line in lines]
        self.taken += found
        self.most = max(self.most, len(found))
        return [{"result": "opened", "reason": ""} for _ in found]

    async def status(self, limit: int) -> dict[str, Any]:
        """See L{DaemonLink.status}."""
        self._check()
        return {
            "version": "1",
            "uptime": 1.0,
            "firewall": "nftables",
            "troubles": [],
            "doors": self.doors,
            "openings": self.openings,
            "counters": {key: {} for key in ("knocks", "dropped", "events", "firewall_calls")}
            | {"heals": 0},
            "total": len(self.openings),
        }

    async def follow(self, path: str, begin: Callable[[], None], hear: Hear) -> None:
        """See L{DaemonLink.follow}."""
        self._check()
        ended: Deferred[None] = Deferred()
        self._following[path] = ended, hear
        begin()
        await ended

    def close(self) -> Deferred[None]:
        """See L{DaemonLink.close}."""
        return succeed(None)

    def _check(self) -> None:
        if self.isAway:
            raise NoDaemon("the daemon is not running")

    def send(self, path: str, kind: str, **fields: Any) -> None:
        """Send an event of a stream."""
        self._following[path][1](kind, fields)

    def stop(self) -> None:
        """End; start again with C{isAway = False}."""
        self.isAway = True
        following, self._following = self._following, {}
        for ended, _ in following.values():
            ended.callback(None)

    def seals(self) -> list[tuple[str, bytes]]:
        """Return the seals that it took, each with the host that heard it."""
        return [(line["host"], b64decode(line["seal"])) for line in self.taken if "seal" in line]
