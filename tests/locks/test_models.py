"""Compare the locks, and the table beneath them, with slow models of themselves."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice, permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.knock import Knock
from pkdoors.locks._penalties import computePenaltyEnd
from pkdoors.locks._progress import ProgressTable
from pkdoors.locks.lock import Refusal, Request, Result
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sealed.checking.arrivals import Arrivals
from pkdoors.locks.sealed.checking.checks import SealChecks
from pkdoors.locks.sealed.hints import HintIndex
from pkdoors.locks.sealed.keylines import parseAuthorizedKeys
from pkdoors.locks.sealed.keytable import KeyTable
from pkdoors.locks.sealed.replays import ReplayCache
from pkdoors.locks.sealed.sealedlock import SealedLock
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.locks.wrongorders import ALLOWED, WARY_PENALTY, WrongOrders
from pkdoors.model.knockports import KnockPort, numberOf
from pkdoors.model.networks import networkOf, siteOf
from tests.fakes.doors import PORTS, makeDoor
from tests.lab.properties import PROPERTY, SLOW, ordinarily
from tests.lab.sealing import makeKey, publicLine, sealed
from tests.locks.test_lockset import SQL, SSH, WEB, Reference

SOURCES = ("203.0.113.9", "198.51.100.1", "2001:db8::7")
STRANGE = 9
"""A port of no sequence."""
TIMEOUT, PENALTY = 8.0, 3.0

Sent = list[tuple[str, int, bytes, float]]
"""The source, the port, the payload, and the seconds that pass before it."""

TIMES = st.sampled_from((0.0, 0.0, 0.25, 0.5, 1.0, 2.0, PENALTY, TIMEOUT))
JUNKS = (b"", b"knoc", b"knock  1", b"knock -1\n", b"KNOCK\n", b"pkdoors1 x\n")
JUNK = st.sampled_from(JUNKS)
PAYLOADS = st.sampled_from((b"knock\n", b"knock 600\n", b"knock", b"knock 600 \r\n"))


def outcomeOf(result: Result | None) -> str:
    """Return the outcome of a knock."""
    return {Request: "open", Refusal: "refused"}.get(type(result), "-")


def rows(*sequences: tuple[int, ...]) -> st.SearchStrategy[Sent]:
    """Return what several sources send: parts of sequences, with and without mistakes, mixed."""
    ports = st.sampled_from((*sorted({port for each in sequences for port in each}), STRANGE))
    source = st.sampled_from(SOURCES)
    one = st.tuples(source, ports, PAYLOADS | JUNK, TIMES)
    part = st.builds(
        lambda who, row, at, payload, time: [
            (who, port, payload, time if number == 0 else 0.0)
            for number, port in enumerate(row[at:])
        ],
        source,
        st.sampled_from(sequences),
        st.sampled_from((0, 0, 0, 1, 2, 3)),
        PAYLOADS,
        TIMES,
    )
    return st.lists(st.lists(one, min_size=1, max_size=2) | part, min_size=8, max_size=20).flatmap(
        mixed
    )


def mixed(parts: list[Sent]) -> st.SearchStrategy[Sent]:
    """Return the same knocks with some neighbours exchanged, so that sources take turns."""
    sent = [each for part in parts for each in part]
    if len(sent) < 2:
        return st.just(sent)
    return st.lists(st.integers(0, len(sent) - 2), max_size=10).map(lambda ats: swapped(sent, ats))


def swapped(sent: Sent, ats: Iterable[int]) -> Sent:
    """Return the same knocks with some neighbours exchanged."""
    sent = list(sent)
    for at in ats:
        sent[at], sent[at + 1] = sent[at + 1], sent[at]
    return sent


def slowly(past: list[tuple[int, float]], row: tuple[int, ...]) -> str:
    """Return the outcome of a source's last knock, from all that it ever sent. C{"late"} is a
    refusal if its beginning is still remembered."""
    right, began, ignored, outcome = 0, 0.0, 0.0, "-"
    for port, now in past:
        if port not in row:
            continue
        isLate, outcome = right > 0 and now >= began + TIMEOUT, "-"
        right = 0 if isLate else right
        if now < ignored:
            outcome = "refused"
        elif right and port == row[right]:
            right, outcome = (right + 1, "-") if right + 1 < len(row) else (0, "open")
        elif right > 1 and port == row[right - 1]:
            continue
        elif port == row[0]:
            right, began = 1, now
        elif right:
            right, ignored, outcome = 0, computePenaltyEnd(now, PENALTY), "refused"
        elif isLate:
            outcome = "late"
    return outcome


class SequenceLockTests(SynchronousTestCase):
    """
    Compare L{SequenceLock} with L{slowly}.
    """

    SEQUENCES = ((1, 2, 3, 4, 5), (1, 2, 1, 3, 4), (1, 1, 2, 3, 4), (1, 2, 2, 1, 1, 3), (1,) * 5)

    def agree(self, row: tuple[int, ...]) -> Callable[[Sent], None]:
        """Return the test for one sequence."""
        return lambda sent: self.compare(row, sent)

    def compare(self, row: tuple[int, ...], sent: Sent) -> None:
        """Knock on both, and count the openings."""
        lock = SequenceLock(makeDoor(row, knockTimeout=TIMEOUT, penalty=PENALTY))
        locks = Lockset([lock])
        past: dict[str, list[tuple[int, float]]] = {}
        now = 0.0
        for source, port, payload, time in sent:
            now += time
            lock.wrongOrders = WrongOrders()  # other tests cover wary doors
            result = next(iter(locks.hear(Knock(source, port, payload), now, 0.0)), None)
            expected = "-"
            if port in row and payload not in JUNKS:
                past.setdefault(source, []).append((port, now))
                expected = slowly(past[source], row)
            found = outcomeOf(result)
            allowed = ("refused", "-") if expected == "late" else (expected,)
            self.assertIn(found, allowed, (source, port, now))
            if isinstance(result, Request):
                self.assertEqual(600 if b"600" in payload else 0, result.seconds)
                self.opened += 1
            self.assertLessEqual(len(lock), len(past))

    def test_agree(self) -> None:
        """Any knocks have the same outcome in both, and some of them open."""
        for row in self.SEQUENCES:
            self.opened = 0
            SLOW(given(rows(row))(self.agree(row)))()
            self.assertGreater(self.opened, ordinarily(4, 20), row)

    @PROPERTY
    @given(rows(PORTS))
    def test_full(self, sent: Sent) -> None:
        """With a full table the bound holds, and no knocks open that would not otherwise."""
        door = makeDoor(PORTS, knockTimeout=TIMEOUT, penalty=0.0)
        small = SequenceLock(door, maxKnockers=2)
        full, wide = Lockset([small]), Lockset([SequenceLock(door)])
        now = 0.0
        for source, port, payload, time in sent:
            now += time
            knock = Knock(source, port, payload)
            found, expected = full.hear(knock, now, 0.0), wide.hear(knock, now, 0.0)
            self.assertLessEqual(len(small), 2)
            if "open" in map(outcomeOf, found):
                self.assertIn("open", map(outcomeOf, expected))


class LocksetTests(SynchronousTestCase):
    """
    Compare L{Lockset}, with doors that share ports, with the reference of its own tests.
    """

    DOORS = (SSH, WEB, SQL)

    @PROPERTY
    @given(rows(*(tuple(map(numberOf, door.sequence.ports)) for door in DOORS)))
    def test_agree(self, sent: Sent) -> None:
        """Any knocks open the same doors in both."""
        each = [SequenceLock(door) for door in self.DOORS]
        locks, slow = Lockset(each), Reference(*self.DOORS)
        now = 0.0
        for source, port, payload, time in sent:
            now += time
            for lock in each:
                lock.wrongOrders = WrongOrders()  # other tests cover wary doors
            knock = Knock(source, port, payload)
            results = locks.hear(knock, now, 0.0)
            opened = [result.door.name for result in results if isinstance(result, Request)]
            isKnock = payload not in JUNKS
            self.assertEqual(slow.hear(knock, now) if isKnock else [], opened)


class GuessingTests(SynchronousTestCase):
    """
    An attacker who knows the ports of three doors, and sends anything from anywhere.
    """

    DOORS = (SSH, WEB, SQL)
    HONEST = ("203.0.113.9", "2001:db8::7")
    ports = st.sampled_from(sorted({port for door in DOORS for port in door.sequence.ports}))
    order = st.permutations(SSH.sequence.ports) | st.sampled_from(
        [door.sequence.ports for door in DOORS]
    )
    source = st.integers(1, 200).map(lambda n: f"198.51.100.{n}") | st.integers(1, 400).map(
        lambda n: f"2001:db8:{n % 20 + 1:x}:{n:x}::1"
    )
    attempt = st.tuples(source, order | st.lists(ports, min_size=1, max_size=12), TIMES)

    @SLOW
    @given(
        st.lists(attempt, min_size=20, max_size=60),
        st.sampled_from(DOORS),
        st.sampled_from(HONEST),
        st.lists(st.integers(0, 40), max_size=10),
        st.lists(st.integers(1, 3), min_size=5, max_size=5),
    )
    def test_honest(
        self, attempts: Any, door: Any, honest: str, between: list[int], copies: list[int]
    ) -> None:
        """
        Whatever others send, before and meanwhile, a client that makes no mistake gets in with its
        first sequence and with each later one, with duplicates or without.
        """
        locks, now = Lockset(map(SequenceLock, self.DOORS)), 0.0
        sent = iter([(source, port, time) for source, row, time in attempts for port in row])
        for _ in range(2):
            opened: list[str] = []
            for at, (port, times) in enumerate(zip(door.sequence.ports, copies, strict=True)):
                for source, other, time in islice(sent, between[at] if at < len(between) else 3):
                    now += time / 100
                    locks.hear(Knock(source, other, b"knock\n"), now, 0.0)
                for _ in range(self.copies(door, at, times)):
                    results = locks.hear(Knock(honest, port, b"knock\n"), now, 0.0)
                    self.assertNotIn("refused", map(outcomeOf, results))
                    opened += [each.door.name for each in results if isinstance(each, Request)]
            self.assertEqual([door.name], opened)

    def copies(self, door: Any, at: int, times: int) -> int:
        """
        Return how often the network may deliver a knock: once if the sequence repeats its port.
        """
        row = (*door.sequence.ports, 0)
        return 1 if row[at] == row[at + 1] or at == 0 else times

    @SLOW
    @given(st.lists(st.tuples(source, st.permutations(SSH.sequence.ports), TIMES), max_size=40))
    def test_bound(self, attempts: Any) -> None:
        """
        Of all sequences that a door may have, an attacker's attempts would open at most ten with
        their rotations, and one for each site in each period of a wary door.
        """
        times = [
            WARY_PENALTY / 10 * sum(time for *_, time in attempts[: at + 1])
            for at in range(len(attempts))
        ]
        sent = [
            (source, (*row, *row[:-1]), time)
            for (source, row, _), time in zip(attempts, times, strict=True)
        ]
        found = sum(self.opens(order, sent) for order in permutations(SSH.sequence.ports))
        periods = {(siteOf(networkOf(source)), time // WARY_PENALTY) for source, _, time in sent}
        hours = 1 + int(max(times, default=0.0) // 3600)
        self.assertLessEqual(found, 5 * (ALLOWED + hours) + len(periods))

    def opens(self, order: tuple[KnockPort, ...], sent: Any) -> bool:
        """Return whether the knocks would open a door with this sequence."""
        locks = Lockset([SequenceLock(makeDoor(order))])
        return any(
            isinstance(each, Request)
            for source, row, now in sent
            for port in row
            for each in locks.hear(Knock(source, port, b"knock\n"), now, 0.0)
        )


TODAY = 1_800_000_000
SKEW = 60.0
STARTED = 30.0
"""When the daemon started, in seconds before the first knock."""
ANNA, EVE = makeKey(), makeKey()


@dataclass(frozen=True)
class Letter:
    """
    A datagram, with what is known about it.

    @ivar stamp: when it was made, in seconds after the first knock.
    @ivar good: the source from which it opens; C{"*"} for all, empty for none.
    """

    datagram: bytes = field(repr=False)
    stamp: float
    good: str


def letter(stamp: float = 0.0, good: str = "*", key: Any = ANNA, **fields: Any) -> Letter:
    """Make a sealed knock."""
    milliseconds = round(1000 * (TODAY + stamp))
    row = fields.pop("row", PORTS)
    fields = {"bind": good or "*", "stamp": milliseconds} | fields
    return Letter(sealed(key, row, **fields), stamp, good)


def spoilt(other: Letter) -> Letter:
    """Copy a knock with another last byte."""
    datagram = other.datagram
    return Letter(datagram[:-1] + bytes([datagram[-1] ^ 1]), other.stamp, "")


FIRST = letter()
LETTERS = (
    FIRST,
    letter(),
    letter(10.0),
    letter(-29.0),
    letter(-31.0),
    letter(-61.0),
    letter(61.0),
    letter(good=SOURCES[0]),
    letter(close=True),
    letter(seconds=600),
    letter(good="", key=EVE),
    letter(good="", row=PORTS[::-1]),
    spoilt(FIRST),
)


class SlowSeal:
    """The rules of a sealed lock: for each source and datagram, the ports that had it."""

    def __init__(self) -> None:
        self._had: dict[tuple[str, Letter], tuple[set[int], float]] = {}
        self._seen: set[Letter] = set()

    def knock(self, source: str, port: int, letter: Letter, now: float) -> str:
        """Return the outcome of a knock."""
        ports, began = self._had.get((source, letter), (set(), now))
        if now >= began + TIMEOUT:
            ports, began = set(), now
        if ports == set(PORTS):
            return "-"
        ports = ports | {port}
        self._had[source, letter] = ports, began
        if ports != set(PORTS):
            return "-"
        isInTime = abs(now - letter.stamp) <= SKEW and letter.stamp >= -STARTED
        if letter.good not in ("*", source) or not isInTime or letter in self._seen:
            return "refused"
        self._seen.add(letter)
        return "open"


class SealedLockTests(SynchronousTestCase):
    """
    Compare L{SealedLock} with L{SlowSeal}.
    """

    part = st.builds(
        lambda who, letter, ports, time: [
            (who, port, letter, time if number == 0 else 0.0) for number, port in enumerate(ports)
        ],
        st.sampled_from(SOURCES),
        st.sampled_from(LETTERS),
        st.permutations(PORTS) | st.lists(st.sampled_from(PORTS), min_size=1, max_size=8),
        st.sampled_from((0.0, 0.0, 0.0, 1.0, TIMEOUT, 20.0)),
    )

    def setUp(self) -> None:
        """Count the outcomes."""
        self.counts = {"-": 0, "open": 0, "refused": 0}

    def compare(self, sent: list[tuple[str, int, Letter, float]]) -> None:
        """Knock on both."""
        keys, _ = parseAuthorizedKeys(publicLine(ANNA), "keys")
        door = makeDoor(PORTS, knockTimeout=TIMEOUT, clockSkew=SKEW, authorizedKeys="/keys")
        seen = ReplayCache(-STARTED, lambda *note: None)
        lock = SealedLock(
            door,
            HintIndex([KeyTable(lambda: keys)]),
            seen,
            SealChecks(),
            Arrivals(),
        )
        slow, now = SlowSeal(), 0.0
        for source, port, letter, time in sent:
            now += time
            result = lock.knock(Knock(source, port, letter.datagram), now, TODAY + now)
            self.assertEqual(slow.knock(source, port, letter, now), outcomeOf(result))
            self.counts[outcomeOf(result)] += 1

    def test_agree(self) -> None:
        """Datagrams in any order, from anywhere, have the same outcome in both."""
        parts = st.lists(self.part, min_size=3, max_size=10)
        flat = parts.map(lambda parts: [each for part in parts for each in part])
        mixed = st.tuples(flat, st.randoms(use_true_random=False)).map(self.shuffled)
        PROPERTY(given(flat | mixed)(self.compare))()
        self.assertGreater(min(self.counts.values()), ordinarily(20, 50), self.counts)

    @staticmethod
    def shuffled(given: Any) -> Any:
        """Return all datagrams in another order."""
        sent, random = given
        return random.sample(sent, len(sent))


class ProgressTableTests(SynchronousTestCase):
    """
    Compare L{ProgressTable} with a plain list.
    """

    STAGES, LIMIT = 4, 5
    key = st.sampled_from("abcdefgh")
    put = st.tuples(key, st.integers(0, STAGES - 1))
    times = st.sampled_from((0.0, 0.3, 1.0, 5.0))

    @PROPERTY
    @given(st.lists(put | put | put | st.tuples(key, st.none()), min_size=20, max_size=60))
    def test_agree(self, done: list[tuple[str, int | None]]) -> None:
        """After any calls both hold the same keys, and the same keys gave way."""
        progress: ProgressTable[str] = ProgressTable(self.STAGES, self.LIMIT)
        slow: list[tuple[str, int]] = []  # the latest key is last
        for number, (key, stage) in enumerate(done):
            slow = [each for each in slow if each[0] != key]
            if stage is None:
                progress.forget(key)
            else:
                progress.put(key, stage, 100.0, number)
                if len(slow) >= self.LIMIT:
                    slow.remove(self.first(slow))
                slow.append((key, stage))
                self.assertEqual((stage, 100.0, number), progress.get(key))
            found = {each: progress.get(each) for each in "abcdefgh"}
            there = {each: place[0] for each, place in found.items() if place}
            self.assertEqual(dict(slow), there)
            self.assertEqual(len(slow), len(progress))

    def first(self, slow: list[tuple[str, int]]) -> tuple[str, int]:
        """Return the entry that gives way."""
        sizes = [sum(stage == each for _, stage in slow) for each in range(self.STAGES)]
        fullest = 0 if sizes[0] else sizes.index(max(sizes))
        return next(each for each in slow if each[1] == fullest)

    @PROPERTY
    @given(st.lists(st.tuples(put, times), min_size=10, max_size=40))
    def test_sweep(self, done: list[tuple[tuple[str, int], float]]) -> None:
        """A sweep forgets no key before its time, and all keys in the end."""
        progress: ProgressTable[str] = ProgressTable(self.STAGES, 100)
        ends: dict[str, float] = {}
        now = 0.0
        for (key, stage), time in done:
            now += time
            ends[key] = now + 4.0
            progress.put(key, stage, ends[key])
            progress.sweep(now)
            for each, end in ends.items():
                self.assertTrue(progress.get(each) or now >= end, (each, end, now))
        progress.sweep(now + 5.0)
        self.assertEqual(0, len(progress))
