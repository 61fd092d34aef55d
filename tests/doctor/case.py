"""Hosts for tests of C{pkdoors check}."""

from collections.abc import Callable, Container
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.doctor._guard import GuardState
from pkdoors.doctor.check import checkHost
from pkdoors.doctor.facts import Facts
from pkdoors.doctor.findings import OK, Finding
from pkdoors.doctor.sources import Sources
from pkdoors.host.proc import Owner, Proc
from pkdoors.host.procnet import BOUND, LISTENS, Socket
from tests.fakes.doors import PORTS, makeDoor
from tests.fakes.rulesets import ACCEPT, DROP, condition, joinListings, makeListing

DAEMON = 77
ROOT, NOBODY = "CapEff:\t000001ffffffffff\n", "CapEff:\t0000000000000000\n"
SEQUENCE = (*PORTS, 17009)
GUARD = makeListing(
    [condition("tcp dport", 22), DROP], chain="inet pkdoors guard", hook="prerouting"
)
LET_KNOCKS_IN = [condition("udp dport", {"range": [17000, 17999]}), ACCEPT]
LETS_IN = [LET_KNOCKS_IN, [condition("tcp dport", 22), ACCEPT]]
FILTER = makeListing(*LETS_IN, policy="drop")
WELL: dict[str, Any] = {
    "holder": DAEMON,
    "tables": joinListings(GUARD, FILTER),
    "isFirewalldThere": False,
    "zones": AssertionError("there is no firewalld"),
    "saveIptables": [],
    "guard": GuardState(isOwned=True),
    "savedFiles": [],
    "explainNoCapture": "",
    "nftablesFiles": [],
    "isOn": False,
    "isFleetOn": None,
    "isService": False,
    "startsAtBoot": True,
    "isOnTrial": False,
    "isThere": True,
    "interfaces": {"eth0"},
    "defaultInterfaces": {"eth0"},
    "status": ((), ()),
    "isUnread": False,
    "findHookFlaw": None,
    "findCodeFlaw": None,
}
"""What the sources report on a host without faults."""


class FakeProc(Proc):
    """
    A host without faults.

    @ivar privilege: the status of the process.
    """

    def __init__(self) -> None:
        self.privilege = ROOT
        self.tcp = [Socket(22, LISTENS, 1, "00000000", "00000000:0000")]
        self.udp = [Socket(port, BOUND, port, "00000000", "00000000:0000") for port in SEQUENCE]
        self.owner = DAEMON
        self.isIPv6On = True
        self.syncookies = 1
        self.legacy: list[tuple[str, str]] = []

    def readStatus(self) -> str:
        """See L{Proc.readStatus}."""
        return self.privilege

    def readSockets(self, protocol: str) -> list[Socket]:
        """See L{Proc.readSockets}."""
        return {"tcp": self.tcp, "udp": self.udp}[protocol]

    def findOwners(self, inodes: Container[int]) -> dict[int, Owner]:
        """See L{Proc.findOwners}."""
        if self.privilege == NOBODY:
            return {}
        return {port: Owner(self.owner, "twistd") for port in SEQUENCE if port in inodes}

    def hasIPv6(self) -> bool:
        """See L{Proc.hasIPv6}."""
        return self.isIPv6On

    def countTracked(self) -> tuple[int, int] | None:
        """See L{Proc.countTracked}."""
        return 5, 1000

    def readCookies(self) -> int:
        """See L{Proc.readCookies}."""
        return self.syncookies

    def listLegacyTables(self) -> list[tuple[str, str]]:
        """See L{Proc.listLegacyTables}."""
        return self.legacy


def giving(result: Any) -> Callable[..., Any]:
    """Return a function that returns this, or raises it."""

    def function(*arguments: object) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    return function


def look(
    proc: FakeProc | None = None,
    options: dict[str, Any] | None = None,
    ports: str = "22",
    authorizedKeys: str = "",
    hearsAny: bool = False,
    sequence: tuple[int, ...] = SEQUENCE,
    conf: str = "",
    hooks: dict[str, Any] | None = None,
    **facts: Any,
) -> list[Finding]:
    """Return the findings on a host that has no faults but some facts."""
    known = {**WELL, **facts}
    sources = Sources(proc or FakeProc(), **{name: giving(fact) for name, fact in known.items()})
    door = makeDoor(
        sequence, ports, authorizedKeys=authorizedKeys, hearsAny=hearsAny, **(hooks or {})
    )
    config = Config((door,), **(options or {}))
    return list(checkHost(Facts(config, sources, conf)))


class CheckTestCase(SynchronousTestCase):
    """
    Checks hosts.
    """

    def bad(self, *arguments: Any, **facts: Any) -> list[tuple[str, str]]:
        """Return level and subject of all findings that are not good."""
        findings = [finding for finding in look(*arguments, **facts) if finding.level != OK]
        for finding in findings:
            self.assertTrue(finding.remedy, finding)
        return [(finding.level, finding.subject) for finding in findings]
