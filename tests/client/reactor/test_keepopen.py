"""Tests of L{pkdoors.client.reactor.keepopen}."""

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.methods import Method, PlainMethod, Tools
from pkdoors.client.core.plan import Plan
from pkdoors.client.reactor import keepopen
from pkdoors.client.reactor.keepopen import KeepOpen
from pkdoors.errors import KnockError
from pkdoors.model.sequence import Sequence
from tests.client.names import HOST4, FakeNames
from tests.fakes.doors import PORTS
from tests.fakes.log import useUTC
from tests.fakes.reactor import FakeReactor


class FakeRoaming:
    """
    In place of L{pkdoors.client.reactor._roaming.Roaming}.
    """

    def __init__(self, reactor: object, moved: Callable[[], None]) -> None:
        self.move = moved
        self.others: list[str] = []
        self.isRunning = False

    def watchTowards(self, others: list[str]) -> None:
        """Keep the others."""
        self.others = others

    def start(self) -> None:
        """Record the start."""
        self.isRunning = True

    def stop(self) -> None:
        """Record the end."""
        assert self.isRunning
        self.isRunning = False


class Closing(PlainMethod):
    """
    A knock that asks the host to close the door.

    @cvar leaving: fires when it is made.
    """

    leaving: Deferred[None]

    async def plan(self, address: str, tools: Tools, isFirst: bool) -> Plan:
        """Wait until the test says so."""
        await self.leaving
        return await super().plan(address, tools, isFirst)


class ClosingMethod(PlainMethod):
    """A method that can close the door at its end."""

    @property
    def canClose(self) -> bool:
        """Return that it can."""
        return True

    def closing(self) -> Method:
        """Return how."""
        return Closing(*self)


class StayTests(SynchronousTestCase):
    """
    Tests of L{KeepOpen}.
    """

    def setUp(self) -> None:
        """Make a reactor, and a host with an address."""
        useUTC(self)
        self.reactor = FakeReactor()
        self.names = FakeNames(self, HOST4)
        self.said: list[str] = []
        self.made: list[FakeRoaming] = []
        self.patch(keepopen, "Roaming", self.makeRoaming)

    def makeRoaming(self, reactor: object, moved: Callable[[], None]) -> FakeRoaming:
        """Return the fake of what notices new addresses."""
        self.made.append(FakeRoaming(reactor, moved))
        return self.made[-1]

    def keepOpen(
        self, kind: type[PlainMethod] = PlainMethod, port: int | None = None
    ) -> Deferred[str]:
        """Begin, with an interval of 0 and a door that is open for 30 seconds."""
        method = kind(Sequence(PORTS), 30.0, 0.0)
        attempt = Attempt(HOST4, method, None, port, timeout=5.0, tries=1, look=0)
        result = Deferred.fromCoroutine(KeepOpen(attempt, self.reactor, self.said.append).run())
        self.knock()
        return result

    def knock(self) -> None:
        """Let a knock finish that has begun: each step is a turn of the reactor."""
        self.reactor.pump([0] * 10)

    def shutDown(self) -> Deferred[None]:
        """
        Do what the reactor does when it is stopped; the result fires when the reactor may end.
        """
        (((work, arguments, _),),) = (
            trigger["shutdown"]
            for trigger in self.reactor.triggers.values()
            if trigger.get("shutdown")
        )
        left = work(*arguments)
        assert isinstance(left, Deferred)
        return left

    def knocks(self) -> int:
        """Return how many knocks were sent."""
        return sum(sent[2] == PORTS[-1] for sent in self.reactor.sent)

    def test_knocks(self) -> None:
        """It knocks, asks for the time, says so with the time of day, and goes on."""
        result = self.keepOpen()
        self.assertEqual(1, self.knocks())
        self.assertEqual({b"knock 30\n"}, {sent[3] for sent in self.reactor.sent})
        self.assertEqual(["00:00:00 knocked on 192.0.2.1 (192.0.2.1)"], self.said)
        self.assertNoResult(result)

    def test_renews(self) -> None:
        """It knocks again after two thirds of the time, and again."""
        self.keepOpen()
        for number in (2, 3):
            self.reactor.advance(19.9)
            self.knock()
            self.assertEqual(number - 1, self.knocks())
            self.reactor.advance(0.1)
            self.knock()
            self.assertEqual(number, self.knocks())
        self.assertEqual("00:00:40 knocked on 192.0.2.1 (192.0.2.1)", self.said[-1])

    def test_countsFromTheKnock(self) -> None:
        """The time counts from the knock, not from when the port answered."""
        self.keepOpen(port=22)
        self.reactor.advance(4)
        self.reactor.accept().protocol.dataReceived(b"SSH-2.0-x")
        self.reactor.advance(15.9)
        self.knock()
        self.assertEqual(1, self.knocks())
        self.reactor.advance(0.1)
        self.knock()
        self.assertEqual(2, self.knocks())

    def test_moved(self) -> None:
        """When this host has moved, it knocks at once, and counts from there."""
        self.keepOpen()
        self.assertEqual([HOST4], self.made[0].others)
        self.reactor.advance(10)
        self.made[0].move()
        self.knock()
        self.assertEqual(2, self.knocks())
        self.reactor.advance(19.9)
        self.knock()
        self.assertEqual(2, self.knocks())
        self.reactor.advance(0.1)
        self.knock()
        self.assertEqual(3, self.knocks())

    def test_movedMeanwhile(self) -> None:
        """
        When it moves during a knock, there is another one after it; not within a second of a
        connection, which sshd would count.
        """
        self.keepOpen(port=22)
        self.made[0].move()
        self.reactor.accept().protocol.dataReceived(b"SSH-2.0-x")
        self.knock()
        self.reactor.advance(0.9)
        self.knock()
        self.assertEqual(1, self.knocks())
        self.reactor.advance(0.1)
        self.knock()
        self.assertEqual(2, self.knocks())

    def test_penalty(self) -> None:
        """If sshd refuses this address for a while, it says so."""
        self.keepOpen(port=22)
        self.reactor.accept().protocol.dataReceived(b"Not allowed at this time\r\n")
        self.knock()
        self.assertIn("PerSourcePenalties", self.said[-1])

    def test_fails(self) -> None:
        """
        It reports a failure once, and tries again after 1 s, 2 s and so on up to 60, for ever.
        """
        self.reactor.unreachable = {HOST4}
        result = self.keepOpen()
        tried = []
        for _ in range(1300):
            before = len(self.names.asked)
            self.reactor.advance(0.1)
            self.knock()
            if len(self.names.asked) > before:
                tried.append(round(self.reactor.seconds()))
        self.assertEqual([1, 3, 7, 15, 31, 63, 123], tried)
        self.assertEqual(
            [
                "00:00:00 cannot knock on 192.0.2.1: Network is unreachable "
                "(trying again until it works)"
            ],
            self.said,
        )
        self.assertNoResult(result)

    def test_works(self) -> None:
        """When it works again, it says so, and the next failure is counted from the beginning."""
        self.reactor.unreachable = {HOST4}
        self.keepOpen()
        self.reactor.advance(1)
        self.knock()
        self.reactor.unreachable = set()
        self.reactor.advance(2)
        self.knock()
        self.assertEqual("00:00:03 knocked on 192.0.2.1 (192.0.2.1)", self.said[-1])
        self.reactor.unreachable = {HOST4}
        self.reactor.advance(20)
        self.knock()
        self.assertEqual(3, len(self.said))
        self.reactor.unreachable = set()
        self.reactor.advance(1)
        self.knock()
        self.assertEqual(2, self.knocks())

    def test_unknownHost(self) -> None:
        """A host without an address is such a failure, too."""
        self.names.addresses = []
        self.keepOpen()
        self.assertIn("no address found for '192.0.2.1'", self.said[0])
        self.names.addresses = [HOST4]
        self.reactor.advance(1)
        self.knock()
        self.assertEqual(1, self.knocks())

    def test_movedWhileFailing(self) -> None:
        """When it has moved, it does not wait for the next try."""
        self.keepOpen()
        self.reactor.unreachable = {HOST4}
        self.reactor.advance(20)
        self.knock()
        self.reactor.unreachable = set()
        self.made[0].move()
        self.knock()
        self.assertEqual(2, self.knocks())

    def test_ends(self) -> None:
        """
        When it is stopped it ends at once, says that the door is still open, and leaves nothing
        behind.
        """
        result = self.keepOpen()
        self.successResultOf(self.shutDown())
        self.assertEqual(
            "stopped knocking on 192.0.2.1: its door closes by itself", self.successResultOf(result)
        )
        self.assertFalse(self.made[0].isRunning)
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_endsWhileKnocking(self) -> None:
        """The same is true during a knock, which does not go on."""
        attempt = Attempt(HOST4, PlainMethod(Sequence(PORTS), 30.0, 1.0), None, None, 5.0, 1)
        result = Deferred.fromCoroutine(KeepOpen(attempt, self.reactor, self.said.append).run())
        self.reactor.pump([0, 1])
        self.assertEqual(2, len(self.reactor.sent))
        self.successResultOf(self.shutDown())
        self.successResultOf(result)
        self.reactor.pump([1] * 5)
        self.assertEqual((2, []), (len(self.reactor.sent), self.said))

    def test_closes(self) -> None:
        """If the door can be closed, it is, and the reactor waits for that before it ends."""
        Closing.leaving = Deferred()
        result = self.keepOpen(ClosingMethod)
        left = self.shutDown()
        self.knock()
        self.assertNoResult(left)
        Closing.leaving.callback(None)
        self.successResultOf(left)
        self.assertEqual("asked 192.0.2.1 to close its door", self.successResultOf(result))

    def test_closingFails(self) -> None:
        """If that fails, it says why."""
        Closing.leaving = Deferred()
        result = self.keepOpen(ClosingMethod)
        self.shutDown()
        self.knock()
        Closing.leaving.errback(KnockError("no agent"))
        self.assertEqual(
            "could not ask 192.0.2.1 to close its door (cannot knock on 192.0.2.1: no "
            "agent): it closes by itself",
            self.successResultOf(result),
        )

    def test_closingIsSlow(self) -> None:
        """The reactor does not wait longer than three seconds."""
        Closing.leaving = Deferred()
        result = self.keepOpen(ClosingMethod)
        left = self.shutDown()
        self.knock()
        self.reactor.advance(2.9)
        self.assertNoResult(left)
        self.reactor.advance(0.1)
        self.successResultOf(left)
        self.assertIn("(it took too long)", self.successResultOf(result))
        self.assertTrue(Closing.leaving.called, "it was given up")

    def test_noKey(self) -> None:
        """If there is no key to knock with, or no passphrase is given, it ends."""

        class Keyless(PlainMethod):
            async def prepare(self, tools: Tools) -> None:
                """Fail."""
                raise KnockError("interrupted")

        attempt = Attempt(HOST4, Keyless(Sequence(PORTS), 30.0, 0.0), None, None, 5.0, 1)
        result = Deferred.fromCoroutine(KeepOpen(attempt, self.reactor, self.said.append).run())
        self.failureResultOf(result, KnockError)
        self.assertEqual([], self.said)

    def test_bug(self) -> None:
        """An unexpected error ends it, and does not delay the reactor."""

        def fail(line: str) -> None:
            raise ZeroDivisionError

        attempt = Attempt(HOST4, PlainMethod(Sequence(PORTS), 30.0, 0.0), None, None, 5.0, 1)
        result = Deferred.fromCoroutine(KeepOpen(attempt, self.reactor, fail).run())
        self.knock()
        self.failureResultOf(result, ZeroDivisionError)
        self.successResultOf(self.shutDown())
