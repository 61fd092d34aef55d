"""The knock ports: who hears them, what is missing of them, and when it is tried again."""

import errno
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure as TwistedFailure

from pkdoors.errors import ListenError
from pkdoors.knockports._ordering import Reorderer
from pkdoors.knockports._recvmmsg import BatchReceiver
from pkdoors.knockports._socket import KnockSocket
from pkdoors.knockports.listener import ANY, Endpoint, Failure, Plan, Search, isThere
from pkdoors.knocks.knock import MAX_DATAGRAM, Knock
from pkdoors.util.backoff import BackOff

RETRY_FIRST, RETRY_LAST = 1.0, 30.0
"""Seconds until what is missing is tried again: at first, and at most."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """
    Something that keeps knocks from being heard.

    @ivar text: what it is, a sentence for the operator.
    @ivar over: the sentence for when it is over.
    """

    text: str
    over: str


class KnockPorts:
    """
    Hears the knock ports of a L{Plan}, as far as they can be had, and goes on trying the rest. Each
    trouble is one warning when it begins and one line when it is over.

    @param reactor: reads the sockets, and has a clock.
    @param hear: gets the knocks.
    @ivar onChange: called when L{troubles} are others than before.
    """

    _log = Logger()

    def __init__(self, reactor: Any, hear: Callable[[list[Knock]], None]) -> None:
        self._reactor = reactor
        self._reorderer = Reorderer(reactor, hear)
        self._receiver = BatchReceiver(MAX_DATAGRAM)
        self._held: dict[Endpoint, KnockSocket] = {}
        self.plan = Plan()
        self._missed = 0  # datagrams that ports dropped which are not ours any more
        self._troubles: dict[str, Trouble] = {}
        self._backOff = BackOff(RETRY_FIRST, RETRY_LAST)
        self._retry: IDelayedCall | None = None
        self._isStopped = False
        self._hasComplained = False
        self.onChange: Callable[[], None] = lambda: None

    def troubles(self) -> list[str]:
        """Return what keeps knocks from being heard now, a sentence each."""
        return [each.text for each in self._troubles.values()]

    def listen(self, plan: Plan) -> None:
        """Hear what can be had of a plan, at once."""
        self.use(self.search(plan))

    def search(self, plan: Plan) -> Search:
        """
        Take what a plan lacks, as far as it can be had. Nothing else changes until L{use} or
        L{giveUp}, one of which must be called.
        """
        self._cancel()
        return Search(plan, self._held)

    def giveUp(self, search: Search) -> None:
        """Give back what was taken, and go on as before."""
        search.close()
        self._schedule()

    def use(self, search: Search) -> None:
        """Hear the plan of a search from now on. Ports that it does not have are given back."""
        self.plan = search.plan
        gone = {place: each for place, each in self._held.items() if not search.isKept(place)}
        for place, bound in search.fresh.items():
            self._held[place] = KnockSocket(bound, self._reorderer, self._receiver)
            self._reactor.addReader(self._held[place])
        for place, each in gone.items():
            each.doRead()  # what came before
            self._missed += each.newDrops()
            self._end(self._held.pop(place))
        if gone and search.failures:  # now there may be room for what was missing
            self.use(Search(self.plan, self._held))
            return
        self._filter()
        if search.fresh:
            self._backOff.reset()
        self._tell(dict(_troublesOf(search)))
        self._schedule()

    def retry(self) -> None:
        """Try now what is missing."""
        if self._troubles or self.plan.isScoped():
            self.listen(self.plan)

    def newDrops(self) -> int:
        """Return how many datagrams the kernel has dropped here since this was last asked."""
        missed, self._missed = self._missed, 0
        return missed + sum(each.newDrops() for each in self._held.values())

    def stop(self) -> None:
        """Give the ports back, and hear nothing more."""
        self._isStopped = True
        self._cancel()
        while self._held:
            self._end(self._held.popitem()[1])
        self._reorderer.close()

    def _end(self, each: KnockSocket) -> None:
        self._reactor.removeReader(each)
        each.connectionLost(TwistedFailure(ListenError("stopped")))

    def _filter(self) -> None:
        """Have the kernel drop what is no knock. If it does not, everything works without."""
        for place, each in self._held.items():
            try:
                each.filter(self.plan.program(place))
            except OSError as error:
                each.filter(b"")  # the one from before may drop what is a knock now
                self._complain(error)

    def _complain(self, error: OSError) -> None:
        if not self._hasComplained:
            self._hasComplained = True
            self._log.warn(
                "this kernel does not filter datagrams for the knock ports ({reason}): all works "
                "without, but a flood of junk costs more, and other addresses may be heard, too",
                reason=error.strerror,
            )

    def _tell(self, found: Mapping[str, Trouble]) -> None:
        before, self._troubles = self._troubles, dict(found)
        for about, trouble in found.items():
            if about not in before:
                self._log.warn("{trouble}", trouble=trouble.text)
        for about, trouble in before.items():
            if about not in found:
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


def _troublesOf(search: Search) -> Iterator[tuple[str, Trouble]]:
    """Yield what a search did not find, each with a key that stays the same while it lasts."""
    isOff = any(each.number == errno.EAFNOSUPPORT for each in search.failures)
    chosen = [each for each in search.plan.interfaces if not (isOff and ":" in each)]
    absent = [each for each in chosen if not isThere(each)]
    kinds: dict[int, list[Failure]] = defaultdict(list)
    for failure in search.failures:
        if failure.place[0] not in absent or failure.isLasting:
            kinds[failure.number].append(failure)
    for number, failures in kinds.items():
        yield f"errno {number}", _missing(search.plan, failures)
    lost = {each.place[0] for failures in kinds.values() for each in failures}
    for each in absent:
        if each not in lost:
            yield (
                each,
                Trouble(
                    f"this host does not have the address {each} yet: knocks to it are heard as "
                    "soon as it has (`ip address` lists those that it has)",
                    f"this host has the address {each} now: knocks to it are heard",
                ),
            )


def _missing(plan: Plan, failures: list[Failure]) -> Trouble:
    # How many, and never which: the ports are the secret.
    ports = {each.place[1] for each in failures}
    where = sorted({each.place[0] for each in failures})
    over = ""
    if not {*where} & {*ANY.values()}:
        over = f" at {', '.join(where)}"
    elif len(where) < len(plan.versions()):
        over = f" over IPv{6 if ':' in where[0] else 4}"
    heard = "is" if len(ports) == 1 else "are"
    return Trouble(
        f"{len(ports)} of {len(plan.ports)} knock ports {heard} not heard{over}: "
        f"{failures[0].reason}",
        f"what kept {len(ports)} of {len(plan.ports)} knock ports from being heard{over} is over",
    )
