"""Tests of L{pkdoors.doorkeeper.admission}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import Config
from pkdoors.doorkeeper import admission
from pkdoors.doorkeeper.admission import MAX_OPENED, Admission, findOwner
from pkdoors.locks.lock import Request
from pkdoors.model.principal import NOBODY, OPERATOR, Principal
from tests.doorkeeper.case import ANN, BOB, KeeperTestCase
from tests.fakes.doors import makeDoor


class BoundTests(KeeperTestCase):
    """
    The limits to the number of openings.
    """

    def test_bound(self) -> None:
        """
        The limits are sixteen thousand openings of a door, sixty-five thousand in all, and fifteen
        hundred new ones a second.
        """
        self.assertEqual(
            (16_384, 65_536, 1500), (makeDoor().mostOpenings, Config(()).maxOpenings, MAX_OPENED)
        )

    def limit(self, most: int) -> None:
        """Let the door have a few openings only."""
        self.door = makeDoor(mostOpenings=most)
        self.keeper = self.makeKeeper(self.door)

    def test_eachDoor(self) -> None:
        """The openings of one door do not use up those of another."""
        self.door = makeDoor(mostOpenings=1)
        web = makeDoor((1, 2, 3, 4, 5), ports="443", name="web", mostOpenings=1)
        self.keeper = self.makeKeeper(self.door, web)
        for door in (self.door, web, web):
            self.keeper.request(Request(door, ANN if door is web else BOB, 0))
        self.assertEqual([(BOB, 30.0), (ANN, 30.0)], self.openings())

    def test_fast(self) -> None:
        """Knocks beyond the rate are refused, and the operator hears why."""
        self.patch(admission, "MAX_OPENED", 2)
        self.keeper = self.makeKeeper(self.door)
        for last in range(4):
            self.request(source=f"10.0.0.{last}")
        self.assertEqual(2, len(self.openings()))
        self.assertEqual(
            "refused door default (22/tcp) for 10.0.0.2: 2 opened in a second, the maximum: "
            "perhaps others know its sequence",
            self.log.lines()[-2],
        )
        self.clock.advance(0.5)
        for last in range(4, 6):
            self.request(source=f"10.0.0.{last}")
        self.assertEqual(3, len(self.openings()))

    def test_fastWithName(self) -> None:
        """The rate does not apply to clients that are known by a seal, or to the operator."""
        self.patch(admission, "MAX_OPENED", 0)
        self.keeper = self.makeKeeper(self.door)
        self.keeper.request(Request(self.door, ANN, 0, who=OPERATOR))
        self.keeper.request(Request(self.door, BOB, 0, who=Principal("anna@laptop")))
        self.request(source="10.0.0.1")
        self.assertEqual([ANN, BOB], [source for source, _ in self.openings()])

    def test_fastAgain(self) -> None:
        """Clients that are in, and knock again and again, have a rate of their own."""
        self.patch(admission, "MAX_OPENED", 3)
        self.keeper = self.makeKeeper(self.door)
        for seconds in range(31, 41):
            self.request(seconds)
        self.assertEqual([(ANN, 34.0)], self.openings())
        self.assertIn("3 opened in a second, the maximum", self.log.lines()[-1])
        self.request(source=BOB)
        self.assertEqual([(ANN, 34.0), (BOB, 30.0)], self.openings())

    def test_full(self) -> None:
        """One opening more than the maximum is refused, and the operator hears of it."""
        self.limit(2)
        for source in (ANN, BOB, "10.0.0.1"):
            self.request(source=source)
        self.assertEqual({ANN: 30.0, BOB: 30.0}, self.firewall.open_())
        self.assertEqual(
            "refused door default (22/tcp) for 10.0.0.1: 2 openings already, the maximum",
            self.log.lines()[-1],
        )

    def test_extensionWhenFull(self) -> None:
        """A client that is in can extend its opening even if there are as many as possible."""
        self.limit(1)
        self.request()
        self.request(60)
        self.assertEqual({ANN: 60.0}, self.firewall.open_())

    def test_placeIsGivenBack(self) -> None:
        """A closing makes room."""
        self.limit(1)
        self.request()
        self.clock.advance(30)
        self.request(source=BOB)
        self.assertEqual({BOB: 60.0}, self.firewall.open_())


class ShareTests(SynchronousTestCase):
    """
    Tests of L{Admission}: nobody takes the places of all others.
    """

    def setUp(self) -> None:
        """Make eight doors that may have twenty openings each, and forty in all."""
        self.doors = {name: makeDoor(name=name, mostOpenings=20) for name in "abcdefgh"}
        self.admission = Admission(self.doors.values(), 40)

    def fill(self, name: str, owner: str = "") -> int:
        """Open a door for others as often as possible; return how often that was."""
        count = 0
        while not self.admission.findFull(self.doors[name], owner):
            self.admission.began(name, owner)
            count += 1
        return count

    def test_floods(self) -> None:
        """
        Whatever comes to some doors, each other one has an equal share of half of all openings.
        """
        # Each door has two; twenty-four others are for whoever comes first.
        self.assertEqual([20, 8, 2, 2, 2, 2, 2, 2], [self.fill(name) for name in "abcdefgh"])
        self.assertEqual(
            "40 openings of all doors already, the maximum",
            self.admission.findFull(self.doors["b"], ""),
        )
        self.assertEqual(
            "20 openings already, the maximum", self.admission.findFull(self.doors["a"], "")
        )

    def test_ended(self) -> None:
        """What ends makes room, at first for what exceeds the shares."""
        for name in "abcdefgh":
            self.fill(name)
        for _ in range(8):
            self.admission.ended("b", "")
        self.assertEqual((0, 6), (self.fill("a"), self.fill("c")))
        self.assertEqual(2, self.fill("b"))

    def test_reload(self) -> None:
        """Other doors, or another number, are heeded at once."""
        self.fill("a")
        self.admission.setDoors([self.doors["a"]], 30)
        self.assertEqual(0, self.fill("a"))
        self.admission.setDoors([makeDoor(name="a", mostOpenings=25)])
        self.doors["a"] = makeDoor(name="a", mostOpenings=25)
        self.assertEqual(5, self.fill("a"))
        self.doors["b"] = makeDoor(name="b", mostOpenings=90)
        self.admission.setDoors(self.doors.values(), 100)
        # Each door has a share of 6, and they share 52; 19 of these are taken.
        self.assertEqual(6 + 52 - 19, self.fill("b"))

    def test_oneKey(self) -> None:
        """A key that has many openings cannot have the last quarter of a door's."""
        door = makeDoor(name="a", mostOpenings=640)
        self.doors, self.admission = {"a": door}, Admission([door], 2000)
        self.assertEqual(480, self.fill("a", "SHA256:one"))
        self.assertEqual(
            "480 openings already, and 480 of SHA256:one: the last places are for others",
            self.admission.findFull(door, "SHA256:one"),
        )
        self.assertEqual(10, self.fill("a", "SHA256:another"))
        self.assertEqual(150, self.fill("a"))

    def test_oneKeyAtAllDoors(self) -> None:
        """Nor can it have the last quarter of those that doors share."""
        self.doors = {name: makeDoor(name=name, mostOpenings=64) for name in "ab"}
        self.admission = Admission(self.doors.values(), 80)
        # Each door has a share of 20, so they share 40.
        self.assertEqual(48, self.fill("a", "SHA256:one"))
        self.assertEqual(22, self.fill("b", "SHA256:one"))
        self.assertEqual(1, self.fill("b", "SHA256:another"))
        self.assertEqual(9, self.fill("b"))

    def test_owner(self) -> None:
        """A key is answerable for its openings, and so is a site; the operator is not."""
        ann = Principal("ann", "SHA256:ann")
        for source, who, owner in (
            (ANN, ann, "SHA256:ann"),
            (BOB, ann, "SHA256:ann"),
            (BOB, NOBODY, "2001:db8:0"),
            (ANN, NOBODY, ""),
            (BOB, OPERATOR, ""),
        ):
            self.assertEqual(owner, findOwner(source, who))
