"""Tests of very many openings: a reload, and a healing, put them in place in turns."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, ip_address
from typing import TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from pkdoors.doorkeeper.openings.lives import Each
from pkdoors.errors import FirewallError
from pkdoors.firewall.guard import openingkeys
from pkdoors.firewall.guard.guard import TABLE
from pkdoors.firewall.guard.openingkeys import listKeys
from pkdoors.firewall.nftables.firewall import NftablesFirewall
from pkdoors.firewall.nftables.placing import changing, healing
from pkdoors.model.doors import Door, Opening
from pkdoors.model.sources import Source, readSource
from pkdoors.util import lane
from tests.fakes.doors import flow, makeDoor
from tests.firewall.nftables.firewallcase import NEXT, NftablesTestCase

SSH = makeDoor(name="ssh")
WEB = makeDoor(NEXT, "443", name="web")
SET = "tcp_open4"
STRANGER = bytes([203, 0, 113, 66, 0, 22, 0, 0])
T = TypeVar("T")


async def inTurns(clock: IReactorTime, steps: Iterable[object]) -> None:
    """Take one step in each turn of the reactor."""
    for _ in steps:
        await deferLater(clock, 0)


class ManyTestCase(NftablesTestCase):
    """
    Two doors, each open for twenty clients, of which five are put in place in a step.
    """

    def setUp(self) -> None:
        """Start."""
        super().setUp()
        self.patch(healing, "FEW", 3)
        self.patch(changing, "FEW", 3)
        self.patch(lane, "PORTION", 0.0)
        self.patch(changing, "takeInTurns", inTurns)
        self.patch(openingkeys, "TOGETHER", 10)
        self.wanted: dict[tuple[str, Source], Opening] = {}
        self.start(SSH, WEB)
        for door, first in ((SSH, "10.0.0.1"), (WEB, "10.0.1.1")):
            for number in range(20):
                self.open(door, str(IPv4Address(first) + number))
        self.tables.steps.clear()

    def open(self, door: Door, source: str, deadline: float = 100.0) -> None:
        """Open a door, as the doorkeeper does."""
        opening = Opening(door, readSource(source), deadline)
        self.wanted[opening.key] = opening
        self.successResultOf(self.firewall.open(opening))

    def close(self, door: Door, source: str) -> None:
        """Close it."""
        opening = self.wanted.pop((door.name, readSource(source)))
        self.successResultOf(self.firewall.close(opening))

    def begin(self, *doors: Door) -> Deferred[None]:
        """Begin a reload."""
        self.firewall.setDoors(doors)
        known = {door.name: door for door in doors}

        def carry() -> Iterator[Opening]:
            for key in [*self.wanted]:
                opening, door = self.wanted.get(key), known.get(key[0])
                if door is not None and opening is not None:
                    end = min(opening.deadline, self.clock.seconds() + door.maxOpenFor)
                    yield replace(opening, door=door, deadline=end)

        return self.firewall.restore(Each(carry))

    def turns(self, done: Deferred[None]) -> int:
        """Let turns pass until that is done; return how many."""
        ended: list[object] = []
        done.addBoth(ended.append)
        for number in range(1000):
            if ended:
                self.assertEqual([None], ended)
                return number
            self.turn()
        raise AssertionError("that never ends")

    def turn(self) -> None:
        """Let one turn pass."""
        for call in [call for call in self.clock.calls if call.getTime() <= self.clock.seconds()]:
            self.clock.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)

    def present(self) -> int:
        """Return how many elements packets are looked up in."""
        return len(self.tables.living(TABLE, SET))


class ManyTests(ManyTestCase):
    """
    What happens to them.
    """

    def test_nothing(self) -> None:
        """If nothing changes, nothing is sent, in however many turns."""
        self.assertGreater(self.turns(self.begin(SSH, WEB)), 10)
        self.assertEqual([], self.tables.steps)
        self.assertEqual(40, self.present())

    def test_doorIsGone(self) -> None:
        """
        A door that goes loses its openings before the rules change; what was opened meanwhile is
        lost, too, and the others stay.
        """
        done = self.begin(SSH)
        self.turn()
        self.open(WEB, "192.0.2.1")
        self.open(SSH, "192.0.2.2")
        self.close(SSH, "10.0.0.7")
        self.turns(done)
        self.assertEqual(20, self.present())
        sources = self.tables.sources(SET)
        self.assertNotIn("192.0.2.1", sources)
        self.assertIn("192.0.2.2", sources)
        self.assertNotIn("10.0.0.7", sources)
        removed = [step for step in self.tables.steps if f"remove {TABLE} tcp_doors " in step]
        before = self.tables.steps[: self.tables.steps.index(removed[0])]
        self.assertGreater(sum(f"{TABLE} {SET}" in step for step in before), 3)

    def test_shorter(self) -> None:
        """Openings get the earlier end that the new configuration allows, late ones as well."""
        done = self.begin(replace(SSH, maxOpenFor=40.0), WEB)
        self.turn()
        self.turn()
        self.open(SSH, "192.0.2.2", 90.0)
        self.turns(done)
        ends = self.tables.sources(SET)
        self.assertEqual(40.0, ends["192.0.2.2"])
        self.assertEqual({40.0, 100.0}, {*self.tables.sources(SET).values()})

    def test_closedMeanwhile(self) -> None:
        """
        What is opened for as long as the door allows, and closed, during a healing stays closed;
        and what is opened then has all of its time.
        """
        done = self.begin(SSH, WEB)
        self.turn()
        self.clock.rightNow += 1.0
        end = self.clock.seconds() + SSH.maxOpenFor
        for source in ("192.0.2.1", "192.0.2.2"):
            self.open(SSH, source, end)
        self.close(SSH, "192.0.2.1")
        self.turns(done)
        sources = self.tables.sources(SET)
        self.assertNotIn("192.0.2.1", sources)
        self.assertEqual(SSH.maxOpenFor, sources["192.0.2.2"])

    def test_onlyThose(self) -> None:
        """An opening that nobody wants does not survive a reload."""
        del self.wanted["ssh", readSource("10.0.0.3")]
        self.turns(self.begin(SSH, WEB))
        self.assertEqual(39, self.present())

    def test_flushed(self) -> None:
        """After a flush the guard comes first; the openings follow in turns."""
        self.flush()
        done = self.begin(SSH, WEB)
        self.assertEqual(5, self.present())
        self.assertTrue(self.judging(22))
        first = next(step for step in self.tables.steps if SET in step)
        self.assertIn(f"run {TABLE}", self.tables.steps[: self.tables.steps.index(first)])
        self.turn()
        self.assertLess(self.present(), 40)
        # Nobody is cut off whose opening is not there yet.
        self.assertEqual({}, self.tables.living(TABLE, "complete"))
        self.close(SSH, "10.0.0.2")
        self.close(WEB, "10.0.1.19")
        self.open(WEB, "192.0.2.1")
        self.turns(done)
        self.assertEqual({b"\x02", b"\x0a"}, {*self.tables.living(TABLE, "complete")})
        self.assertEqual(39, self.present())
        self.assertIn("192.0.2.1", self.tables.sources(SET))

    def test_flushedAgain(self) -> None:
        """A flush in the midst of a reload, or of a healing, loses nothing."""
        for _ in range(2):
            done = self.begin(SSH, WEB)
            self.turn()
            self.turn()
            self.flush()
            self.turn()
            self.flush()
            self.turns(done)
            self.turns(self.begin(SSH, WEB))
            self.assertEqual(40, self.present())

    def test_inOrder(self) -> None:
        """A reload waits for a healing, and a door that goes has no openings then."""
        self.flush()
        first = self.begin(SSH, WEB)
        self.turn()
        second = self.begin(SSH)
        self.assertNoResult(first)
        self.turns(first)
        self.turns(second)
        self.assertEqual(20, self.present())
        self.assertEqual({b"\0\x16"}, {key[4:6] for key in self.tables.living(TABLE, SET)})

    def test_once(self) -> None:
        """Openings for one connection are not put back after a flush."""
        once = replace(SSH, once=True)
        self.turns(self.begin(once, WEB))
        self.assertEqual(20, self.present())
        self.flush()
        self.turns(self.begin(once, WEB))
        self.assertEqual(20, self.present())
        self.assertEqual({}, self.tables.sources("ssh_once4"))


class CutOffTests(ManyTestCase):
    """
    What happens to connections that the guard has spared.
    """

    def test_cutOff(self) -> None:
        """
        After a flush, nobody is cut off before very many sessions are back, though few openings
        are; nor if a healing, or a reload, fails on its way there.
        """
        keys = {flow(port=port).key for port in range(50_000, 50_010)}

        def isCutOff() -> bool:
            return bool(self.tables.living(TABLE, "complete"))

        def watch(step: str) -> None:
            if TABLE in self.tables.tables and "spared4" in self.ours().sets:
                self.assertLessEqual(isCutOff(), self.flows("spared4") == keys, step)
            if self.failures and "spared4" in step:
                raise self.failures.pop()

        for key in keys:
            self.tables.put("spared4", key, 1000.0)
        for opening in [*self.wanted.values()][1:]:
            self.close(opening.door, str(opening.source))
        self.clock.advance(10)  # now they are noted
        self.tables.failing = watch
        for failures, doors in (
            ([], (SSH, WEB)),
            ([FirewallError("busy")], (SSH, WEB)),
            ([], (SSH,)),
        ):
            self.failures: list[FirewallError] = failures
            self.flush()
            if failures:
                failed = self.begin(*doors)
                while self.clock.calls and self.failures:
                    self.turn()
                self.failureResultOf(failed, FirewallError)
                self.assertFalse(isCutOff())
            self.turns(self.begin(*doors))
            self.assertTrue(isCutOff())
            self.assertEqual(keys, self.flows("spared4"))


class MangledTests(ManyTests):
    """
    Somebody changes the guard, but does not remove it.
    """

    def make(self) -> NftablesFirewall:
        """Make a firewall that looks beside the reactor when a test says so."""
        self.looks: list[Callable[[], None]] = []
        return NftablesFirewall(
            self.clock,
            self.makeTable,
            self.watch.make,
            self.look,
            lambda: self.up,
            beside=self.beside,
        )

    def beside(self, work: Callable[[], T]) -> Deferred[T]:
        """Look later, if the firewall has started."""
        done: Deferred[T] = Deferred()

        def look() -> None:
            execute(work).chainDeferred(done)

        self.looks.append(look)
        return done

    def turn(self) -> None:
        """Let one turn pass, and finish one look beside it."""
        super().turn()
        if self.looks:
            self.looks.pop(0)()

    def finish(self) -> None:
        """Finish all looks."""
        while self.looks:
            self.looks.pop(0)()

    def mangle(self) -> None:
        """Change everything."""
        there = self.ours()
        there.rules.insert(0, (0, "input", "accept"))
        there.sets["tcp_ports"].elements.clear()
        for key in [*there.sets[SET].elements][:3]:
            del there.sets[SET].elements[key]
        self.tables.put(SET, STRANGER, 1e6)
        long = there.sets[SET].elements[listKeys(self.opening("10.0.1.5"))[1][0][1]]
        there.sets[SET].elements[listKeys(self.opening("10.0.1.5"))[1][0][1]] = long._replace(
            end=1e9
        )
        self.watch.changed("nft")

    def opening(self, source: str, door: Door = WEB) -> Opening:
        """Return an opening that is wanted."""
        return self.wanted[door.name, readSource(source)]

    def test_closedAtOnce(self) -> None:
        """Rules and ports are right at once; openings follow in turns, and only what differs."""
        self.mangle()
        self.tables.steps.clear()
        done = self.begin(SSH, WEB)
        self.assertTrue(self.ours().guards())
        self.assertNotIn("accept", self.ours().texts("input"))
        self.turns(done)
        self.assertEqual(40, self.present())
        self.assertNotIn(STRANGER, self.tables.living(TABLE, SET))
        self.assertEqual({100.0}, {*self.tables.sources(SET).values()})
        added = [step for step in self.tables.steps if step.startswith(f"add {TABLE} {SET}")]
        self.assertEqual(["4"], [step.split()[-1] for step in added])

    def test_meanwhile(self) -> None:
        """What is opened, extended or closed meanwhile is as it should be."""
        self.mangle()
        done = self.begin(SSH, WEB)
        self.looks.pop(0)()  # what it has found is out of date now
        stranger = str(ip_address(STRANGER[:4]))
        self.open(SSH, stranger)
        self.open(WEB, "10.0.1.5", 200.0)
        self.close(SSH, "10.0.0.1")
        self.close(SSH, "10.0.0.20")
        self.turns(done)
        sources = self.tables.sources(SET)
        self.assertEqual(39, len(sources))
        self.assertEqual((100.0, 200.0), (sources[stranger], sources["10.0.1.5"]))
        self.assertNotIn("10.0.0.1", sources)

    def test_mangledAgain(self) -> None:
        """If somebody changes it again meanwhile, all is put right again."""
        self.mangle()
        done = self.begin(SSH, WEB)
        for _ in range(3):
            self.turn()
            self.mangle()
        self.turns(done)
        self.assertEqual(40, self.present())
        self.assertNotIn("accept", self.ours().texts("input"))
        self.assertNotIn(STRANGER, self.tables.living(TABLE, SET))

    def test_flushedMeanwhile(self) -> None:
        """If somebody flushes it meanwhile, the guard comes first."""
        self.mangle()
        done = self.begin(SSH, WEB)
        self.turn()
        self.flush()
        self.turns(done)
        self.assertEqual(40, self.present())

    def test_usedUp(self) -> None:
        """Openings for one connection that may have been used do not come back."""
        once = replace(SSH, once=True)
        self.turns(self.begin(once, WEB))
        self.open(once, "192.0.2.1")
        self.mangle()
        done = self.begin(once, WEB)
        self.turn()
        self.open(once, "192.0.2.2")
        self.turns(done)
        self.assertEqual(["192.0.2.2"], [*self.tables.sources("ssh_once4")])

    def test_sessions(self) -> None:
        """Sessions that go on come back, if somebody removes them."""
        session = flow("10.0.0.9").key
        self.tables.put("sessions4", session, 1000.0)
        self.close(SSH, "10.0.0.9")
        self.finish()
        self.ours().sets["sessions4"].elements.clear()
        self.watch.changed("nft")
        self.turns(self.begin(SSH, WEB))
        self.assertEqual({session}, self.flows("sessions4"))

    def test_overflow(self) -> None:
        """After more changes than the socket could hold, a look beside the reactor shows damage."""
        self.finish()
        self.watch.unsure()
        self.watch.unsure()
        self.open(SSH, "192.0.2.1")
        self.close(SSH, "10.0.0.1")
        self.finish()
        self.assertEqual([], self.lost)
        self.tables.put(SET, STRANGER, 1e6)
        self.watch.unsure()
        self.assertEqual([], self.lost)
        self.finish()
        self.assertEqual(["somebody changed the guard"], self.lost)

    def test_lookLast(self) -> None:
        """After a flush the guard comes before a look for sessions, which takes long."""
        self.finish()
        self.flush()
        self.sockets = [flow("10.0.0.9"), flow("203.0.113.66")]
        done = self.begin(SSH, WEB)
        self.assertTrue(self.ours().guards())
        self.close(SSH, "10.0.0.9")  # before anybody has looked
        for _ in range(20):
            super().turn()
        self.assertNoResult(done)
        self.assertEqual(39, self.present())
        self.assertEqual(set(), self.flows("sessions4"))
        self.turns(done)
        self.assertEqual({flow("10.0.0.9").key}, self.flows("sessions4"))
