"""
How long it takes to guess a plain sequence whose ports are known: C{python -m bench.guessing}.

The best attacks that we know are played against the real locks, on a clock of their own, by
somebody who always knows which of his networks is ignored, and until when. So many orders as he
tries in the first hours are counted; from then on their rate counts. On average he has to try half
of all orders. His line carries 100,000 datagrams a second.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count, permutations
from math import factorial
from statistics import fmean

from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Refusal, Request, Result, SequenceLock
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.wrongorders import WARY_PENALTY
from pkdoors.model.doors import Door
from pkdoors.model.ports import PortRange
from pkdoors.model.sequence import Sequence as Knocks
from pkdoors.util.durations import formatDuration

LINE = 100_000
"""Datagrams a second."""
LENGTHS = range(5, 11)
PERIOD = WARY_PENALTY
DOORS = 6
SEED = 20261127


def rotations(ports: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """For each order that begins with the first port: that, and its beginning sent again."""
    first, *rest = ports
    for order in permutations(rest):
        yield (first, *order, first, *order[:-1])


def superpermutation(ports: Sequence[int]) -> tuple[int, ...]:
    """A row in which each order of some ports is, one overlapping another: 873 long for six."""
    if len(ports) == 1:
        return tuple(ports)
    row: list[int] = []
    shorter = superpermutation(ports[:-1])
    size = len(ports) - 1
    orders = [shorter[at : at + size] for at in range(len(shorter) - size + 1)]
    for order in dict.fromkeys(each for each in orders if len(set(each)) == size):
        piece = (*order, ports[-1], *order)
        overlap = next(n for n in range(size, -1, -1) if tuple(row[len(row) - n :]) == piece[:n])
        row += piece[overlap:]
    return tuple(row)


@dataclass
class Progress:
    """
    How far an attack is.

    @ivar tried: for some moments, how many orders had been tried.
    @ivar periods: the same, at the end of each period.
    """

    tried: list[tuple[float, int]] = field(default_factory=lambda: [(0.0, 0)])
    periods: list[tuple[float, int]] = field(default_factory=list)

    def timeFor(self, orders: float) -> float:
        """When so many have been tried, in seconds."""
        for when, tried in self.tried:
            if tried >= orders:
                return when
        # Not the beginning: what is allowed as accidents is used up then.
        (start, before), (end, after) = self.periods[len(self.periods) // 3], self.periods[-1]
        return end + (orders - after) * (end - start) / (after - before)


class Attacker:
    """
    Knows the ports, and all else but the order.

    @param sites: how many sites he has: IPv6 /48s, each with all its networks.
    @param doors: how many doors have these ports.
    """

    def __init__(self, length: int, sites: int, doors: int = 1, seed: int = SEED) -> None:
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
        """Whether a door has had too many wrong orders."""
        return any(lock.wrongOrders.isWary(self.now) for lock in self._doors)

    def isFree(self, source: str) -> bool:
        """Whether an address is heard now."""
        return self.now >= self._locks._plain._ignoredUntil(source.partition("::")[0])

    def address(self, site: int, number: int = 0) -> str:
        """An address of one of his sites: its number is that of the /64."""
        return f"2001:{site // 65536 + 1:x}:{site % 65536:x}:{number % 65536:x}::1"

    def guess(self) -> tuple[int, ...]:
        """An order that is not the right one, nor a rotation of it."""
        while True:
            order = tuple(self._random.sample(self._ports, len(self._ports)))
            at = order.index(self._secret[0])
            if order[at:] + order[:at] != self._secret:
                return order

    def send(self, source: str, ports: Iterable[int]) -> list[Result]:
        """Send this. What comes of it, which he does not hear."""
        results: list[Result] = []
        for port in ports:
            self.now += 1 / LINE
            results += self._locks.hear(Knock(source, port, b"knock\n"), self.now, 0.0)
        return results

    def opens(self, source: str) -> bool:
        """Whether the right order would have opened the door, had he sent that."""
        return hasOpened(self.send(source, self._secret))

    def attack(self, seconds: float) -> Progress:
        """Try what can be tried in this time."""
        tried, progress = 0, Progress()
        while self.now < seconds:
            for site in range(self._sites):
                tried += self._attempt(site)
                progress.tried.append((self.now, tried))
            progress.periods.append((self.now // PERIOD * PERIOD, tried))
            self.now = (self.now // PERIOD + 1) * PERIOD
        assert self.opens(self.address(self._sites)), "what was not tried must still open"
        return progress

    def _attempt(self, site: int) -> int:
        """Try with one site all that can be tried now. How many orders."""
        tried = 0
        while self.isFree(source := self.address(site, next(self._numbers))):
            guess, isWary = self.guess(), self.isWary()
            results = self.send(source, guess if isWary else (*guess, *guess[:-1]))
            assert isTried(results), "he knows when he is heard"
            tried += 1 if isWary else len(guess)
        return tried


class Explorer(Attacker):
    """Tries orders of several doors that have the same ports, until one of them opens."""

    def timeToOpen(self) -> float:
        """Play that. The seconds that it takes."""
        while True:
            while self.isFree(source := self.address(0, next(self._numbers))):
                order = self._random.sample(self._ports, len(self._ports))
                if hasOpened(self.send(source, order if self.isWary() else order + order[:-1])):
                    return self.now
            self.now = (self.now // PERIOD + 1) * PERIOD


def hasOpened(results: Iterable[Result]) -> bool:
    """Whether a door opened."""
    return any(isinstance(each, Request) for each in results)


def isTried(results: Iterable[Result]) -> bool:
    """Whether there was a wrong order."""
    return any(isinstance(each, Refusal) and each.reason.startswith("wrong") for each in results)


class Spoofer(Attacker):
    """Has one site, and makes up the addresses of others, until his own penalty is forgotten."""

    def attack(self, seconds: float) -> Progress:
        """See L{Attacker.attack}."""
        progress, own = Progress(), self.address(0)
        for n in range(20):
            self.send(self.address(n + 1), self.guess())  # the door is wary
        for tried in range(1, 8):
            self.send(own, self.guess())
            while not self.isFree(own):
                self.send(self.address(self._random.randrange(1 << 31)), self._ports[-1:])
            progress.periods.append((self.now, tried))
        return progress


def _door(name: str, order: tuple[int, ...]) -> Door:
    return Door(name, Knocks(order), (PortRange("tcp", 22, 22),))


def _before(length: int, seconds: float) -> float:
    """What half of the rotations took, at so many seconds each."""
    return factorial(length - 1) / 2 * seconds


def _exploring(length: int) -> float:
    """Played until a door opens, up to seven ports, and by the number of orders from there on."""
    played = min(length, 7)
    times = [Explorer(played, 1, DOORS, SEED + at).timeToOpen() for at in range(20)]
    return fmean(times) * factorial(length) / factorial(played)


def rows() -> Iterator[tuple[str, Callable[[int], float]]]:
    """What is played, and the expected time for a sequence of so many ports."""

    def play(sites: int, hours: float) -> Callable[[int], float]:
        return lambda length: (
            Attacker(length, sites).attack(hours * 3600).timeFor(factorial(length) / 2)
        )

    yield "an IPv4 address, or an IPv6 /48 with all its /64s", play(1, 24)
    yield "the same, the first of six doors that have these ports", _exploring
    yield "256 addresses, or /48s", play(256, 1)
    yield "4,096 addresses, or /48s", play(4096, 0.3)

    # The same for each length: what counts is how soon his own penalty is forgotten.
    spoofed = Spoofer(8, 1).attack(0)
    yield (
        "one, and a flood from made-up addresses all the time",
        lambda length: spoofed.timeFor(factorial(length) / 2),
    )
    yield "before: an IPv4 address", lambda length: _before(length, 5.0)
    yield "before: an IPv6 /64", lambda length: _before(length, (2 * length - 1) / LINE)


def asTime(seconds: float) -> str:
    """A time for reading: two digits count."""
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
    for title, expected in rows():
        cells = "|".join(f"{asTime(expected(length)):>10}" for length in LENGTHS)
        print(f"| {title:<59} |{cells}|", flush=True)
    print(f"\n{formatDuration(PERIOD)} are the periods of a wary door; seed {SEED}.")


if __name__ == "__main__":
    main()
