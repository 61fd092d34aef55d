"""
How long it takes to guess a plain sequence whose ports are known: C{python -m bench.guessing}.

The best attacks that we know are played against the real locks, on a clock of their own, by an
attacker who always knows which of his networks the daemon ignores, and until when. The orders that
he tries in the first hours are counted; after that their rate is extrapolated. On average he has to
try half of all orders. His line carries 100,000 datagrams a second.
"""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from math import factorial
from statistics import fmean

from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Refusal, Request, Result
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.locks.wrongorders import WARY_PENALTY
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange
from pkdoors.model.sequence import Sequence
from pkdoors.util.durations import formatDuration

LINE = 100_000
"""Datagrams a second."""
LENGTHS = range(5, 11)
PERIOD = WARY_PENALTY
DOORS = 6
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


def _timeBefore(length: int, seconds: float) -> float:
    """Return the time for half of the rotations, at so many seconds each."""
    return factorial(length - 1) / 2 * seconds


def _timeToExplore(length: int) -> float:
    """Play until a door opens, up to seven ports; for longer sequences, scale by the orders."""
    played = min(length, 7)
    times = [Explorer(played, 1, DOORS, SEED + at).timeToOpen() for at in range(20)]
    return fmean(times) * factorial(length) / factorial(played)


def attacks() -> Iterator[tuple[str, Callable[[int], float]]]:
    """Yield each attack, and what computes its expected time from the length of the sequence."""

    def play(sites: int, hours: float) -> Callable[[int], float]:
        return lambda length: (
            Attacker(length, sites).attack(hours * 3600).timeFor(factorial(length) / 2)
        )

    yield "an IPv4 address, or an IPv6 /48 with all its /64s", play(1, 24)
    yield "the same, the first of six doors that have these ports", _timeToExplore
    yield "256 addresses, or /48s", play(256, 1)
    yield "4,096 addresses, or /48s", play(4096, 0.3)

    # Independent of the length: what counts is how soon the daemon forgets his own penalty.
    spoofed = Spoofer(8, 1).attack(0)
    yield (
        "one, and a flood from made-up addresses all the time",
        lambda length: spoofed.timeFor(factorial(length) / 2),
    )
    yield "before: an IPv4 address", lambda length: _timeBefore(length, 5.0)
    yield "before: an IPv6 /64", lambda length: _timeBefore(length, (2 * length - 1) / LINE)


def formatTime(seconds: float) -> str:
    """Return a time for people, with two significant digits."""
    for unit, name in ((365.25 * 86400, "years"), (86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            amount = seconds / unit
            digits = max(0, len(str(int(amount))) - 2)
            return f"{round(amount, -digits):,.0f} {name}"
    return f"{seconds:.0f} s" if seconds >= 1 else "at once"


def main() -> None:
    """Print the table."""
    print((__doc__ or "").strip(), end="\n\n")
    print(f"| expected time to guess {'':37}|" + "|".join(f"{n:>4} ports " for n in LENGTHS) + "|")
    print(f"|{' --- |' * (1 + len(LENGTHS))}")
    for title, expected in attacks():
        cells = "|".join(f"{formatTime(expected(length)):>10}" for length in LENGTHS)
        print(f"| {title:<59} |{cells}|", flush=True)
    print(f"\nThe period of a wary door is {formatDuration(PERIOD)}; seed {SEED}.")


if __name__ == "__main__":
    main()
