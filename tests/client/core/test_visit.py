"""Tests of L{pkdoors.client.core.visit}."""

from collections.abc import Iterable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.actions import Abandon, Action, Connect, Listen, Say, Seal, Send
from pkdoors.client.core.attempt import LOOK, Attempt, lookFor
from pkdoors.client.core.methods import PlainMethod
from pkdoors.client.core.plan import Plan, RoundTrip, planPlain, planSealed
from pkdoors.client.core.visit import FOREVER, Visit
from pkdoors.model.knockports import TcpPort
from pkdoors.model.sequence import Sequence
from tests.client.names import HOST4, HOST6
from tests.fakes.doors import PORTS

SEQUENCE = Sequence(PORTS)
OTHER4 = "192.0.2.2"


class World:
    """
    Does what a visit asks for, and passes the time.

    @ivar now: the time.
    @ivar sent: what was sent: when, to which address, to which port.
    @ivar tried: the tries to connect: when, their number, to which address.
    @ivar said: what the user was told.
    @ivar pending: the numbers of the tries under way.
    @ivar unreachable: addresses without a route.
    @ivar unsealed: the addresses whose knocks are being made, if that takes time.
    @ivar firsts: for each knock, whether it was to be the first one on its address.
    """

    def __init__(self, plan: Plan, attempt: Attempt, *addresses: str) -> None:
        self.now = 100.0
        self.plan = plan
        self.isSlow = False
        self.sent: list[tuple[float, str, Any]] = []
        self.tried: list[tuple[float, int, str]] = []
        self.said: list[str] = []
        self.pending: set[int] = set()
        self.listening: list[int] = []
        self.unreachable: set[str] = set()
        self.unsealed: list[str] = []
        self.firsts: list[bool] = []
        self.visit = Visit(attempt, addresses)

    def begin(self) -> "World":
        """Begin."""
        self.do(self.visit.begin(self.now))
        return self

    def do(self, actions: Iterable[Action]) -> None:
        """Do what the visit asks for."""
        queue = list(actions)
        for action in queue:
            match action:
                case Seal(address, isFirst):
                    self.unsealed.append(address)
                    self.firsts.append(isFirst)
                    if not self.isSlow:
                        queue += self.seal()
                case Send(address, port):
                    if address in self.unreachable:
                        queue += self.visit.failed(address, "no route", self.now)
                    else:
                        self.sent.append((round(self.now - 100, 3), address, port))
                case Connect(number, address):
                    self.tried.append((round(self.now - 100, 3), number, address))
                    self.pending.add(number)
                case Abandon(number):
                    self.pending.remove(number)
                case Listen(number):
                    self.listening.append(number)
                case Say(line):
                    self.said.append(line)
            if action is queue[-1] and self.visit.nextTime() <= self.now:
                queue += self.visit.tick(self.now)

    def seal(self) -> list[Action]:
        """Finish a knock that is being made."""
        return self.visit.sealed(self.unsealed.pop(0), self.plan, self.now)

    def pass_(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while not self.visit.isOver and self.visit.nextTime() <= end + 1e-9:
            self.now = max(self.now, self.visit.nextTime())
            self.do(self.visit.tick(self.now))
        self.now = end

    def answer(self, number: int, greeting: bytes | None = b"SSH-2.0-x\r\n") -> None:
        """Let a try succeed, and the server speak."""
        self.do(self.visit.connected(number, self.now))
        if greeting is not None and self.listening:
            self.do(self.visit.greeted(greeting, self.now))

    def refuse(self, number: int) -> None:
        """Let a try fail."""
        self.pending.discard(number)
        self.do(self.visit.disconnected(number, True, self.now))


def makeWorld(*addresses: str, plan: Plan | None = None, **fields: Any) -> World:
    """Return a world with a visit to some addresses."""
    method = PlainMethod(SEQUENCE, 0.0, 0.02)
    attempt = Attempt(**{"host": "host.example", "method": method, "look": 0.0, **fields})
    return World(plan or planPlain(SEQUENCE, b"knock\n", 0.02), attempt, *addresses)


class KnockTests(SynchronousTestCase):
    """How a visit knocks."""

    def test_order(self) -> None:
        """Each port gets one datagram, in order, with the interval between; then it is over."""
        world = makeWorld(HOST4).begin()
        world.pass_(0.07)
        self.assertFalse(world.visit.isOver)
        world.pass_(0.01)
        self.assertEqual(
            [(round(0.02 * place, 3), HOST4, port) for place, port in enumerate(PORTS)], world.sent
        )
        self.assertEqual((HOST4,), world.visit.outcome and world.visit.outcome.knocked)
        self.assertEqual(FOREVER, world.visit.nextTime())

    def test_late(self) -> None:
        """
        If the driver comes too late, the order and the pauses are still right: datagrams that leave
        together may overtake each other.
        """
        world = makeWorld(HOST4).begin()
        world.now += 10
        world.do(world.visit.tick(world.now))
        self.assertFalse(world.visit.isOver)
        world.pass_(0.06)
        self.assertEqual(list(PORTS), [port for _, _, port in world.sent])
        self.assertEqual([0.0, 10.0, 10.02, 10.04, 10.06], [when for when, _, _ in world.sent])
        self.assertTrue(world.visit.isOver)

    def test_tcp(self) -> None:
        """TCP ports are knocked on in their places."""
        ports = (1, TcpPort(2), 3, TcpPort(1), 4)
        world = makeWorld(HOST4, plan=planPlain(Sequence(ports), b"", 0.0)).begin()
        self.assertEqual(list(ports), [port for _, _, port in world.sent])

    def test_bothFamilies(self) -> None:
        """IPv4 and IPv6 are knocked on at the same time."""
        world = makeWorld(HOST6, HOST4).begin()
        world.pass_(0.08)
        self.assertEqual({HOST4, HOST6}, {address for when, address, _ in world.sent if not when})
        self.assertEqual((HOST6, HOST4), world.visit.outcome and world.visit.outcome.knocked)

    def test_oneAfterAnother(self) -> None:
        """Several addresses of one family come one after another: they may belong to one host."""
        world = makeWorld(HOST4, OTHER4).begin()
        world.pass_(0.16)
        self.assertEqual([HOST4] * 5 + [OTHER4] * 5, [address for _, address, _ in world.sent])
        self.assertTrue(world.visit.outcome)

    def test_oneIsSealed(self) -> None:
        """Only one knock is made at a time: the user may have to touch a key for each."""
        world = makeWorld(HOST4, HOST6)
        world.isSlow = True
        world.begin()
        self.assertEqual([HOST4], world.unsealed)
        world.pass_(5)
        world.do(world.seal())
        self.assertEqual([HOST6], world.unsealed)
        world.pass_(1)
        self.assertEqual(5, len(world.sent))
        world.do(world.seal())
        world.pass_(1)
        self.assertEqual((10, []), (len(world.sent), world.unsealed))
        self.assertTrue(world.visit.outcome)

    def test_oneUnreachable(self) -> None:
        """An address without a route does not affect the others."""
        for addresses in ((HOST6, HOST4), (HOST4, OTHER4)):
            world = makeWorld(*addresses)
            world.unreachable = {addresses[0]}
            world.begin().pass_(1)
            self.assertEqual(addresses[1:], world.visit.outcome and world.visit.outcome.knocked)

    def test_unreachableLater(self) -> None:
        """If a route vanishes, nothing more is sent there, and the address does not count."""
        world = makeWorld(HOST4, HOST6).begin()
        world.pass_(0.03)
        world.unreachable = {HOST6}
        world.pass_(1)
        self.assertEqual(2, sum(address == HOST6 for _, address, _ in world.sent))
        self.assertEqual((HOST4,), world.visit.outcome and world.visit.outcome.knocked)

    def test_noneReachable(self) -> None:
        """If no address can be knocked on, that is an error with the reason."""
        world = makeWorld(HOST4, HOST6)
        world.unreachable = {HOST4, HOST6}
        world.begin()
        self.assertEqual(f"cannot knock on {HOST4}: no route", str(world.visit.error))

    def test_notSealed(self) -> None:
        """The same is true if no knock can be made."""
        world = makeWorld(HOST4, HOST6)
        world.isSlow = True
        world.begin()
        for address in (HOST4, HOST6):
            world.do(world.visit.failed(address, "no key", world.now))
        self.assertEqual(f"cannot knock on {HOST4}: no key", str(world.visit.error))


class WaitTests(SynchronousTestCase):
    """How a visit waits for a port."""

    def test_opened(self) -> None:
        """It tries to connect as soon as the knock is complete, and says how long it took."""
        world = makeWorld(HOST4, HOST6, port=22).begin()
        world.pass_(0.079)
        self.assertEqual([], world.tried)
        world.pass_(0.001)
        self.assertEqual([(0.08, 1, HOST4), (0.08, 2, HOST6)], world.tried)
        world.pass_(0.25)
        world.answer(2)
        outcome = world.visit.outcome
        assert outcome
        self.assertEqual(
            f"22/tcp of host.example opened 250ms after the knock ({HOST6})", str(outcome)
        )
        self.assertEqual((HOST6, False), (outcome.answered, outcome.wasOpen))
        self.assertEqual({2}, world.pending)

    def test_sealed(self) -> None:
        """After a sealed knock it does not wait for the rounds that replace lost datagrams."""
        world = makeWorld(HOST4, plan=planSealed(SEQUENCE, [b"x"]), port=22).begin()
        self.assertEqual([(0.0, 1, HOST4)], world.tried)
        world.answer(1)
        self.assertFalse(world.visit.isOver)
        world.pass_(1)
        self.assertEqual(15, len(world.sent))
        self.assertTrue(world.visit.outcome)

    def test_clockAtZero(self) -> None:
        """A clock may begin at 0: a time of 0 is a time like others."""
        world = makeWorld(HOST4, plan=planPlain(SEQUENCE, b"", 0.0), port=22)
        world.now = 0.0
        world.begin().pass_(0.25)
        world.answer(1)
        self.assertEqual(0.25, world.visit.outcome and world.visit.outcome.seconds)

    def test_pace(self) -> None:
        """It tries again after 5 ms, then after twice the pause each time, up to half a second."""
        world = makeWorld(HOST4, plan=planPlain(SEQUENCE, b"", 0.0), port=22).begin()
        world.pass_(3)
        when = [when for when, _, _ in world.tried]
        self.assertEqual([0.0, 0.005, 0.015, 0.035, 0.075, 0.155, 0.315, 0.635, 1.135], when[:9])

    def test_bound(self) -> None:
        """However long it waits, only the newest 32 tries stay under way."""
        world = makeWorld(HOST4, plan=planPlain(SEQUENCE, b"", 0.0), port=22, timeout=100).begin()
        world.pass_(90)
        self.assertEqual(32, len(world.pending))
        self.assertEqual(max(number for _, number, _ in world.tried), max(world.pending))

    def test_earlierTry(self) -> None:
        """An answer to an earlier try counts as well."""
        world = makeWorld(HOST4, port=22).begin()
        world.pass_(1)
        world.answer(1)
        self.assertTrue(world.visit.outcome)
        self.assertEqual({1}, world.pending)

    def test_knocksAgain(self) -> None:
        """If nothing answers in time, it knocks again, and says so."""
        world = makeWorld(HOST4, port=22).begin()
        world.pass_(5.08)
        self.assertEqual(["no answer yet, knocking again (2 left)"], world.said)
        self.assertEqual(set(), world.pending)
        world.pass_(0.08)
        self.assertEqual(10, len(world.sent))
        world.answer(max(world.pending))
        self.assertIn("opened 0s after the knock", str(world.visit.outcome))

    def test_firsts(self) -> None:
        """Only the knocks of the first try are asked for as first ones, on all addresses."""
        world = makeWorld(HOST4, OTHER4, HOST6, port=22, tries=3, timeout=0.5).begin()
        world.pass_(9)
        self.assertEqual([True] * 3 + [False] * 6, world.firsts)

    def test_gaveUp(self) -> None:
        """After the last knock it fails, and says what to check."""
        world = makeWorld(HOST4, port=22, tries=2, timeout=0.5).begin()
        world.pass_(2)
        self.assertEqual(
            "22/tcp of host.example did not answer within 500ms (knocked 2 times): check that the "
            "sequence is right, that the knocks reach the host, and that its daemon protects that "
            "port; see the daemon's log",
            str(world.visit.error),
        )
        self.assertEqual(10, len(world.sent))

    def test_refused(self) -> None:
        """If the host refuses connections until the end, it says what that means."""
        world = makeWorld(HOST4, port=22, tries=1).begin()
        world.pass_(0.08)
        world.refuse(1)
        self.assertFalse(world.visit.isOver)
        world.pass_(5)
        self.assertIn("refuses connections to 22/tcp: the door is probably", str(world.visit.error))

    def test_refusedAtFirst(self) -> None:
        """A refusal by an earlier knock's tries does not count."""
        world = makeWorld(HOST4, port=22, tries=2).begin()
        world.pass_(0.08)
        world.refuse(1)
        world.pass_(5.5)
        self.assertEqual(["connection refused, knocking again (1 left)"], world.said)
        world.pass_(5)
        self.assertIn("did not answer", str(world.visit.error))

    def test_onlyReached(self) -> None:
        """It tries only the addresses that it could knock on."""
        world = makeWorld(HOST4, HOST6, port=22)
        world.unreachable = {HOST6}
        world.begin().pass_(1)
        self.assertEqual({HOST4}, {address for _, _, address in world.tried})

    def test_wasOpen(self) -> None:
        """A port that answers before the knock was open; it is knocked on once all the same."""
        world = makeWorld(HOST4, port=22, look=LOOK).begin()
        self.assertEqual([], world.sent)
        world.answer(1)
        world.pass_(10)
        outcome = world.visit.outcome
        assert outcome
        self.assertEqual(f"22/tcp of host.example was open already ({HOST4})", str(outcome))
        self.assertTrue(outcome.wasOpen)
        self.assertEqual((5, 1), (len(world.sent), len(world.tried)))

    def test_lateAnswer(self) -> None:
        """An answer to a try from before the knock shows that the port was open..."""
        world = makeWorld(HOST4, port=22, look=LOOK).begin()
        world.pass_(0.3)
        world.answer(1)
        assert world.visit.outcome
        self.assertTrue(world.visit.outcome.wasOpen)

    def test_repeatedPacket(self) -> None:
        """... but not after a second, when TCP has repeated its packet."""
        world = makeWorld(HOST4, port=22, look=LOOK).begin()
        world.pass_(1.2)
        world.answer(1)
        assert world.visit.outcome
        self.assertFalse(world.visit.outcome.wasOpen)

    def test_cannotKnock(self) -> None:
        """If the port was open, but the knock fails, that is an error: it prolongs nothing."""
        world = makeWorld(HOST4, port=22, look=LOOK)
        world.unreachable = {HOST4}
        world.begin().answer(1)
        self.assertIn("no route", str(world.visit.error))

    def test_silentServer(self) -> None:
        """A server that does not speak first is waited for 0.3 s."""
        world = makeWorld(HOST4, port=80).begin()
        world.pass_(0.08)
        world.answer(1, greeting=None)
        self.assertEqual([1], world.listening)
        world.pass_(0.29)
        self.assertFalse(world.visit.isOver)
        world.pass_(0.02)
        self.assertEqual("", world.visit.outcome and world.visit.outcome.note)

    def test_penalty(self) -> None:
        """It explains what sshd says to addresses that it penalizes."""
        world = makeWorld(HOST4, port=22).begin()
        world.pass_(0.08)
        world.answer(1, b"Not allowed at this time\r\n")
        assert world.visit.outcome
        self.assertIn("(PerSourcePenalties): wait a minute", world.visit.outcome.note)

    def test_afterTheEnd(self) -> None:
        """Whatever comes after the end changes nothing."""
        world = makeWorld(HOST4, port=22).begin()
        world.pass_(0.08)
        world.answer(1)
        outcome, visit = world.visit.outcome, world.visit
        later = [
            visit.tick(1000.0),
            visit.connected(1, 1000.0),
            visit.disconnected(1, True, 1000.0),
            visit.failed(HOST4, "late", 1000.0),
            visit.sealed(HOST4, world.plan, 1000.0),
        ]
        self.assertEqual([[]] * 5, later)
        self.assertEqual((outcome, None), (visit.outcome, visit.error))


class RaceTests(SynchronousTestCase):
    """How a visit gets a connection that the user wants."""

    def race(self, *addresses: str, **fields: Any) -> World:
        """Begin a race."""
        return makeWorld(*addresses, port=22, look=LOOK, isRace=True, **fields).begin()

    def test_open(self) -> None:
        """If the port answers, nothing is made and nothing sent."""
        world = self.race(HOST4, HOST6)
        self.assertEqual([(0.0, 1, HOST4), (0.0, 2, HOST6)], world.tried)
        world.pass_(0.05)
        world.answer(2)
        self.assertEqual((2, []), (world.visit.taken, world.sent + world.unsealed))
        self.assertEqual({2}, world.pending)
        self.assertTrue(world.visit.outcome and world.visit.outcome.wasOpen)

    def test_closed(self) -> None:
        """If it does not answer for a moment, there is a knock, and there are more tries."""
        world = self.race(HOST4)
        world.pass_(LOOK - 0.001)
        self.assertEqual([], world.sent)
        world.pass_(0.081)
        self.assertEqual((5, 2), (len(world.sent), len(world.tried)))
        world.answer(2)
        self.assertEqual(2, world.visit.taken)
        self.assertEqual({2}, world.pending)

    def test_first(self) -> None:
        """Whichever answers first counts, in the middle of the knock, too, which ends there."""
        world = self.race(HOST4)
        world.pass_(LOOK + 0.03)
        world.answer(1)
        self.assertTrue(world.visit.isOver)
        world.pass_(1)
        self.assertEqual((1, 2), (world.visit.taken, len(world.sent)))

    def test_whileSealing(self) -> None:
        """So does one that answers while the user is asked for a touch."""
        world = self.race(HOST4)
        world.isSlow = True
        world.pass_(1)
        self.assertEqual([HOST4], world.unsealed)
        world.answer(1)
        self.assertTrue(world.visit.outcome)

    def test_refused(self) -> None:
        """If all addresses refuse, there is a knock at once."""
        world = self.race(HOST4, HOST6)
        world.refuse(1)
        self.assertEqual([], world.sent)
        world.refuse(2)
        self.assertEqual(2, len(world.sent))

    def test_look(self) -> None:
        """The time for an answer suits the path, and is 150 ms at most."""
        for mean, variation, look in ((0.001, 0, 0.011), (0.06, 0.005, 0.09), (3.0, 0, 0.15)):
            self.assertAlmostEqual(look, lookFor(RoundTrip(mean, variation)))
        self.assertEqual(0.1, lookFor(None))
