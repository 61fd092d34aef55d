"""Tests of L{pkdoors.daemon.fleet.outbox}."""

from base64 import b64encode

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.fleet.outbox import AGAIN, MAX_WAITING, Fields, Outbox
from tests.fakes.log import Log


class FakeFollower:
    """
    Notes what it gets.

    @ivar room: how much it reads before it is busy.
    """

    def __init__(self, room: int = 10**9) -> None:
        self.room = room
        self.got: list[tuple[str, Fields]] = []
        self.isDropped = False

    def isReady(self) -> bool:
        """See L{Follower.isReady}."""
        return self.room > 0

    def send(self, kind: str, fields: Fields) -> None:
        """See L{Follower.send}."""
        self.room -= 1
        self.got.append((kind, fields))

    def drop(self) -> None:
        """See L{Follower.drop}."""
        self.isDropped = True

    def seals(self) -> list[str]:
        """Return the seals so far."""
        return [fields["seal"] for kind, fields in self.got if kind == "seal"]


class OutboxTests(SynchronousTestCase):
    """
    Seals for the fleet's process.
    """

    def setUp(self) -> None:
        """Make an outbox."""
        self.log = Log(self)
        self.clock = Clock()
        self.outbox = Outbox(self.clock.seconds)
        self.gone = 0
        self.outbox.onGone = self.noteGone

    def noteGone(self) -> None:
        """Count the ends of followers."""
        self.gone += 1

    def put(self, *numbers: int) -> list[str]:
        """Put seals in; return them as they come out."""
        seals = [b"seal %d" % number for number in numbers]
        for seal in seals:
            self.outbox.putSeal(seal, "192.0.2.7", 1.23456, True)
        return [b64encode(seal).decode() for seal in seals]

    def follow(self, room: int = 10**9) -> FakeFollower:
        """Begin to follow."""
        follower = FakeFollower(room)
        self.outbox.follow(follower)
        return follower

    def test_atOnce(self) -> None:
        """A seal is sent at once, with all that is known of it."""
        follower = self.follow()
        (text,) = self.put(1)
        fields = {"seal": text, "source": "192.0.2.7", "time": 1.235, "isBound": True}
        self.assertEqual([("seal", fields)], follower.got)

    def test_waits(self) -> None:
        """Without a follower, and while it does not read, seals wait, in order."""
        seals = self.put(1, 2, 3)
        follower = self.follow(room=1)
        seals += self.put(4)
        self.assertEqual(seals[:1], follower.seals())
        follower.room = 2
        self.outbox.proceed(follower)
        self.assertEqual(seals[:3], follower.seals())
        follower.room = 9
        self.outbox.proceed(follower)
        self.assertEqual(seals, follower.seals())

    def test_dropped(self) -> None:
        """
        Of too many, the oldest give way. They are counted for the follower, and the log has a line
        at the beginning and one at the end.
        """
        seals = self.put(*range(MAX_WAITING + 5))
        self.assertEqual((MAX_WAITING, 5), (len(self.outbox), self.outbox.dropped))
        self.assertEqual(1, len(self.log.lines()))
        follower = self.follow()
        self.assertEqual(seals[5:], follower.seals())
        self.assertEqual(("dropped", {"count": 5}), follower.got[-1])
        self.assertIn("5 seals were dropped", self.log.lines()[-1])
        self.put(1)
        self.assertEqual(2, len(self.log.lines()))

    def test_takeOver(self) -> None:
        """A new follower takes over; what the earlier one got lately is sent once more."""
        first = self.follow()
        old = self.put(1)
        self.clock.advance(AGAIN)
        seals = self.put(2, 3)
        second = self.follow()
        self.assertEqual((old + seals, True), (first.seals(), first.isDropped))
        seals += self.put(4)
        self.assertEqual((seals, 1), (second.seals(), self.gone))
        self.outbox.leave(first)  # it has gone long since
        self.assertTrue(self.outbox.isFollowed)

    def test_left(self) -> None:
        """When a follower leaves, seals wait for the next one, behind those of the last seconds."""
        first = self.follow()
        seals = self.put(1)
        self.outbox.leave(first)
        self.assertEqual((False, 1), (self.outbox.isFollowed, self.gone))
        seals += self.put(2)
        self.assertEqual(seals, self.follow().seals())

    def test_claims(self) -> None:
        """A claim does not wait behind seals, but for nobody who is away or does not read."""
        self.assertFalse(self.outbox.ask(1, "name", 1000))
        busy = self.follow(room=1)
        self.put(1, 2)
        self.assertFalse(self.outbox.ask(2, "name", 1000))
        busy.room = 1
        self.assertTrue(self.outbox.ask(3, "name", 1000))
        self.assertEqual(("claim", {"id": 3, "name": "name", "milliseconds": 1000}), busy.got[-1])

    def test_orders(self) -> None:
        """The wish for all orders waits for a follower that reads, and is sent once."""
        self.outbox.askForOrders()
        busy = self.follow(room=0)
        self.assertEqual([], busy.got)
        busy.room = 2
        for _ in range(2):
            self.outbox.proceed(busy)
        self.assertEqual([("orders", {})], busy.got)
