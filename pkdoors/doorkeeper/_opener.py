"""Opens doors on request."""

from dataclasses import replace
from itertools import count

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from pkdoors.doorkeeper._closer import Closer
from pkdoors.doorkeeper._refusing import RefusalReport
from pkdoors.doorkeeper.admission import Admission, findOwner
from pkdoors.doorkeeper.openings.carrying import GONE, Carrying
from pkdoors.doorkeeper.openings.life import OpeningLife
from pkdoors.doorkeeper.openings.lives import Lives
from pkdoors.doorkeeper.openings.report import OpeningReport
from pkdoors.doorkeeper.openings.settling import Key
from pkdoors.doorkeeper.openings.uses import UseWatch
from pkdoors.doorkeeper.outcome import CLOSED, EXTENDED, NOTHING, OPENED, OVER, REFUSED, Outcome
from pkdoors.errors import FirewallError
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.stack import FirewallStack
from pkdoors.host.clientaddress import findUseless, readClient
from pkdoors.locks.lock import Refusal, Request
from pkdoors.model.doors import Opening
from pkdoors.model.principal import Principal
from pkdoors.model.sources import Source
from pkdoors.util.loglimits import LineLimit
from pkdoors.util.turns import Turns

STOPPING = "the daemon is stopping: ask the next one"
SAME_END = 1.0
"""Seconds by which the ends of two openings by one seal may differ, as they are computed from two
clocks. Less does not count."""


class Opener:
    """
    Judges requests, and begins openings or moves their deadlines.

    @param turns: when an opening may do what can wait.
    @ivar isDating: whether each opening gets the time of day at which it begins.
    @ivar isStopped: whether the firewalls are let go, so nothing more opens or closes.
    @ivar carrying: what openings get in a reload, while they get the new doors.
    """

    def __init__(
        self,
        clock: IReactorTime,
        stack: FirewallStack,
        publisher: EventPublisher,
        admission: Admission,
        lives: Lives,
        closer: Closer,
        refusals: RefusalReport,
        uses: UseWatch,
        turns: Turns,
    ) -> None:
        self._clock = clock
        self._stack = stack
        self._publisher = publisher
        self._admission = admission
        self._lives = lives
        self._closer = closer
        self._refusals = refusals
        self._uses = uses
        self._turns = turns
        self._troubles = LineLimit()
        self._grants = count(1)
        self.isDating = self.isStopped = False
        self.carrying: Carrying | None = None

    def request(self, request: Request) -> Outcome:
        """Open the door or, if it is open for this source already, move the deadline."""
        door = request.door
        if self.isStopped:
            return Outcome(REFUSED, STOPPING)
        key = (door.name, readClient(request.source))
        if request.close:
            self._closer.closeOwn(request)
            return Outcome(CLOSED)
        now, isThere = self._clock.seconds(), self._isThere(key, request.who)
        opening = self._makeOpening(request, key[1], now)
        if opening.deadline <= now:
            return Outcome(OVER)
        isHeard = request.sender == request.source and not request.via
        reason = findUseless(key[1], isHeard=isHeard)
        if reason := reason or self._admission.findRefusal(request, isThere, now):
            self._refusals.publish(Refusal(door, request.sender, reason, request.who))
            return Outcome(REFUSED, reason)
        if isThere:
            return Outcome(EXTENDED if self._extend(self._lives[key], opening) else NOTHING)
        # The firewall comes first: the client waits for it, and for nothing else.
        self.begin(opening, now, self._stack.open(opening))
        self._refusals.noteOpening(request.sender)
        return Outcome(OPENED)

    def open(self, request: Request) -> Deferred[None]:
        """
        Do the same as L{request}, for somebody who wants to know what becomes of it.

        @return: fires when the opening has settled: all firewalls have opened it, or one refuses,
            or it was closed again. It never fails, and can be cancelled.
        @raise FirewallError: the door has too many openings.
        """
        key = (request.door.name, readClient(request.source))
        settled = self._lives.settled.next(key)  # before the request: a firewall may answer at once
        self.request(request)
        life = self._lives.get(key)
        if life is None or life.isOpen():
            self._lives.settled.notify(key)
        if life is None:
            reason = self._admission.findFull(request.door, "")
            if self.isStopped:
                raise FirewallError(STOPPING)
            raise FirewallError(f"door {request.door} has {reason or 'just closed'}")
        return settled

    def begin(self, opening: Opening, requested: float, asked: Deferred[None] | None) -> None:
        """
        Begin an opening.

        @param asked: the firewall's answer; L{None} if it has the opening already.
        """
        report = OpeningReport(self._clock, self._publisher, self._troubles, requested)
        life = OpeningLife(self._clock, self._stack, opening, report, self._turns, self._lives)
        life.owner = findOwner(str(opening.source), opening.who)
        self._lives.add(life)
        self._admission.began(opening.door.name, life.owner)
        if opening.door.once:
            self._uses.start()
        if asked is None:
            life.takeOver()
        else:
            life.begin(asked)

    def _makeOpening(self, request: Request, source: Source, now: float) -> Opening:
        """Return the opening that a request asks for."""
        door = request.door
        deadline = now + min(door.grant(request.seconds), request.most or door.maxOpenFor)
        deadline = min(deadline, request.until or deadline)
        since = 0.0
        if request.since or self.isDating:  # a stamp can be ahead, but no order ends what is later
            today = self._publisher.wallClock()
            since = min(request.since or today, today)
        who, grant = request.who, next(self._grants)
        return Opening(door, source, deadline, who, grant, since, request.via)

    def _extend(self, life: OpeningLife, wanted: Opening) -> bool:
        """Move a deadline. One and the same seal has the same end each time that it is judged."""
        now = life.opening
        isSame = wanted.since == now.since and not wanted.who.isOther(now.who)
        if isSame and wanted.since and wanted.deadline < now.deadline + SAME_END:
            wanted = replace(wanted, deadline=min(wanted.deadline, now.deadline))
        return life.extend(wanted)

    def _isThere(self, key: Key, who: Principal) -> bool:
        """Return whether there is an opening already, with what is known of its use."""
        life = self._lives.get(key)
        if life is None:
            return False
        if self.carrying is not None and self.carrying.isOver(life):
            self._closer.finishNow(life, GONE)  # it was granted for other ports than this request
        elif life.opening.door.once and life.opening.who.isOther(who):
            self._uses.lookAtOne(life)  # if it is used, its time is not for others
            return key in self._lives
        return True
