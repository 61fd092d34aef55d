"""Tests of L{pkdoors.locks.tries}, and of what the locks note there."""

import random

from pkdoors.locks._plainknocks import PlainKnocks
from pkdoors.locks.lock import Request
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.locks.tries import MAX_TOLD, Tries
from pkdoors.model.networks import placeOf
from tests.fakes.doors import PORTS, knocks, makeDoor
from tests.locks.plaincase import ANN, BOB, SSH, WEB, A, B, C, D, E, F, PlainKnocksTestCase
from tests.locks.sealed.case import SealedLockTestCase, seal

TIMEOUT = SSH.knockTimeout


class TriesTests(PlainKnocksTestCase):
    """
    Tests of L{Tries} alone.
    """

    def setUp(self) -> None:
        """Make a small table."""
        super().setUp()
        self.tries = Tries(limit=3)

    def ended(self, now: float) -> list[str]:
        """Return the sources whose tries have ended."""
        return [each.source for each in self.tries.takeEnded(now)[0]]

    def test_ends(self) -> None:
        """A try ends once, after the time for all knocks."""
        self.tries.note(SSH, ANN, ANN, 1.0, 1, 1.0 + TIMEOUT)
        self.assertEqual([], self.ended(TIMEOUT + 0.9))
        self.assertEqual([ANN], self.ended(TIMEOUT + 1.0))
        self.assertEqual(([], 0), (self.ended(99.0), len(self.tries)))

    def test_begunAgain(self) -> None:
        """A client that begins again and again is reported after twice that time at most."""
        for at in range(0, 2 * int(TIMEOUT), 5):
            self.tries.note(SSH, ANN, ANN, at, 1, at + TIMEOUT)
            self.assertEqual([], self.ended(at))
        self.assertEqual([ANN], self.ended(2 * TIMEOUT))

    def test_flood(self) -> None:
        """A flood of beginners pushes out only beginners, and those are counted."""
        self.tries.note(SSH, ANN, ANN, 0.0, 1)
        self.tries.note(SSH, ANN, ANN, 0.0, 2)
        for number in range(100):
            self.tries.note(SSH, str(number), str(number), 0.0, number % 2)
        self.assertEqual(4, len(self.tries))
        ended, lost = self.tries.takeEnded(TIMEOUT)
        self.assertEqual(ANN, ended[0].source)
        self.assertEqual(4, len({each.source for each in ended}))
        self.assertGreater(int(ended[-1].source), 80)
        self.assertEqual((97, 0), (lost, self.tries.takeEnded(TIMEOUT)[1]))

    def test_floodOfMore(self) -> None:
        """So does a flood of those that come further."""
        for number in range(100):
            self.tries.note(SSH, str(number), str(number), 0.0, 2)
        self.assertEqual(3, len(self.tries))

    def test_forget(self) -> None:
        """A try that is forgotten is never reported, whatever it had reached."""
        for right in (0, 1, 2):
            self.tries.note(SSH, ANN, ANN, 0.0, right)
            self.tries.forget(ANN, SSH)
        self.tries.forget(ANN, SSH)
        self.assertEqual([], self.ended(99.0))

    def test_room(self) -> None:
        """As soon as there is room again, every beginner is remembered."""
        for number in range(100):
            self.tries.note(SSH, str(number), str(number), 0.0)
        self.tries.takeEnded(TIMEOUT)
        for source in (ANN, BOB):
            self.tries.note(SSH, source, source, TIMEOUT)
        self.assertEqual([ANN, BOB], self.ended(2 * TIMEOUT))

    def test_doors(self) -> None:
        """A client has a try at each door."""
        self.tries.note(SSH, ANN, ANN, 0.0, 1)
        self.tries.note(WEB, ANN, ANN, 0.0, 1)
        self.tries.forget(ANN, SSH)
        self.assertEqual(["web"], [each.door.name for each in self.tries.takeEnded(99.0)[0]])


class PlainTests(PlainKnocksTestCase):
    """
    What plain knocks leave.
    """

    def tell(self, at: float = 1000.0) -> list[str]:
        """Return what the operator hears of tries that have ended."""
        ended, _, isBusy = self.locks.takeEndedTries(at)
        self.assertFalse(isBusy)
        return [f"{each.door.name} {each.source}: {each.describe()}" for each in ended]

    def test_success(self) -> None:
        """Nothing is told of a client that opens a door, also if it lost its way before."""
        self.assertEqual(["ssh"], self.opened(ANN, A, B, C, D, E))
        self.assertEqual(["ssh"], self.opened(BOB, E, D, A, A, B, B, C, D, E))
        self.assertEqual([], self.tell())

    def test_again(self) -> None:
        """A client that begins again before its last knock is told, too."""
        self.locks = Lockset([SequenceLock(SSH)])
        self.hear(ANN, A, B, C, D, A)
        self.assertEqual([f"ssh {ANN}: 4 of 5 knocks came within 30s"], self.tell())

    def test_incomplete(self) -> None:
        """A client that stops half-way, or whose last datagrams are lost."""
        self.hear(ANN, A, B, C)
        self.assertEqual([f"ssh {ANN}: 3 of 5 knocks came within 30s"], self.tell())

    def test_first(self) -> None:
        """A client that sends one datagram only."""
        self.hear(ANN, A)
        self.assertEqual([f"ssh {ANN}: 1 of 5 knocks came within 30s"], self.tell())

    def test_firstLost(self) -> None:
        """A client whose first datagram is lost."""
        self.locks = Lockset([SequenceLock(SSH)])
        self.hear(ANN, B, C, D, E)
        self.assertEqual(
            [f"ssh {ANN}: 4 knocks came out of order within 30s, and none of them was the first"],
            self.tell(),
        )

    def test_backwards(self) -> None:
        """A client that knows the ports, and not their order."""
        self.locks = Lockset([SequenceLock(SSH)])
        self.hear(ANN, E, D, C, B, A)
        self.assertEqual(
            [f"ssh {ANN}: 1 of 5 knocks came in order within 30s, and 4 out of order"],
            self.tell(),
        )

    def test_twoAddresses(self) -> None:
        """A client whose datagrams come from two addresses is seen as two that fail."""
        self.locks = Lockset([SequenceLock(SSH)])
        self.hear(ANN, A, B, C)
        self.hear(BOB, D, E)
        self.assertEqual(
            [
                f"ssh {ANN}: 3 of 5 knocks came within 30s",
                f"ssh {BOB}: 2 knocks came out of order within 30s, and none of them was the first",
            ],
            self.tell(),
        )

    def test_refused(self) -> None:
        """A wrong order is refused at once, with a line of its own, and is not told twice."""
        self.locks = Lockset([SequenceLock(SSH)])
        self.assertEqual(1, len(self.refused(ANN, A, C)))
        self.assertEqual(2, len(self.refused(ANN, B, C, at=1.0)))
        self.assertEqual([], self.tell())

    def test_slow(self) -> None:
        """
        A slow client is told when its time is over, and refused when it continues.
        """
        self.locks = Lockset([SequenceLock(SSH)])
        self.hear(ANN, A, B)
        self.assertEqual([f"ssh {ANN}: 2 of 5 knocks came within 30s"], self.tell(at=30.0))
        self.assertEqual(["ssh: too slow: 2 of 5 knocks in 30s"], self.refused(ANN, C, at=31.0))

    def test_halfDone(self) -> None:
        """A sequence that is half done when the try should end has the time that it needs."""
        self.locks = Lockset([SequenceLock(SSH)])
        self.hear(ANN, B)
        self.hear(ANN, A, B, C, at=25.0)
        self.assertEqual(([], 0, True), self.locks.takeEndedTries(50.0))
        self.assertEqual(["ssh"], self.opened(ANN, D, E, at=54.0))
        self.assertEqual([], self.tell())

    def test_sharedPorts(self) -> None:
        """A knock for one door is not a failed one at another that has its ports."""
        self.hear(ANN, A, B, C)
        self.hear(BOB, B, A, C, F)
        self.assertEqual(
            [
                f"ssh {ANN}: 3 of 5 knocks came within 30s",
                f"web {BOB}: 4 of 5 knocks came within 30s",
            ],
            self.tell(),
        )

    def test_reload(self) -> None:
        """Other doors change nothing: the try is told when its time is over."""
        self.hear(ANN, A, B)
        self.locks = self.locks.replaceDoors([SSH], {})
        self.assertEqual([f"ssh {ANN}: 2 of 5 knocks came within 30s"], self.tell())

    def test_noPort(self) -> None:
        """Nothing that is told has a port in it: others can read the log."""
        for source, ports in ((ANN, (A, B)), (BOB, (E, D)), ("192.0.2.1", (E, A, B, D))):
            self.hear(source, *ports)
        for line in self.tell():
            self.assertNotRegex(line.partition(": ")[2], "100[0-9]")

    def test_explainChangesNothing(self) -> None:
        """Explaining a knock before it is heard changes no result."""
        for ports in ((A, B, C, D, E), (E, D, C, B, A), (A, A, C), (B, A, C, F, D), (A, B, B, E)):
            results = []
            for isExplained in (False, True):
                self.locks = Lockset(map(SequenceLock, (SSH, WEB)))
                heard = []
                for knock in knocks(ANN, *ports):
                    if isExplained:
                        self.locks.explain(knock, 0.0)
                    heard.append(self.locks.hear(knock, 0.0, 0.0))
                results.append((heard, self.locks.sources(), self.tell()))
            self.assertEqual(*results)

    def explained(self, *ports: int, at: float = 0.0, datagram: bytes = b"knock\n") -> list[str]:
        """Return what each knock means at the door ssh."""
        found = []
        for knock in knocks(ANN, *ports, datagram=datagram):
            found.append(self.locks.explain(knock, at).get("ssh", ""))
            self.locks.hear(knock, at, 0.0)
        return found

    def test_explain(self) -> None:
        """Each datagram has its meaning, without a port."""
        self.locks = Lockset([SequenceLock(SSH)])
        self.assertEqual(
            [
                "out of order: knock 5 came, knock 1 was due",
                "knock 1 of 5",
                "knock 2 of 5",
                "knock 2 of 5 again",
                "out of order: knock 4 came, knock 3 was due",
                "ignored for another 5s",
            ],
            self.explained(E, A, B, B, D, A),
        )
        self.assertEqual(["knock 1 of 5"], self.explained(A, at=20.0))
        self.assertEqual(
            ["a knock after the time for the progress was over"], self.explained(B, at=60.0)
        )
        self.assertEqual(["not a plain knock"], self.explained(A, datagram=b"knocK\n"))
        self.assertEqual({}, self.locks.explain(knocks(ANN, 9)[0], 0.0))

    def test_explainPenalty(self) -> None:
        """Progress from before a penalty does not count, as when the knock is heard."""
        other = "2001:db8::8"
        self.locks = Lockset([SequenceLock(SSH)])
        self.assertNotEqual(placeOf(BOB, "2001:db8:0:0"), placeOf(other, "2001:db8:0:0"))
        self.hear(other, A, B)
        self.hear(BOB, A, C)
        (knock,) = knocks(other, C)
        self.assertEqual(
            {"ssh": "out of order: knock 3 came, knock 1 was due"}, self.locks.explain(knock, 10.0)
        )
        self.assertEqual([], list(self.locks.hear(knock, 10.0, 0.0)))

    def test_carriedOver(self) -> None:
        """The tries are the same table after a reload."""
        plain = PlainKnocks([SequenceLock(SSH)])
        self.assertIs(plain.tries, plain.carryOver([SequenceLock(WEB)]).tries)


class SealedTests(SealedLockTestCase):
    """
    What sealed knocks leave.
    """

    def tell(self) -> list[str]:
        """Return what the operator hears of tries that have ended."""
        return [each.describe() for each in self.lock.tries.takeEnded(1000.0)[0]]

    def test_incomplete(self) -> None:
        """A knock that reached some ports only, however often it was sent."""
        datagram = seal()
        self.knock(datagram, *PORTS[:3], *PORTS[:2])
        self.assertEqual(["a sealed knock reached 3 of 5 ports within 30s"], self.tell())

    def test_best(self) -> None:
        """Of several knocks of one source, the one that came furthest is told."""
        self.knock(seal(), *PORTS[:3])
        self.knock(seal(), *PORTS[:2])
        self.assertEqual(["a sealed knock reached 3 of 5 ports within 30s"], self.tell())

    def test_complete(self) -> None:
        """A knock that is judged has its result, and nothing more."""
        self.knock(seal(), *PORTS[:4])
        self.knock(seal(), *PORTS)
        self.assertEqual([], self.tell())

    def test_explain(self) -> None:
        """Each datagram has its meaning."""
        datagram = seal()

        def explain(sent: bytes, port: int) -> str:
            (knock,) = knocks("203.0.113.9", port, datagram=sent)
            found = self.lock.explain(knock, 0.0)
            self.lock.knock(knock, 0.0, 1_800_000_000)
            return found

        for count, port in enumerate(PORTS, 1):
            self.assertEqual(
                f"a sealed knock that has reached {count} of 5 ports", explain(datagram, port)
            )
        self.assertEqual("a copy of a sealed knock that was judged", explain(datagram, PORTS[0]))
        waiting = seal()
        self.patch(self.checks, "_hasTime", lambda now: False)
        for port in PORTS:
            explain(waiting, port)
        self.assertEqual(
            "a copy of a sealed knock that waits to be checked", explain(waiting, PORTS[0])
        )
        self.assertEqual("not a sealed knock", explain(b"knock\n", PORTS[0]))
        self.assertEqual("a sealed knock for another door", explain(seal(door="web"), PORTS[0]))


class PlainAtSealedTests(SealedLockTestCase):
    """
    Plain knocks on the ports of a sealed door.
    """

    def tell(self, *locks: SequenceLock) -> list[str]:
        """Return what the operator hears after a whole plain sequence."""
        found = Lockset([self.lock, *locks])
        for knock in knocks("203.0.113.9", *PORTS):
            found.hear(knock, 0.0, 0.0)
        return [each.describe() for each in found.takeEndedTries(1000.0)[0]]

    def test_told(self) -> None:
        """The log says that only sealed knocks open the door."""
        self.assertEqual(
            ["5 plain knocks came within 30s, and only sealed knocks open this door"], self.tell()
        )

    def test_shared(self) -> None:
        """A plain knock for another door on that port is not meant for this one."""
        self.assertEqual([], self.tell(SequenceLock(makeDoor(name="plain"))))

    def test_manyDoors(self) -> None:
        """A knock that fits none of very many doors is told for some of them."""
        locks = [SequenceLock(makeDoor(name=f"d{number}")) for number in range(100)]
        found = Lockset(locks)
        found.hear(knocks("203.0.113.9", PORTS[1])[0], 0.0, 0.0)
        self.assertEqual(MAX_TOLD, len(found.takeEndedTries(1000.0)[0]))


class DoorTests(PlainKnocksTestCase):
    """
    Very many tries.
    """

    def test_bounded(self) -> None:
        """However many sources knock in whatever way, the memory for tries has a bound."""
        self.locks = Lockset(map(SequenceLock, (SSH, makeDoor((A, C, B, D, E), name="b"))))
        for number in range(20_000):
            source = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
            self.hear(source, *((A,), (B,), (A, B), (E, D))[number % 4])
        ended, lost, _ = self.locks.takeEndedTries(1000.0)
        self.assertLessEqual(len(ended), 2048)
        self.assertGreater(lost, 10_000)


class RandomTests(PlainKnocksTestCase):
    """
    Random knocks.
    """

    def test_everyone(self) -> None:
        """
        Each source leaves a trace: an opening, a refusal, or a line about its try. A source whose
        last knock opened a door leaves no such line.
        """
        random_ = random.Random(20261128)
        for _ in range(300):
            doors = (SSH, WEB)[: random_.choice((1, 2))]
            self.locks = Lockset(map(SequenceLock, doors))
            traced, last = set(), {}
            sources = [f"203.0.113.{number}" for number in range(4)]
            for at in range(random_.randrange(1, 30)):
                source = random_.choice(sources)
                row = random_.choice(doors).sequence.ports
                ports = random_.choice((row, row[:3], row[1:], row[::-1], [random_.choice(row)]))
                for port in ports:
                    results = self.hear(source, port, at=at * 0.5)
                    traced |= {source} if results else set()
                    last[source] = [each for each in results if isinstance(each, Request)]
            told = {each.source for each in self.locks.takeEndedTries(1000.0)[0]}
            self.assertEqual(set(), last.keys() - traced - told)
            self.assertEqual(set(), {source for source in told if last[source]})

    def test_explainChangesNothing(self) -> None:
        """Explaining knocks changes nothing, names no port, and agrees with what follows."""
        random_ = random.Random(20261129)
        for _ in range(100):
            silent, explained = (Lockset(map(SequenceLock, (SSH, WEB))) for _ in range(2))
            for at in range(60):
                source = random_.choice((ANN, BOB, "2001:db8::8"))
                row = random_.choice((SSH, WEB)).sequence.ports
                port = row[at % 5] if random_.random() < 0.8 else random_.choice(row)
                (knock,) = knocks(source, port)
                now = at * random_.choice((0.1, 1.0))
                meanings = explained.explain(knock, now)
                results = list(explained.hear(knock, now, 0.0))
                self.assertEqual(list(silent.hear(knock, now, 0.0)), results)
                self.assertNotRegex(" ".join(meanings.values()), "100[0-9]")
                for each in results:
                    if isinstance(each, Request):
                        self.assertEqual("knock 5 of 5", meanings[each.door.name])
            self.assertEqual(silent.takeEndedTries(999.0), explained.takeEndedTries(999.0))
