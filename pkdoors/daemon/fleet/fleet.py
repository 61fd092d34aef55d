"""This host as one of a fleet: judges what others have heard, and passes on what it has heard."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from pkdoors.config.fleet import REFUSE, FleetConfig
from pkdoors.daemon.fleet.claims import Claims
from pkdoors.daemon.fleet.entries import ClaimAnswer, RelayedSeal, parseEntry
from pkdoors.daemon.fleet.inbox import Inbox
from pkdoors.daemon.fleet.ordering import OperatorUse, Ordering
from pkdoors.daemon.fleet.outbox import Follower, Outbox
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.doorkeeper.outcome import NOTHING, OVER, REFUSED, Outcome
from pkdoors.errors import BadValue
from pkdoors.events.publisher import EventPublisher
from pkdoors.keysources.keyfile import KeyFile
from pkdoors.knocks.seal import parseSealed
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.relayed.memory import FleetMemory
from pkdoors.locks.relayed.relayedlock import RelayedLock
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.sealjudge import SealJudge, isBound
from pkdoors.model.doors import MAX_SKEW
from pkdoors.model.sources import readSource
from pkdoors.util.loglimits import LineLimit

SPARE = 60.0
"""Seconds that a claim lasts longer than its seal can be good anywhere: clocks differ."""
PATIENCE = 20.0
"""Seconds after the start, or after its end, in which the fleet's process should follow."""

_LOST = (
    "another host of the fleet has opened for this knock, which names no address: if nobody else "
    "used it, knock again, or bind it to an address (--bind)"
)
_ALONE = (
    "it names no address, so another host of the fleet may have opened for it already, and the "
    "fleet does not answer: bind it to an address (--bind), or knock when the fleet is back"
)


class Fleet:
    """
    Connects the doorkeeper with the process that follows on the lesser socket.

    @param findJudge: returns the judge of the seals for a door; L{None} if there is none.
    @param memory: what this host remembers of its fleet.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        keeper: Doorkeeper,
        publisher: EventPublisher,
        findJudge: Callable[[str], SealJudge | None],
        memory: FleetMemory,
        config: FleetConfig,
    ) -> None:
        self._clock = clock
        self._keeper = keeper
        self._publisher = publisher
        self._findJudge = findJudge
        self._memory = memory
        self._outbox = Outbox(clock.seconds)
        self._inbox = Inbox(clock, self._act, lambda: keeper.isStopped)
        self._claims = Claims(clock, self._outbox.ask)
        self._ordering = Ordering(clock, keeper, publisher, memory)
        self._ordering.onOperators = self._outbox.askForOrders
        self._outbox.onGone = self._onGone
        self._since = clock.seconds()  # when somebody followed last
        self._lines = LineLimit()
        self._follow(config)

    def use(self, config: FleetConfig) -> None:
        """Belong to a fleet with this configuration from now on."""
        if config != self._config:
            self._follow(config)

    def _follow(self, config: FleetConfig) -> None:
        self._config = config
        self._lock = RelayedLock(self._findJudge, config.trust, config.host)
        self._ordering.use(config.name, self._openOperators(config.operators))

    def _openOperators(self, path: str) -> Callable[[], Sequence[AuthorizedKey]]:
        """Return what returns the keys of those who can give orders, as they are now."""
        if not path:
            return list
        file = KeyFile(path, self._clock.seconds)
        file.use = OperatorUse()
        return file.keys

    def start(self) -> None:
        """Begin to hear what the doorkeeper does."""
        keeper = self._keeper
        keeper.holdsBack, keeper.seals.onSeal = self._holdBack, self._onSeal
        keeper.dateOpenings(True)
        self._ordering.start()

    def stop(self) -> None:
        """End that. What waits opens nothing any more."""
        keeper = self._keeper
        keeper.holdsBack = keeper.refuseUnclaimed
        keeper.seals.onSeal = lambda request: None
        keeper.dateOpenings(False)
        for part in (self._inbox, self._claims, self._ordering):
            part.stop()

    def troubles(self) -> list[str]:
        """Return what keeps this host from its fleet, a sentence each."""
        isLate = self._clock.seconds() - self._since > PATIENCE
        if self._outbox.isFollowed or not isLate:
            return []
        return [
            "nothing connects this host with its fleet: see `systemctl status pkdoors-fleet`, and "
            "start that service"
        ]

    def take(self, lines: Sequence[bytes]) -> Deferred[list[Outcome]]:
        """See L{pkdoors.admin.fleet._seals.Relay}."""
        return self._inbox.add(lines)

    def follow(self, follower: Follower) -> None:
        """See L{pkdoors.admin.fleet._seals.Relay}."""
        self._outbox.follow(follower)

    def leave(self, follower: Follower) -> None:
        """See L{pkdoors.admin.fleet._seals.Relay}."""
        self._outbox.leave(follower)

    def proceed(self, follower: Follower) -> None:
        """See L{pkdoors.admin.fleet._seals.Relay}."""
        self._outbox.proceed(follower)

    def _onGone(self) -> None:
        self._since = self._clock.seconds()
        self._claims.giveUp()

    def _act(self, line: bytes) -> Outcome:
        try:
            entry = parseEntry(line)
        except BadValue as error:
            return Outcome(REFUSED, str(error))
        if isinstance(entry, ClaimAnswer):
            self._claims.answer(entry.number, entry.won)
            return Outcome(NOTHING)
        if isinstance(entry, RelayedSeal):
            return self._judge(entry)
        return self._ordering.obey(entry.order)

    def _judge(self, entry: RelayedSeal) -> Outcome:
        over, now = self._lock.over, self._clock.seconds()
        found = self._lock.judge(
            entry.seal, entry.host, entry.source, now, self._publisher.wallClock()
        )
        if found is None:
            return Outcome(OVER if self._lock.over > over else NOTHING)
        if isinstance(found, Refusal):
            self._keeper.refuse(found)
            return Outcome(REFUSED, found.reason)
        return self._keeper.request(found)

    def _onSeal(self, request: Request) -> None:
        """Pass on a seal that was heard here."""
        isFixed = isBound(parseSealed(request.seal).statement)
        if isFixed or self._config.host in self._config.trust:
            time = self._publisher.wallClock()
            self._outbox.putSeal(request.seal, request.sender, time, isFixed)

    def _holdBack(self, request: Request) -> bool:
        if not request.claim:
            return False
        # Another host may allow more of a difference than this one.
        milliseconds = 1000 * (request.door.clockSkew + MAX_SKEW + SPARE)
        self._claims.claim(request.claim, int(milliseconds), partial(self._onClaimed, request))
        return True

    def _onClaimed(self, request: Request, isWon: bool | None) -> None:
        """Open for a seal that was claimed; L{None} if nobody can tell whether it was the first."""
        reason = _LOST if isWon is False else ""
        if isWon is None and self._config.whenAlone == REFUSE:
            reason = _ALONE
        door = next((door for door in self._keeper.doors if door.name == request.door.name), None)
        if door is None or not door.hasLockOf(request.door):
            reason = reason or "the configuration has changed meanwhile: knock again"
        if reason := reason or self._findClosed(request):
            self._keeper.refuse(Refusal(request.door, request.sender, reason, request.who))
            return
        if isWon is None and self._lines.admit("", self._clock.seconds()):
            self._log.warn(
                "door {door} opens for {source} though the fleet does not answer: another host may "
                "have opened for the same knock, which names no address",
                door=request.door,
                source=request.source,
            )
        self._keeper.request(replace(request, door=door or request.door))

    def _findClosed(self, request: Request) -> str:
        """Return why a seal opens nothing any more, because of what happened while it waited."""
        now, today = self._clock.seconds(), self._publisher.wallClock()
        stamp, source = round(1000 * request.since), readSource(request.source)
        if any(map(self._memory.bans.findBan, request.who.keys)):
            return f"the key of {request.who} is banned in the whole fleet"
        heard = self._memory.judged.hear(request.claim, now)
        return self._memory.tombstones.findRefusal(
            request.door.name, source, request.who.key, stamp, now, today, heard
        )
