"""
How long it takes to guess a plain sequence whose ports are known: C{python -m bench.guessing}.

The best attacks that we know are played against the real locks, on a clock of their own, by an
attacker who always knows which of his networks the daemon ignores, and until when. The orders that
he tries in the first hours are counted; after that their rate is extrapolated. On average he has to
try half of all orders. His line carries 100,000 datagrams a second.
"""

from collections.abc import Callable, Iterator
from math import factorial
from statistics import fmean

from pkdoors.util.durations import formatDuration
from tests.lab.attackers import LINE, PERIOD, SEED, Attacker, Explorer, Spoofer

LENGTHS = range(5, 11)
DOORS = 6


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
