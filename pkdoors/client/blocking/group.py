"""
Knocks on several hosts at once. No host waits for another one: not for its name to be looked up,
and not for a user who is to touch a key for it. Only the SSH agent is asked one question at a time,
and knocks on the same address come one after another, since the host would hear them mixed.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import MappingProxyType

from pkdoors.client.blocking._agent import Asking
from pkdoors.client.blocking._loop import Loop
from pkdoors.client.blocking._names import Found as Addresses
from pkdoors.client.blocking._names import LookUps
from pkdoors.client.blocking._stun import StunExchange
from pkdoors.client.blocking._work import Work, workAtOnce
from pkdoors.client.blocking.driver import VisitDriver
from pkdoors.client.core.agent import traceAsk
from pkdoors.client.core.attempt import Attempt, Outcome
from pkdoors.client.core.events import Found, Traced, ignore
from pkdoors.client.core.methods import Tools, prepareOnce
from pkdoors.errors import KnockError

PREPARING = 1.0
"""Seconds in which all keys are prepared before the first knock: a question for a passphrase would
hold up knocks that are under way. An agent that takes longer for its list holds up nobody."""

Result = Outcome | KnockError
Trace = Callable[[Traced], None]


def performAll(
    attempts: Mapping[str, Attempt],
    say: Callable[[str, str], None],
    report: Callable[[str, Result], None],
    traces: Mapping[str, Trace] = MappingProxyType({}),
) -> None:
    """
    Get through the doors of several hosts.

    @param attempts: by the names that the user has for the hosts; none of them is a race.
    @param say: called with such a name, and a line about the progress.
    @param report: called with such a name and how its attempt ended, when it does.
    @param traces: by such names, what is called with everything that happens, for a report.
    """
    _allowManyFiles()
    loop = Loop()
    group = _Group(loop, attempts, say, report, traces)
    try:
        group.begin()
        while group.left:
            loop.turn()
    finally:
        group.close()
        loop.close()


class _Group:
    """
    Several attempts.

    @ivar left: the names of those that have not ended.
    """

    def __init__(
        self,
        loop: Loop,
        attempts: Mapping[str, Attempt],
        say: Callable[[str, str], None],
        report: Callable[[str, Result], None],
        traces: Mapping[str, Trace],
    ) -> None:
        self._loop = loop
        self._attempts = attempts
        self._say = say
        self._report = report
        self._traces = {name: traces.get(name, ignore) for name in attempts}
        self.left = {*attempts}
        self._unprepared: dict[str, Work] = {}
        self._isHeld = True
        self._addresses: dict[str, list[str]] = {}  # of those that wait to begin
        self._drivers: dict[str, VisitDriver] = {}
        self._busy: dict[str, list[str]] = {}  # addresses that are being knocked on
        self._names = LookUps(loop, self._take)

    def begin(self) -> None:
        """Look up all names, and prepare all keys."""
        for name, attempt in self._attempts.items():
            self._names.add(name, attempt.host, attempt.family)
            trace = self._traces[name]
            tools = Tools(
                traceAsk(Asking, trace), workAtOnce, StunExchange, partial(self._say, name), trace
            )
            preparing = prepareOnce(attempt.method, tools)
            self._unprepared[name] = Work(self._loop, preparing, partial(self._prepared, name))
        for work in [*self._unprepared.values()]:
            work.start()
        self._loop.callAt(self, self._loop.clock() + PREPARING, self._release)

    def close(self) -> None:
        """Give up what is under way."""
        self._loop.cancel(self)
        self._names.close()
        for work in self._unprepared.values():
            work.stop()
        for driver in self._drivers.values():
            driver.close()

    def _prepared(self, name: str, result: object) -> None:
        del self._unprepared[name]
        if isinstance(result, KnockError | OSError):
            self._end(name, result if isinstance(result, KnockError) else KnockError(str(result)))
        if not self._unprepared:
            self._release()
        else:
            self._start()

    def _release(self) -> None:
        self._isHeld = False
        self._start()

    def _take(self, name: str, found: Addresses) -> None:
        """A name is looked up."""
        if name not in self.left:
            return
        if isinstance(found, KnockError):
            self._end(name, found)
        else:
            self._addresses[name] = found
            self._start()

    def _start(self) -> None:
        """Begin the attempts that need not wait."""
        if self._isHeld:
            return
        taken = {address for addresses in self._busy.values() for address in addresses}
        for name, addresses in [*self._addresses.items()]:
            if name in self._unprepared or not taken.isdisjoint(addresses):
                continue
            del self._addresses[name]
            self._busy[name] = addresses
            taken.update(addresses)
            # Later, since one that ends at once would begin the next one from here.
            begin = partial(self._visit, name, addresses)
            self._loop.callAt((self, name), self._loop.clock(), begin)

    def _visit(self, name: str, addresses: list[str]) -> None:
        attempt, say = self._attempts[name], partial(self._say, name)
        trace, end = self._traces[name], partial(self._finish, name)
        trace(Found(attempt.host, tuple(addresses)))
        driver = VisitDriver(self._loop, attempt, addresses, say, trace, end)
        if not driver.visit.isOver:
            self._drivers[name] = driver

    def _finish(self, name: str, driver: VisitDriver) -> None:
        self._drivers.pop(name, None)
        del self._busy[name]
        result = driver.visit.outcome or driver.visit.error
        assert result is not None
        self._end(name, result)
        self._start()

    def _end(self, name: str, result: Result) -> None:
        if name in self.left:
            self.left.remove(name)
            self._addresses.pop(name, None)
            self._report(name, result)


def _allowManyFiles() -> None:
    """Let this process have as many sockets as the system allows: each host needs some."""
    with suppress(ImportError, OSError, ValueError):
        from resource import RLIMIT_NOFILE, getrlimit, setrlimit

        most = getrlimit(RLIMIT_NOFILE)[1]
        setrlimit(RLIMIT_NOFILE, (most, most))
