"""Tests of L{pkdoors.locks.lockset}."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.knock import Knock
from pkdoors.locks._penalties import computePenaltyEnd
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
from pkdoors.locks.wrongorders import WrongOrders
from pkdoors.model import sequence
from pkdoors.model.doors import Door, listKnockPorts
from pkdoors.model.knockports import KnockPort
from tests.fakes.doors import knocks, makeDoor
from tests.lab.properties import ordinarily
from tests.lab.sealing import makeKey, publicLine, sealed

TODAY = 1_800_000_000
ANN, BOB, EVE = "203.0.113.9", "2001:db8::7", "198.51.100.1"
A, B, C, D, E, F, X = 1001, 1002, 1003, 1004, 1005, 1006, 1999

SSH = makeDoor((A, B, C, D, E), name="ssh")
WEB = makeDoor((B, A, C, F, D), ports="443", name="web")
SQL = makeDoor((C, C, A, X, B), ports="5432", name="sql")


def interleaved(random_: random.Random, *rows: Sequence[Knock]) -> Iterator[Knock]:
    """Yield all knocks in a random order that keeps the order of each row."""
    left = [list(row) for row in rows]
    while any(left):
        yield random_.choice([row for row in left if row]).pop(0)


class LocksetTests(SynchronousTestCase):
    """
    Tests of L{Lockset} with three doors that share ports.
    """

    def setUp(self) -> None:
        """Make the locks."""
        self.locks = Lockset(map(SequenceLock, (SSH, WEB, SQL)))

    def hear(self, *heard: Knock, at: float = 0.0) -> list[Result]:
        """Return the results of some knocks."""
        return [each for knock in heard for each in self.locks.hear(knock, at, 0.0)]

    def opened(self, *heard: Knock, at: float = 0.0) -> list[tuple[str, str]]:
        """Return the doors that some knocks open, and for whom."""
        return [
            (each.door.name, each.source)
            for each in self.hear(*heard, at=at)
            if isinstance(each, Request)
        ]

    def refused(self, *heard: Knock, at: float = 0.0) -> list[tuple[str, str, str]]:
        """Return the refusals of some knocks: door, source, reason."""
        return [
            (each.door.name, each.source, each.reason)
            for each in self.hear(*heard, at=at)
            if isinstance(each, Refusal)
        ]

    def test_each(self) -> None:
        """Each sequence opens its own door and no other, and nobody is refused."""
        for at, door in enumerate((SSH, WEB, SQL, SSH)):
            results = self.hear(*knocks(ANN, *door.sequence.ports), at=at)
            self.assertEqual([Request(door, ANN, 0)], results)

    def test_ports(self) -> None:
        """The knock ports are sorted, and each is listed once."""
        self.assertEqual([A, B, C, D, E, F, X], listKnockPorts((SSH, WEB, SQL)))

    def test_strangePort(self) -> None:
        """A knock on a port of no door has no result."""
        self.assertEqual([], self.hear(*knocks(ANN, 9)))

    def test_interleaved(self) -> None:
        """The knocks of many sources open exactly their own doors, in any order of arrival."""
        random_ = random.Random(20261123)
        for at in range(300):
            doors = {who: random_.choice((SSH, WEB, SQL)) for who in (ANN, BOB, EVE)}
            rows = [knocks(who, *door.sequence.ports) for who, door in doors.items()]
            self.assertCountEqual(
                [(door.name, who) for who, door in doors.items()],
                self.opened(*interleaved(random_, *rows), at=at),
            )

    def test_likeReference(self) -> None:
        """Random knocks on few ports open exactly the doors that a slow reference opens."""
        random_ = random.Random(20261124)
        each = [SequenceLock(door) for door in (SSH, WEB, SQL)]
        locks, slow = Lockset(each), Reference(SSH, WEB, SQL)
        opened, now = 0, 0.0
        for _ in range(ordinarily(8_000, 20_000)):
            now += random_.choice((0.0, 0.1, 1.0))
            who = random_.choice((ANN, BOB))
            row = random_.choice((SSH, WEB, SQL)).sequence.ports
            ports = row if random_.random() < 0.5 else (random_.choice((A, B, C, D, E, F, X)),)
            for lock in each:
                lock.wrongOrders = WrongOrders()  # other tests cover wary doors
            for knock in knocks(who, *ports):
                results = locks.hear(knock, now, 0.0)
                requests = [each.door.name for each in results if isinstance(each, Request)]
                self.assertEqual(slow.hear(knock, now), requests)
                opened += len(requests)
        self.assertGreater(opened, 1000)

    def test_duplicates(self) -> None:
        """Knocks that all arrive twice open a door once, even if doors share ports."""
        for door in (SSH, WEB):
            twice = [port for port in door.sequence.ports for _ in range(2)]
            self.assertEqual([(door.name, ANN)], self.opened(*knocks(ANN, *twice)))

    def test_wrongForAll(self) -> None:
        """A knock that advances its source nowhere is wrong wherever the source had begun."""
        self.assertEqual(
            [("ssh", ANN, "wrong port after 2 of 5 knocks, ignored for 5s")],
            self.refused(*knocks(ANN, A, B, E)),
        )

    def test_penaltyForAll(self) -> None:
        """A penalty is for all doors, and knocking at another door does not end it."""
        self.hear(*knocks(ANN, A, B, E))
        for door in (WEB, SSH):
            self.assertEqual([], self.opened(*knocks(ANN, *door.sequence.ports), at=4.9))
        for door in (WEB, SSH):
            opened = self.opened(*knocks(ANN, *door.sequence.ports), at=5.0)
            self.assertEqual([(door.name, ANN)], opened)

    def test_progressIsLost(self) -> None:
        """A knock at another door, on a port of both, ends the progress at the first door."""
        self.hear(*knocks(ANN, A, B))
        self.hear(*knocks(ANN, A))  # the second port of web, whose first was B
        self.assertEqual([], self.opened(*knocks(ANN, D, E)))

    def test_guessing(self) -> None:
        """A wrong guess at a door is penalised, even if another door has its port, too."""
        locks = Lockset(map(SequenceLock, (SSH, WEB)))
        guesses = [*knocks(EVE, A, B, C, D, C), *knocks(EVE, A, B, C, D, E)]
        results = [each for knock in guesses for each in locks.hear(knock, 0.0, 0.0)]
        self.assertEqual(
            ["wrong port after 4 of 5 knocks, ignored for 5s"],
            [each.reason for each in results if isinstance(each, Refusal)][:1],
        )
        self.assertEqual([], [each for each in results if isinstance(each, Request)])

    def test_sealedDatagram(self) -> None:
        """A datagram that is not a plain knock ends no progress."""
        self.hear(*knocks(ANN, A, B, C))
        self.assertEqual([], self.hear(*knocks(ANN, B, datagram=b"pkdoors1 junk")))
        self.assertEqual([("ssh", ANN)], self.opened(*knocks(ANN, D, E)))

    def test_sources(self) -> None:
        """The lockset counts the knockers that each door remembers."""
        self.hear(*knocks(ANN, A), *knocks(BOB, A), *knocks(EVE, C))
        self.assertEqual({"ssh": 2, "web": 0, "sql": 1}, self.locks.sources())


class ChangedTests(LocksetTests):
    """
    The same tests after a change to the same doors, and tests of other changes.
    """

    def setUp(self) -> None:
        """Make the locks, and change them."""
        super().setUp()
        self.change(SSH, WEB, SQL)

    def change(self, *doors: Door) -> None:
        """Change to other doors."""
        self.locks = self.locks.replaceDoors(doors, self.locks.makeMissing(doors, SequenceLock))

    def test_halfDone(self) -> None:
        """A sequence that is half done can be finished, with the door's new times."""
        self.hear(*knocks(ANN, A, B, C))
        door = replace(SSH, openFor=60.0)
        self.change(WEB, door)
        self.assertEqual([Request(door, ANN, 0)], self.hear(*knocks(ANN, D, E)))

    def test_halfDoneOfAnother(self) -> None:
        """If the lock has changed, it cannot, neither with the old ports nor with the new."""
        self.hear(*knocks(ANN, A, B, C), *knocks(BOB, A, B, C))
        self.change(replace(SSH, sequence=sequence.Sequence((A, B, C, E, D))))
        self.assertEqual([], self.hear(*knocks(ANN, D, E), *knocks(BOB, E, D)))

    def test_penaltyLivesOn(self) -> None:
        """A penalty stays in force after a change."""
        self.hear(*knocks(ANN, A, B, E))
        self.change(SSH)
        self.assertEqual([], self.opened(*knocks(ANN, *SSH.sequence.ports)))

    def test_gone(self) -> None:
        """A door that is gone is neither heard nor counted."""
        self.change(SSH)
        self.assertEqual([], self.hear(*knocks(ANN, *WEB.sequence.ports[:2], F)))
        self.assertEqual(["ssh"], list(self.locks.sources()))

    def test_keptWhenIdle(self) -> None:
        """A lock without knockers is kept, too: no new lock is made."""
        made: list[str] = []

        def make(door: Door) -> SequenceLock:
            made.append(door.name)
            return SequenceLock(door)

        doors = (SSH, replace(SQL, name="new"))
        self.locks.replaceDoors(doors, self.locks.makeMissing(doors, make))
        self.assertEqual(["new"], made)


class MixedTests(SynchronousTestCase):
    """
    A sealed door, and one for plain knocks, with the same ports.
    """

    def setUp(self) -> None:
        """Make their locks."""
        self.key = makeKey()
        text = publicLine(self.key)
        keys, _ = parseAuthorizedKeys(text, "keys")
        sealedDoor = makeDoor(SSH.sequence.ports, name="sealed", authorizedKeys="/keys")
        seen = ReplayCache(0.0, lambda *note: None)
        lock = SealedLock(
            sealedDoor,
            HintIndex([KeyTable(lambda: keys)]),
            seen,
            SealChecks(),
            Arrivals(),
        )
        self.locks = Lockset([SequenceLock(SSH), lock])

    def opened(self, heard: Iterable[Knock]) -> list[str]:
        """Return the doors that some knocks open."""
        results = [each for knock in heard for each in self.locks.hear(knock, 0.0, TODAY)]
        return [each.door.name for each in results if isinstance(each, Request)]

    def test_interleaved(self) -> None:
        """Knocks of one source for both doors each open their own, in any order of arrival."""
        random_ = random.Random(20261125)
        for _ in range(50):
            ports = SSH.sequence.ports
            datagram = sealed(self.key, ports, door="sealed", stamp=TODAY * 1000)
            rows = knocks(ANN, *ports), knocks(ANN, *sorted(ports), datagram=datagram)
            self.assertCountEqual(["ssh", "sealed"], self.opened(interleaved(random_, *rows)))


@dataclass
class SlowRun:
    """
    The right knocks of a source at a door so far.

    @ivar knocks: the numbers of the right knocks, including duplicates.
    """

    ports: tuple[KnockPort, ...]
    began: float
    knocks: tuple[int, ...]


class Reference:
    """A slow implementation of the rules, without those for wary doors."""

    def __init__(self, *doors: Door) -> None:
        self._doors = doors
        self._runs: dict[tuple[str, str], SlowRun] = {}
        self._ignored: dict[str, float] = {}
        self._openedAt: dict[tuple[str, str], float] = {}
        self._number = 0

    def hear(self, knock: Knock, now: float) -> list[str]:
        """Return the doors that a knock opens."""
        if now < self._ignored.get(knock.source, 0.0):
            return []
        self._number += 1
        for door in self._doors:  # the network's duplicate of the last knock
            openedAt = self._openedAt.get((door.name, knock.source), -1.0)
            if knock.port == door.sequence.ports[-1] and now < openedAt + 0.5:
                return []
        doors = [door for door in self._doors if knock.port in door.sequence.ports]
        before = {door.name: self._run(door, knock.source, now) for door in doors}
        after = {door.name: self._after(door, before[door.name], knock.port, now) for door in doors}
        self._shorten(before, after)
        opened = [door.name for door in doors if self._isDone(door, after[door.name])]
        fitting = [before[name] for name, run in after.items() if run and before[name]]
        for door in doors:
            was, run = before[door.name], after[door.name]
            self._put(door.name, knock.source, run)
            if run:
                self._openedAt.pop((door.name, knock.source), None)
            if was and not run and not any(_isPart(was, each) for each in fitting if each):
                end = computePenaltyEnd(now, door.penalty)
                self._ignored[knock.source] = max(end, self._ignored.get(knock.source, 0.0))
        for name, was in before.items():
            run = after[name]
            if run and name in opened:
                self._drop(knock.source, run)
                self._put(name, knock.source, None)
                self._openedAt[name, knock.source] = now
            elif run and was and run.knocks == (self._number,):  # the first port starts over
                self._drop(knock.source, was)
        if now < self._ignored.get(knock.source, 0.0):
            for door in self._doors:
                self._put(door.name, knock.source, None)
        return opened

    def _shorten(
        self, before: Mapping[str, SlowRun | None], after: dict[str, SlowRun | None]
    ) -> None:
        """Let runs that begin expire with the oldest run that continues: they are part of it."""
        going = [was for name, was in before.items() if was and _isLonger(after[name], was)]
        for name, run in after.items():
            if run and going and run.knocks == (self._number,):
                oldest = min(going, key=lambda run: run.knocks[0])
                after[name] = replace(run, began=min(run.began, oldest.began))

    def _run(self, door: Door, source: str, now: float) -> SlowRun | None:
        run = self._runs.get((door.name, source))
        return run if run and now < run.began + door.knockTimeout else None

    def _put(self, door: str, source: str, run: SlowRun | None) -> None:
        self._runs.pop((door, source), None)
        if run:
            self._runs[door, source] = run

    def _drop(self, source: str, whole: SlowRun) -> None:
        """Drop all runs that are part of a run that has ended well."""
        for door in self._doors:
            run = self._runs.get((door.name, source))
            if run and run is not whole and _isPart(run, whole):
                self._put(door.name, source, None)

    def _isDone(self, door: Door, run: SlowRun | None) -> bool:
        return run is not None and run.ports == door.sequence.ports

    def _after(
        self, door: Door, run: SlowRun | None, port: KnockPort, now: float
    ) -> SlowRun | None:
        """Return the progress after a knock; L{None} if the knock is wrong."""
        row = door.sequence.ports
        if run:
            knocks = (*run.knocks, self._number)
            if row[len(run.ports)] == port:
                return SlowRun((*run.ports, port), run.began, knocks)
            if len(run.ports) > 1 and run.ports[-1] == port:
                return SlowRun(run.ports, run.began, knocks)
        return SlowRun((port,), now, (self._number,)) if port == row[0] else None


def _isPart(run: SlowRun, whole: SlowRun) -> bool:
    return run is not whole and set(run.knocks) <= set(whole.knocks)


def _isLonger(run: SlowRun | None, was: SlowRun) -> bool:
    return run is not None and len(run.knocks) > len(was.knocks)
