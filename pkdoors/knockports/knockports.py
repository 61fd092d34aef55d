"""The knock ports: the daemon hears those that it can have, and tries the others again."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from pkdoors.errors import ListenError
from pkdoors.knockports._ordering import KnockHandler, Reorderer
from pkdoors.knockports._readiness import Readiness
from pkdoors.knockports._recvmmsg import BatchReceiver
from pkdoors.knockports._socket import KnockSocket
from pkdoors.knockports._troubles import PortTrouble, findTroubles
from pkdoors.knockports.binding import Endpoint
from pkdoors.knockports.plan import Plan, checkFits
from pkdoors.knockports.search import Search
from pkdoors.knocks.knock import MAX_DATAGRAM, Knock
from pkdoors.util.backoff import BackOff
from pkdoors.util.turns import takeInTurns

RETRY_FIRST, RETRY_LAST = 1.0, 30.0
"""Seconds until missing ports are tried again: at first, and at most."""


class KnockPorts:
    """
    Hears the knock ports of a L{Plan}, as far as they can be had, and keeps trying the rest. Each
    trouble is one warning when it begins and one line when it is over.

    @param reactor: reads the sockets, and has a clock.
    @param handle: gets the knocks.
    @cvar method: see L{pkdoors.daemon.listening.IKnockPorts}.
    @ivar onTurn: called after the knocks of each turn were handled.
    @ivar onChange: called when L{troubles} have changed.
    """

    method = "sockets"
    _log = Logger()

    def __init__(self, reactor: Any, handle: KnockHandler) -> None:
        self._reactor = reactor
        self._handle = handle
        self._readiness = Readiness()
        self._reorderer = Reorderer(reactor, self._handleTurn, isQuiet=self._readiness.isQuiet)
        self._receiver = BatchReceiver(MAX_DATAGRAM)
        self._held: dict[Endpoint, KnockSocket] = {}
        self.plan = Plan()
        self._missed = 0  # datagrams that were dropped by ports which we have closed since
        self._troubles: dict[str, PortTrouble] = {}
        self._backOff = BackOff(RETRY_FIRST, RETRY_LAST)
        self._retry: IDelayedCall | None = None
        self._isStopped = False
        self._hasComplained = False
        self.onTurn: Callable[[], None] = lambda: None
        self.onChange: Callable[[], None] = lambda: None

    def troubles(self) -> list[str]:
        """Return why some knocks are not heard now, a sentence for each reason."""
        return [trouble.text for trouble in self._troubles.values()]

    def check(self, plan: Plan) -> None:
        """
        Check that sockets can hear a plan, and that this process may open as many as it needs.

        @raise ListenError: they cannot, or it may not.
        """
        if plan.tcpPorts:
            raise ListenError(
                "sockets hear the knocks, and they cannot hear those over TCP: restart the daemon "
                "so that it captures them, or use UDP ports only"
            )
        if plan.needs() > self.plan.needs():
            checkFits(plan)

    def listen(self, plan: Plan) -> None:
        """Hear what can be had of a plan, at once."""
        self._cancel()
        for _ in self._use(Search(plan, self._held).now()):
            pass

    async def search(self, plan: Plan) -> Search:
        """
        Open the sockets that a plan lacks, as far as they can be had. Nothing else changes until
        L{use} or L{giveUp}; the caller must call one of them.
        """
        self._cancel()
        search = Search(plan, self._held)
        try:
            await takeInTurns(self._reactor, search.steps())
        except BaseException:
            self.giveUp(search)
            raise
        return search

    def giveUp(self, search: Search) -> None:
        """Close what a search opened, and continue as before."""
        search.close()
        self._schedule()

    async def use(self, search: Search) -> None:
        """Hear the plan of a search from now on, and close the ports that it does not have."""
        await takeInTurns(self._reactor, self._use(search))

    def _use(self, search: Search) -> Iterator[None]:
        self.plan = search.plan
        gone = [key for key in self._held if not search.isKept(key)]
        for endpoint, udp in search.fresh.items():
            if self._isStopped:
                udp.close()
                continue
            self._held[endpoint] = KnockSocket(udp, self._reorderer, self._receiver)
            self._reactor.addReader(self._held[endpoint])
            self._readiness.add(udp)
            yield
        for endpoint in gone:
            port = self._held.pop(endpoint, None)
            if port is not None:
                port.doRead()  # what came before
                self._missed += port.newDrops()
                self._end(port)
                yield
        if gone and search.failures and not self._isStopped:  # there may be room for them now
            again = Search(self.plan, self._held)
            yield from again.steps()
            yield from self._use(again)
            return
        yield from self._filter()
        if search.fresh:
            self._backOff.reset()
        self._report(dict(findTroubles(search)))
        self._schedule()

    def retry(self) -> None:
        """Try the missing ports now."""
        if self._troubles or self.plan.isScoped():
            self.listen(self.plan)

    def newDrops(self) -> int:
        """Return how many datagrams the kernel has dropped here since the last call."""
        missed, self._missed = self._missed, 0
        return missed + sum(port.newDrops() for port in self._held.values())

    def stop(self) -> None:
        """Close the ports, and hear nothing more."""
        self._isStopped = True
        self._cancel()
        while self._held:
            self._end(self._held.popitem()[1])
        self._reorderer.close()
        self._readiness.close()

    def _handleTurn(self, knocks: list[Knock]) -> None:
        self._handle(knocks)
        self.onTurn()

    def _end(self, port: KnockSocket) -> None:
        self._reactor.removeReader(port)
        port.connectionLost(Failure(ListenError("stopped")))

    def _filter(self) -> Iterator[None]:
        """Let the kernel drop what is not a knock. If it refuses, everything works without."""
        for endpoint, port in [*self._held.items()]:
            if self._isStopped:
                return
            try:
                port.filter(self.plan.program(endpoint))
            except OSError as error:
                port.filter(b"")  # the previous filter may drop what is a knock now
                self._complain(error)
            yield

    def _complain(self, error: OSError) -> None:
        if not self._hasComplained:
            self._hasComplained = True
            self._log.warn(
                "this kernel does not filter datagrams for the knock ports ({reason}): everything "
                "works without that, but a flood of junk costs more, and knocks to other addresses "
                "may be heard, too",
                reason=error.strerror,
            )

    def _report(self, found: Mapping[str, PortTrouble]) -> None:
        """Log what has gone wrong, and what is over, since the last report."""
        before, self._troubles = self._troubles, dict(found)
        for key, trouble in found.items():
            if key not in before:
                self._log.warn("{trouble}", trouble=trouble.text)
        for key, trouble in before.items():
            if key not in found:
                self._log.info("{over}", over=trouble.over)
        if before != self._troubles:
            self.onChange()

    def _schedule(self) -> None:
        """Try again later if something is missing, or if the number of an interface may change."""
        self._cancel()
        if self._isStopped or not (self._troubles or self.plan.isScoped()):
            return
        seconds = self._backOff.next() if self._troubles else RETRY_LAST
        self._retry = self._reactor.callLater(seconds, self.retry)

    def _cancel(self) -> None:
        if self._retry is not None and self._retry.active():
            self._retry.cancel()
        self._retry = None
