"""
The kernel's own firewall, in-process: the guard through libnftables, openings through netlink.
"""

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, execute, succeed
from twisted.logger import Logger
from zope.interface import implementer

from pkdoors.doors import Door, Opening, protectedPorts
from pkdoors.errors import FirewallError
from pkdoors.firewall.kernel import NO_NFTABLES, NO_PRIVILEGE, GuardGone, Kernel
from pkdoors.firewall.watch import Watch
from pkdoors.interfaces import IFirewall
from pkdoors.nfnetlink import adding, asking, countOf, removing
from pkdoors.nftrules import TABLE, counterOf, guard, setOf
from pkdoors.nftstate import countIn, livingIn, openingsIn, protectedIn
from pkdoors.ports import PortRange
from pkdoors.quoting import withoutPorts
from pkdoors.sessions import Session, isOn, livingOn, sessionsIn


def connect() -> Any:
    """
    A context of libnftables.

    @raise FirewallError: the library or its Python bindings are missing.
    """
    try:
        from nftables import Nftables
    except ImportError as error:
        raise FirewallError(
            "libnftables' Python bindings are missing: install python3-nftables "
            "(a virtual environment needs --system-site-packages to see it)"
        ) from error
    try:
        return Nftables()
    except OSError as error:
        raise FirewallError(
            "the library libnftables is missing: install libnftables1 (Debian, Ubuntu) "
            "or nftables (Fedora)"
        ) from error


def readSessions() -> list[str]:
    """
    What the kernel tells of TCP connections, over IPv4 and, where it has that, IPv6.

    @raise FirewallError: it does not tell; whose connections shall live on is not known then.
    """
    folder = Path("/proc/self/net")  # and not /proc/net: a sandboxed service does not see that
    try:
        over6 = [folder / "tcp6"] if (folder / "tcp6").exists() else []
        return [file.read_text() for file in (folder / "tcp", *over6)]
    except OSError as error:
        raise FirewallError(
            f"cannot read {error.filename} ({error.strerror}): who is connected now would be cut"
        ) from error


@implementer(IFirewall)
class NftablesFirewall:
    """
    @param reactor: its clock, and where the watch for others' changes is read.
    @param connect: makes what answers C{cmd(commands)} with C{(status, output, errors)}, as
        libnftables does.
    """

    _log = Logger()
    name = "nftables"

    def __init__(
        self,
        reactor: Any,
        connect: Callable[[], Any] = connect,
        makeKernel: Callable[[], Kernel] = Kernel,
        makeWatch: Callable[[str, Callable[[str], None]], Watch] = Watch,
        readSessions: Callable[[], list[str]] = readSessions,
    ) -> None:
        self._connect = connect
        self._makeKernel = makeKernel
        self._makeWatch = makeWatch
        self._reactor = reactor
        self._kernel: Kernel
        self._watch: Watch
        self._readSessions = readSessions
        self._doors: tuple[Door, ...] = ()
        self._sessions: list[Session] = []
        # Doors and sessions as the kernel has them.
        self._placed: tuple[tuple[Door, ...], list[Session]] = ((), [])
        self._dropped = 0  # by the guards before this one

    def prepare(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.prepare}. The kernel is asked to judge the guard, without taking it."""
        self._makeKernel().close()
        library = self._connect()
        library.set_dry_run(True)
        _run(library, guard(doors))

    def start(self, doors: tuple[Door, ...], lost: Callable[[str], None]) -> list[Opening]:
        """See L{IFirewall.start}."""
        self._kernel = self._makeKernel()
        self._doors = doors
        library = self._connect()
        openings, living = self._before(library)
        self._sessions = livingOn(self._established(doors), living, doors)
        self._watch = self._makeWatch(TABLE, lambda name: lost(f"{name} changed the guard"))
        self._put(library, openings)  # the first change that the watch sees
        self._watch.start(self._reactor)
        return openings

    def keep(self, doors: tuple[Door, ...]) -> None:
        """See L{IFirewall.keep}. Who is connected to a port that becomes protected is spared."""
        placed, living = self._placed
        before, after = protectedPorts(placed), protectedPorts(doors)
        established = self._established(doors) if before != after else []
        fresh = [each for each in established if not isOn(before, each.port)]
        self._sessions = [each for each in living if isOn(after, each.port)] + fresh
        self._doors = doors

    def _established(self, doors: tuple[Door, ...]) -> list[Session]:
        ports = protectedPorts(doors)
        return [each for text in self._readSessions() for each in sessionsIn(text, ports)]

    def restore(self, openings: Iterable[Opening]) -> Deferred[None]:
        """See L{IFirewall.restore}."""
        return execute(lambda: self._put(self._connect(), openings))

    def open(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.open}."""
        key, left = opening.source.packed, self._left(opening)
        batch = adding(TABLE, setOf(opening), key, left, opening.who.note())
        return execute(self._kernel.transact, batch)

    def close(self, opening: Opening) -> Deferred[None]:
        """See L{IFirewall.close}."""
        return execute(self._close, opening)

    def dropped(self) -> int:
        """See L{IFirewall.dropped}."""
        return self._dropped + self._counted()

    def _counted(self) -> int:
        """What the guard that is in place now has counted; nothing where it is gone."""
        limited = [counterOf(door) for door in self._placed[0] if door.knockRate]
        return sum(countOf(self._kernel.ask(asking(TABLE, each))) for each in limited)

    def stop(self) -> Deferred[None]:
        """See L{IFirewall.stop}. The guard stays, and the kernel ends the openings."""
        self._watch.stop(self._reactor)
        self._log.info("the guard stays in the kernel: `pkdoors release` would remove it")
        return succeed(None)

    def _put(self, library: Any, openings: Iterable[Opening]) -> None:
        state = [(opening, self._left(opening)) for opening in openings]
        dropped = self.dropped()  # a new guard begins to count anew
        _run(library, guard(self._doors, state, self._sessions))
        self._placed, self._dropped = (self._doors, self._sessions), dropped

    def _before(self, library: Any) -> tuple[list[Opening], list[Session] | None]:
        """What an earlier daemon left: openings, and the connections that are to live on."""
        library.set_json_output(True)
        status, listing, _ = library.cmd(f"list table inet {TABLE}")
        library.set_json_output(False)
        if status:  # there is no such table
            return [], None
        try:
            openings = openingsIn(listing, self._doors, self._reactor.seconds())
            self._warnOfOpened(protectedIn(listing))
            return openings, livingIn(listing)
        except (ValueError, LookupError, TypeError):
            self._log.warn(
                "the table inet {table} that was there before is none of ours: replaced",
                table=TABLE,
            )
            return [], None

    def _warnOfOpened(self, before: list[PortRange]) -> None:
        now = protectedPorts(self._doors)
        opened = [each for each in before if not any(map(each.isWithin, now))]
        if opened:
            self._log.warn(
                "{ports}: an earlier daemon kept this closed, and this one does not protect it: "
                "from now on it is open, as far as other firewalls let it",
                ports=", ".join(map(str, opened)),
            )

    def _left(self, opening: Opening) -> int:
        seconds: float = opening.deadline - self._reactor.seconds()
        return max(1, round(1000 * seconds))

    def _close(self, opening: Opening) -> None:
        with suppress(GuardGone):  # and the opening with it
            batch = removing(TABLE, setOf(opening), opening.source.packed)
            self._kernel.transact(batch)


def removeGuard(connect: Callable[[], Any] = connect) -> list[str]:
    """
    Take our table out of the kernel.

    @return: what was removed, a line each.
    @raise FirewallError: the kernel refused.
    """
    library = connect()
    library.set_json_output(True)
    status, listing, _ = library.cmd(f"list table inet {TABLE}")
    library.set_json_output(False)
    if status:
        return []
    _run(library, f"delete table inet {TABLE}")
    openings = countIn(listing)
    count = "1 opening" if openings == 1 else f"{openings} openings"
    return [f"nftables: the table inet {TABLE}, with the guard and {count}"]


def _run(library: Any, commands: str) -> None:
    status, _, errors = library.cmd(commands)
    if status:
        raise FirewallError(_explain(errors))


def _explain(errors: str) -> str:
    """One sentence of what libnftables says: its first line, and what to do where we know."""
    first = errors.strip().partition("\n")[0].removeprefix("netlink: ").removeprefix("Error: ")
    if "Operation not permitted" in first:
        return NO_PRIVILEGE
    if "cache initialization failed" in first:
        return NO_NFTABLES.format(reason=first)
    if "not supported" in first:
        return f"this kernel lacks a part of nftables that the guard needs ({first})"
    return f"nftables refused: {withoutPorts(first) or 'no reason given'}"
