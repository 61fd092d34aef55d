"""Attackers who guess a plain sequence whose ports they know, against real locks. Pure."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count

from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Refusal, Request, Result
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.locks.wrongorders import WARY_PENALTY
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange
from pkdoors.model.sequence import Sequence

LINE = 100_000
"""Datagrams a second that an attacker's line carries."""
PERIOD = WARY_PENALTY
"""Seconds of a wary door's period."""
SEED = 20261127


@dataclass
class Progress:
    """
    The progress of an attack.

    @ivar tried: how many orders had been tried at some moments.
    @ivar periods: the same at the end of each period.
    """

    tried: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])
    periods: list[tuple[float, int]] = field(default_factory=list)

    def timeFor(self, orders: float) -> float:
        """Return the seconds after which so many have been tried."""
        for when, tried in self.tried:
            if tried >= orders:
                return when
        # Skip the beginning, in which the attacker uses up the wrong orders that a door forgives.
        (start, before), (end, after) = self.periods[len(self.periods) // 3], self.periods[-1]
        return end + (orders - after) * (end - start) / (after - before)


class Attacker:
    """
    Knows the ports, and everything else except the order.

    @ivar now: seconds on his clock.
    """

    def __init__(self, length: int, sites: int, doors: int = 1, seed: int = SEED) -> None:
        """
        @param length: how many ports the sequence has.
        @param sites: how many sites he has: IPv6 /48s, each with all its networks.
        @param doors: how many doors have these ports.
        """
        self._random = random.Random(seed)
        self._sites = sites
        self._ports = range(20_001, 20_001 + length)
        orders = [tuple(self._random.sample(self._ports, length)) for _ in range(doors)]
        self._secret = orders[0]
        self._doors = [SequenceLock(_door(f"d{at}", order)) for at, order in enumerate(orders)]
        self._locks = Lockset(self._doors)
        self._numbers = count(1)
        self.now = 0.0

    def isWary(self) -> bool:
        """Return whether a door has had too many wrong orders."""
        return any(lock.wrongOrders.isWary(self.now) for lock in self._doors)

    def isFree(self, source: str) -> bool:
        """Return whether the daemon listens to an address now."""
        return self.now >= self._locks._plain._ignoredUntil(source.partition("::")[0])

    def address(self, site: int, number: int = 0) -> str:
        """Return an address of one of his sites; the number is that of its /64."""
        return f"2001:{site // 65536 + 1:x}:{site % 65536:x}:{number % 65536:x}::1"

    def guess(self) -> tuple[int, ...]:
        """Return an order that is neither the right one nor a rotation of it."""
        while True:
            order = tuple(self._random.sample(self._ports, len(self._ports)))
            at = order.index(self._secret[0])
            if order[at:] + order[:at] != self._secret:
                return order

    def send(self, source: str, ports: Iterable[int]) -> list[Result]:
        """Send this, and return the results, which he does not learn."""
        results: list[Result] = []
        for port in ports:
            self.now += 1 / LINE
            results += self._locks.hear(Knock(source, port, b"knock\n"), self.now, 0.0)
        return results

    def opens(self, source: str) -> bool:
        """Return whether the right order opens the door."""
        return hasOpened(self.send(source, self._secret))

    def attack(self, seconds: float) -> Progress:
        """Try as many orders as possible in this time."""
        tried, progress = 0, Progress()
        while self.now < seconds:
            for site in range(self._sites):
                tried += self._attempt(site)
                progress.tried.append((self.now, tried))
            progress.periods.append((self.now // PERIOD * PERIOD, tried))
            self.now = (self.now // PERIOD + 1) * PERIOD
        assert self.opens(self.address(self._sites)), "the right order must still open"
        return progress

    def _attempt(self, site: int) -> int:
        """Try as many orders as one site can try now; return how many."""
        tried = 0
        while self.isFree(source := self.address(site, next(self._numbers))):
            guess, isWary = self.guess(), self.isWary()
            results = self.send(source, guess if isWary else (*guess, *guess[:-1]))
            assert isTried(results), "he knows when the daemon listens"
            tried += 1 if isWary else len(guess)
        return tried


class Explorer(Attacker):
    """Tries orders of several doors that have the same ports, until one of them opens."""

    def timeToOpen(self) -> float:
        """Play the attack, and return the seconds that it takes."""
        while True:
            while self.isFree(source := self.address(0, next(self._numbers))):
                order = self._random.sample(self._ports, len(self._ports))
                if hasOpened(self.send(source, order if self.isWary() else order + order[:-1])):
                    return self.now
            self.now = (self.now // PERIOD + 1) * PERIOD


def hasOpened(results: Iterable[Result]) -> bool:
    """Return whether a door opened."""
    return any(isinstance(result, Request) for result in results)


def isTried(results: Iterable[Result]) -> bool:
    """Return whether there was a wrong order."""
    refusals = [result for result in results if isinstance(result, Refusal)]
    return any(refusal.reason.startswith("wrong") for refusal in refusals)


class Spoofer(Attacker):
    """Has one site, and spoofs addresses of others until the daemon forgets his own penalty."""

    def attack(self, seconds: float) -> Progress:
        """See L{Attacker.attack}."""
        progress, own = Progress(), self.address(0)
        for n in range(20):
            self.send(self.address(n + 1), self.guess())  # make the door wary
        for tried in range(1, 8):
            self.send(own, self.guess())
            while not self.isFree(own):
                self.send(self.address(self._random.randrange(1 << 31)), self._ports[-1:])
            progress.periods.append((self.now, tried))
        return progress


def _door(name: str, order: tuple[int, ...]) -> Door:
    return Door(name, Sequence(order), (PortRange("tcp", 22, 22),))
