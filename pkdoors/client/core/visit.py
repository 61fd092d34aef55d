"""
An attempt as it happens. Pure: a driver says what happened and when, and is told what to do.

First the client looks whether the port is open already. Then it knocks on the IPv4 and the IPv6
addresses at the same time, since the user's program can connect to either. Addresses of one family
come one after another: they may belong to one host, which would hear the two sequences mixed. As
soon as a knock can have opened the door, the client tries to connect, again and again.
"""

import heapq
from collections.abc import Iterable, Iterator

from pkdoors.client.core._tries import Tries
from pkdoors.client.core.actions import Action, Listen, Say, Seal, Send
from pkdoors.client.core.attempt import Attempt, Outcome
from pkdoors.client.core.plan import Plan, Sending
from pkdoors.errors import KnockError, NotOpen

GREETING = 0.3
"""Seconds for the first bytes of a server that speaks first, as sshd does."""
FOREVER = float("inf")


class Visit:
    """
    The state of an attempt.

    Each method that reports something to it returns what the driver must do now, in order. C{now}
    is the time in seconds of a clock that only goes forward.

    @param addresses: the addresses of the host.
    @ivar outcome: how it ended, if it did not fail; L{None} before.
    @ivar error: why it failed; L{None} if it did not.
    @ivar taken: the number of the try to connect that is the outcome's.
    """

    def __init__(self, attempt: Attempt, addresses: Iterable[str]) -> None:
        self._attempt = attempt
        self._addresses = tuple(addresses)
        self._tries = Tries(attempt.port or 0)
        self._left = attempt.tries
        self._waiting: list[list[str]] = []  # of each family, the addresses to be knocked on
        self._unsealed: list[str] = []  # one is sealed after the other: the user touches one key
        self._isSealing = False
        self._errors: dict[str, str] = {}
        self._rest: dict[str, Iterator[tuple[int, Sending]]] = {}  # not in the next list yet
        self._sends: list[tuple[float, int, Send]] = []
        self._opensAt: dict[str, int] = {}  # the last datagram that an address needs
        self._lasts: dict[str, int] = {}
        self._knockedAt: dict[str, float] = {}
        self._count = 0
        self._lookEnd = self._deadline = self._greetingEnd = FOREVER
        self._answer: tuple[str, float | None] | None = None
        self._note = ""
        self.outcome: Outcome | None = None
        self.error: KnockError | None = None
        self.taken: int | None = None

    @property
    def isOver(self) -> bool:
        """Whether there is an outcome, or an error."""
        return self.outcome is not None or self.error is not None

    def result(self) -> Outcome:
        """
        Return how it ended; it must be over.

        @raise KnockError: it failed.
        """
        if self.error is not None:
            raise self.error
        assert self.outcome is not None
        return self.outcome

    def nextTime(self) -> float:
        """Return when to call L{tick}, if nothing happens before; L{FOREVER} for never."""
        if self.isOver:
            return FOREVER
        times = (self._lookEnd, self._deadline, self._greetingEnd)
        return min(self.nextSend(), self._tries.nextTime(), *times)

    def nextSend(self) -> float:
        """Return when the next datagram is due; L{FOREVER} for never."""
        return self._sends[0][0] if self._sends and not self.isOver else FOREVER

    def begin(self, now: float) -> list[Action]:
        """Begin."""
        if self._attempt.port is None or not self._attempt.look:
            return self._knock(now)
        self._lookEnd = now + self._attempt.look
        return self._tries.once(self._addresses, now)

    def tick(self, now: float, canTry: bool = True) -> list[Action]:
        """
        The time of L{nextTime} has come. When the driver has done what this returns, it looks at
        the time again, and calls this at once if another datagram is due.

        @param canTry: whether to make the tries to connect that are due. A driver that is late
            looks for answers first: otherwise it would connect once more to a port that has
            answered.
        """
        if self.isOver:
            return []
        done: list[Action] = []
        if now >= self._lookEnd:
            done += self._knock(now)
        if self._sends and self._sends[0][0] <= now:
            done += self._send(heapq.heappop(self._sends)[2], now)  # one, since it may fail
        if now >= self._greetingEnd:
            self._greetingEnd = FOREVER
            self._settle()
        if canTry and not self.isOver:
            done += self._tries.tick(now)
        if now >= self._deadline and not self.isOver:
            done += self._knockAgain(now)
        return done

    def sealed(self, address: str, plan: Plan, now: float) -> list[Action]:
        """The knock for an address is made."""
        if self.isOver:
            return []
        self._rest[address] = iter(enumerate(plan.sendings, 1))
        self._planNext(address, now)
        self._opensAt[address], self._lasts[address] = plan.enough, len(plan.sendings)
        self._isSealing = False
        return [*self.tick(now, canTry=False), *self._seal()]

    def failed(self, address: str, reason: str, now: float) -> list[Action]:
        """An address cannot be knocked on; this is also for a knock that cannot be made."""
        if self.isOver:
            return []
        self._errors[address] = reason
        self._rest.pop(address, None)
        if address not in self._lasts:
            self._isSealing = False
        self._sends = [each for each in self._sends if each[2].address != address]
        heapq.heapify(self._sends)
        return self._goOn(address, now)

    def abort(self, error: KnockError) -> None:
        """There is nothing to knock with, on whatever address."""
        if not self.isOver:
            self.error = error

    def connected(self, number: int, now: float) -> list[Action]:
        """A try to connect succeeded."""
        found = self._tries.take(number)
        if self.isOver or found is None or self._answer:
            return []
        address, began = found
        knocked = self._knockedAt.get(address)
        # TCP repeats its first packet after a second, so a late answer may be due to the knock.
        wasOpen = knocked is None or (began < knocked and now - began < 1)
        self._answer = address, None if knocked is None or wasOpen else now - knocked
        self.taken = number
        done = self._tries.abandonOthers(number)
        if self._attempt.isRace:
            self._settle()
            return done
        if self._lookEnd < FOREVER:
            done += self._knock(now)
        self._deadline = FOREVER
        self._greetingEnd = now + GREETING
        return [*done, Listen(number)]

    def greeted(self, data: bytes, now: float) -> list[Action]:
        """
        The server's first bytes came.

        @param data: nothing, if it closed the connection without any.
        """
        self._note = self._attempt.explainGreeting(data)
        self._greetingEnd = FOREVER
        self._settle()
        return []

    def disconnected(self, number: int, isRefused: bool, now: float) -> list[Action]:
        """
        A try to connect failed.

        @param isRefused: whether the host refused it.
        """
        self._tries.fail(number, isRefused)
        if self._lookEnd < FOREVER and not self._tries.isPending and not self.isOver:
            return self._knock(now)
        return []

    def _knock(self, now: float) -> list[Action]:
        """Knock on all addresses."""
        self._lookEnd = self._deadline = FOREVER
        self._left -= 1
        self._errors.clear()
        families = (
            [each for each in self._addresses if ":" not in each],
            [each for each in self._addresses if ":" in each],
        )
        self._waiting = [family for family in families if family]
        self._unsealed = [family[0] for family in self._waiting]
        self._lasts.clear()
        return self._seal()

    def _seal(self) -> list[Action]:
        """Ask for the next knock to be made, unless another one is being made."""
        if self._isSealing or not self._unsealed or self.isOver:
            return []
        self._isSealing = True
        return [Seal(self._unsealed.pop(0), self._left == self._attempt.tries - 1)]

    def _knockAgain(self, now: float) -> list[Action]:
        if not self._left:
            self.error = NotOpen(self._attempt.describeFailure(self._tries.isRefused))
            return []
        reason = "connection refused" if self._tries.isRefused else "no answer yet"
        say = Say(f"{reason}, knocking again ({self._left} left)")
        return [say, *self._tries.pause(), *self._knock(now)]

    def _planNext(self, address: str, now: float) -> None:
        """Plan the next datagram: if the last one was late, the pause after it is as long."""
        for place, (pause, port, datagram) in self._rest[address]:
            self._count += 1
            send = Send(address, port, datagram, place)
            heapq.heappush(self._sends, (now + pause, self._count, send))
            return

    def _send(self, send: Send, now: float) -> list[Action]:
        done: list[Action] = [send]
        address = send.address
        self._planNext(address, now)
        if send.place == self._opensAt[address]:
            self._knockedAt[address] = now
            if self._attempt.port is not None and not self._answer:
                done += self._tries.repeat(address, now)
        if send.place == self._lasts[address]:
            done += self._goOn(address, now)
        return done

    def _goOn(self, address: str, now: float) -> list[Action]:
        """Go on with the next address of the same family, or end the knock."""
        for family in self._waiting:
            if family[:1] == [address]:
                del family[0]
                self._unsealed += family[:1]
        if not any(self._waiting):
            self._endKnock(now)
        return self._seal()

    def _endKnock(self, now: float) -> None:
        if len(self._errors) == len(self._addresses):
            address, reason = next(iter(self._errors.items()))
            self.error = KnockError(f"cannot knock on {address}: {reason}")
        elif self._attempt.port is None or self._answer:
            self._settle()
        else:
            self._deadline = now + self._attempt.timeout

    def _settle(self) -> None:
        """End, if nothing is left to do."""
        isKnocking = any(self._waiting) and not self._attempt.isRace
        if self.isOver or isKnocking or self._greetingEnd < FOREVER:
            return
        knocked = tuple(
            each for each in self._addresses if each in self._knockedAt and each not in self._errors
        )
        answered, seconds = self._answer or (None, None)
        self.outcome = Outcome(self._attempt, knocked, answered, seconds, self._note)
