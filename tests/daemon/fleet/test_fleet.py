"""Tests of L{pkdoors.daemon.fleet.fleet}."""

from dataclasses import replace

from twisted.internet.defer import Deferred

from pkdoors.admin.operations import Operations
from pkdoors.config.config import Config
from pkdoors.config.fleet import REFUSE
from pkdoors.daemon.fleet.fleet import PATIENCE, SPARE
from pkdoors.doorkeeper.openings.state import Selection
from pkdoors.doorkeeper.outcome import Outcome
from pkdoors.errors import NotFound
from pkdoors.model.doors import MAX_SKEW, Door
from tests.daemon.fleet.case import ANN, ANNAS, BOB, GATE, HOST, FleetTestCase, order, seal
from tests.fakes.doors import makeDoor
from tests.lab.sealing import makeKey


class RelayedTests(FleetTestCase):
    """
    Seals that other hosts have heard.
    """

    def test_opens(self) -> None:
        """A relayed seal opens for the time that is left since it was made."""
        self.assertEqual(Outcome("opened"), self.relay(seal(ago=10)))
        self.assertEqual({ANN: 20.0}, self.open_())
        self.assertTrue(self.last().endswith(f", by anna ({ANNAS}), via gate1"))

    def test_again(self) -> None:
        """However often it comes, it ends at the same time, and has one line."""
        datagram = seal(ago=10)
        self.relay(datagram)
        count = len(self.log.lines())
        self.clock.advance(5)
        self.assertEqual(Outcome("nothing"), self.relay(datagram))
        self.assertEqual(({ANN: 20.0}, count), (self.open_(), len(self.log.lines())))

    def test_over(self) -> None:
        """What is over opens nothing, without a line."""
        count = len(self.log.lines())
        self.assertEqual(Outcome("over"), self.relay(seal(ago=3600)))
        self.assertEqual(({}, count), (self.open_(), len(self.log.lines())))

    def test_refused(self) -> None:
        """A seal that is refused has one line, and the answer has the reason."""
        outcome = self.relay(seal(key=makeKey()))
        self.assertEqual("refused", outcome.result)
        self.assertIn(outcome.reason, self.last())
        self.relay(seal(key=makeKey()))
        self.assertEqual(1, len([line for line in self.log.lines() if "refused" in line]))

    def test_otherDoor(self) -> None:
        """A seal for a door that this host does not have is none of its business."""
        self.assertEqual(Outcome("nothing"), self.relay(seal(door="other")))

    def test_malformed(self) -> None:
        """A line that cannot be read is answered, and nothing else happens."""
        outcome = self.post(host=GATE)
        self.assertEqual(("refused", True), (outcome.result, "not an object" in outcome.reason))

    def test_notPassedOn(self) -> None:
        """A relayed seal is not passed on once more."""
        self.relay(seal())
        self.relay(seal(close=True))
        self.assertEqual([], self.sent())

    def test_thenHeard(self) -> None:
        """The same datagram over UDP later was seen before."""
        datagram = seal()
        self.relay(datagram)
        self.hear(datagram)
        self.assertIn("seen before", self.last())
        self.assertEqual([], self.sent())


class HeardTests(FleetTestCase):
    """
    Seals that this host has heard.
    """

    def test_passedOn(self) -> None:
        """A seal is passed on as it was, once its door is open."""
        self.firewall.holding = True
        datagram = seal()
        self.hear(datagram)
        self.assertEqual([], self.follower.got)
        self.firewall.answer()
        (fields,) = [fields for _, fields in self.follower.got]
        self.assertEqual([datagram], self.sent())
        self.assertEqual((ANN, True), (fields["source"], fields["isBound"]))

    def test_first(self) -> None:
        """A seal is passed on before the log says that the door is open: other hosts wait."""
        passed: list[int] = []
        self.daemon.publisher.subscribe(lambda event: passed.append(len(self.sent())))
        self.hear(seal())
        self.assertEqual([1], passed)

    def test_close(self) -> None:
        """A seal that closes is passed on, too; what was made before opens nothing any more."""
        old, new = seal(), seal(ago=-2)
        self.relay(old)
        self.hear(seal(ago=-1, close=True))
        self.assertEqual(({}, 1), (self.open_(), len(self.sent())))
        self.assertEqual("refused", self.relay(old).result)
        self.assertEqual("opened", self.relay(new).result)

    def test_refused(self) -> None:
        """A seal that opens nothing here is not passed on."""
        self.hear(seal(key=makeKey()))
        self.hear(seal(ago=600))
        self.assertEqual([], self.follower.got)

    def test_away(self) -> None:
        """Without anybody who follows, the door opens as ever, and the seal waits."""
        self.fleet.leave(self.follower)
        datagram = seal()
        self.hear(datagram)
        self.assertEqual({ANN: 30.0}, self.open_())
        self.fleet.follow(self.follower)
        self.assertEqual([datagram], self.sent())

    def test_comesBack(self) -> None:
        """A host that gets its own seal again does nothing."""
        datagram = seal()
        self.hear(datagram)
        count = len(self.log.lines())
        self.clock.advance(1)
        self.assertEqual(Outcome("nothing"), self.relay(datagram, host=HOST))
        self.assertEqual(({ANN: 30.0}, count), (self.open_(), len(self.log.lines())))


class ClaimTests(FleetTestCase):
    """
    Seals that name no address.
    """

    def knock(self) -> int:
        """Hear one; return the number of the claim."""
        self.hear(seal(bind="*"))
        number: int = self.sent("claim")[-1]["id"]
        return number

    def test_won(self) -> None:
        """It opens when this host has claimed it, for as long as anybody could use it elsewhere."""
        number = self.knock()
        self.assertEqual({}, self.open_())
        (claim,) = self.sent("claim")
        self.assertEqual(1000 * (self.door.clockSkew + MAX_SKEW + SPARE), claim["milliseconds"])
        self.assertRegex(claim["name"], "^[0-9a-f]{64}$")
        self.assertEqual(Outcome("nothing"), self.post(claim=number, won=True))
        self.assertEqual({ANN: 30.0}, self.open_())

    def test_lost(self) -> None:
        """If another host was first, it opens nothing, and one line says so."""
        self.post(claim=self.knock(), won=False)
        self.assertEqual({}, self.open_())
        self.assertIn("another host of the fleet has opened for this knock", self.last())

    def test_twice(self) -> None:
        """A second answer changes nothing."""
        number = self.knock()
        self.post(claim=number, won=False)
        self.post(claim=number, won=True)
        self.assertEqual({}, self.open_())

    def test_notPassedOn(self) -> None:
        """It does not leave this host: a reader could use it elsewhere from its own address."""
        self.post(claim=self.knock(), won=True)
        self.assertEqual([], self.sent())

    def test_trusted(self) -> None:
        """Unless this host is one whose word counts."""
        self.fleet.use(replace(self.config, trust=(HOST,)))
        self.post(claim=self.knock(), won=True)
        (fields,) = [fields for kind, fields in self.follower.got if kind == "seal"]
        self.assertEqual((ANN, False), (fields["source"], fields["isBound"]))

    def test_alone(self) -> None:
        """If the fleet does not answer within a second, it opens, with a line."""
        self.knock()
        self.clock.advance(1)
        self.assertEqual({ANN: 31.0}, self.open_())
        self.assertTrue([line for line in self.log.lines() if "the fleet does not answer" in line])

    def test_noFollower(self) -> None:
        """If nobody follows, it does not even wait; nor if nobody can tell."""
        number = self.knock()
        self.post(claim=number, won=None)
        self.assertEqual({ANN: 30.0}, self.open_())
        self.fleet.leave(self.follower)
        self.hear(seal(bind="*"), source=BOB)
        self.assertEqual({ANN, BOB}, {*self.open_()})

    def test_left(self) -> None:
        """If the follower leaves, nobody waits for its answer any more."""
        self.knock()
        self.fleet.leave(self.follower)
        self.assertEqual({ANN: 30.0}, self.open_())

    def test_refuse(self) -> None:
        """With C{when_alone = "refuse"} it is refused instead."""
        self.fleet.use(replace(self.config, whenAlone=REFUSE))
        self.knock()
        self.clock.advance(1)
        self.assertEqual({}, self.open_())
        self.assertIn("the fleet does not answer", self.last())

    def test_bound(self) -> None:
        """A seal that names its address waits for nothing, and neither does one that closes."""
        self.hear(seal())
        self.assertEqual({ANN: 30.0}, self.open_())
        self.hear(seal(bind="*", close=True, ago=-1))
        self.assertEqual(({}, []), (self.open_(), self.sent("claim")))

    def test_closedMeanwhile(self) -> None:
        """An order that comes while it waits counts."""
        number = self.knock()
        self.give(order("close", "*", at=1))
        self.post(claim=number, won=True)
        self.assertEqual({}, self.open_())
        self.assertIn("closed the door since this knock was made", self.last())

    def test_bannedMeanwhile(self) -> None:
        """A ban counts likewise."""
        number = self.knock()
        self.give(order("ban", ANNAS))
        self.post(claim=number, won=True)
        self.assertEqual({}, self.open_())
        self.assertIn("is banned in the whole fleet", self.last())

    def test_closedByOperatorMeanwhile(self) -> None:
        """So does a closing by the operator here, even if the clock of the sender is ahead."""
        self.hear(seal(bind="*", ago=-30))
        number = self.sent("claim")[-1]["id"]
        self.clock.advance(0.2)
        self.keeper.onClose("", "")
        self.clock.advance(0.2)
        self.post(claim=number, won=True)
        self.assertEqual({}, self.open_())
        self.assertIn("closed the door since this knock was made", self.last())

    def test_reloadedMeanwhile(self) -> None:
        """So does a new configuration: the door that counts is the one that is in place."""
        number = self.knock()
        self.change(replace(self.door, openFor=7.0))
        self.post(claim=number, won=True)
        self.assertEqual({ANN: 7.0}, self.open_())
        other = self.knock()
        self.change(replace(self.door, name="other"))
        self.post(claim=other, won=True)
        self.assertIn("the configuration has changed meanwhile", self.last())

    def change(self, *doors: object) -> None:
        """Have other doors."""
        self.successResultOf(
            Deferred.fromCoroutine(self.keeper.change(doors))  # type: ignore[arg-type]
        )


class OperatorTests(FleetTestCase):
    """
    The operator of this host, and the beginning and the end.
    """

    def close(self, door: str = "", source: str = "") -> None:
        """Close as the operator does."""
        operations: Operations = self.daemon.makeOperations()
        done = Deferred.fromCoroutine(operations.close(door, source))
        self.clock.pump([0] * 20)
        self.successResultOf(done)

    def test_closed(self) -> None:
        """What the operator has closed does not open again by what was sealed before."""
        for what in (("", ""), ("", ANN), ("default", "")):
            old, older = seal(at=self.clock.seconds()), seal(at=self.clock.seconds() - 1)
            self.relay(old)
            self.close(*what)
            self.clock.advance(2)
            for datagram in (old, older):
                self.assertEqual("refused", self.relay(datagram).result, what)
            self.hear(older)
            self.assertEqual({}, self.open_())
            self.clock.advance(2)

    def test_closedMeanwhile(self) -> None:
        """Nor does it while something is about to be closed, which takes turns if that is much."""
        for what in (("", ""), ("default", ""), ("", ANN)):
            if what[1]:
                self.relay(seal(at=self.clock.seconds()))
            looks = [Deferred.fromCoroutine(self.keeper.select(Selection())) for _ in range(9)]
            done = Deferred.fromCoroutine(self.daemon.makeOperations().close(*what))
            self.assertNoResult(done)
            self.assertEqual("refused", self.relay(seal(ago=1)).result)
            self.clock.pump([0] * 20)
            self.successResultOf(done)
            for look in looks:
                self.successResultOf(look)
            self.assertEqual({}, self.open_())
            self.clock.advance(2)

    def test_closedBefore(self) -> None:
        """Nor does it if nothing was open yet: a knock may be on its way."""
        operations: Operations = self.daemon.makeOperations()
        done = Deferred.fromCoroutine(operations.close("", ANN))
        self.clock.pump([0] * 20)
        self.assertIn("nothing is open", str(self.failureResultOf(done, NotFound).value))
        self.assertEqual("refused", self.relay(seal(ago=1)).result)
        self.assertEqual({}, self.open_())

    def test_other(self) -> None:
        """What is for somebody else is not concerned."""
        self.relay(seal())
        self.close(source=ANN)
        self.assertEqual("opened", self.relay(seal(bind=BOB)).result)

    def change(self, *doors: Door) -> None:
        """Reload with other doors."""
        self.successResultOf(Deferred.fromCoroutine(self.keeper.change(doors)))
        self.daemon.smith.setDoors(doors)

    def test_otherDoor(self) -> None:
        """What is closed at a door without seals needs no tombstone."""
        self.change(self.door, makeDoor(name="other"))
        self.close("other")
        self.assertEqual(0, len(self.memory.tombstones))
        self.close("default")
        self.assertEqual(1, len(self.memory.tombstones))

    def test_comesBack(self) -> None:
        """What is closed while the door is not one of the fleet stays closed when it is again."""
        datagram = seal()
        self.relay(datagram)
        self.change(replace(self.door, fleet=False))
        self.fleet.stop()
        self.assertEqual({ANN}, {*self.open_()})
        self.close()
        self.clock.advance(2)
        self.change(self.door)
        self.fleet = self.makeFleet()
        self.fleet.start()
        self.assertEqual("refused", self.relay(datagram).result)
        self.assertEqual({}, self.open_())

    def test_newer(self) -> None:
        """A seal that is made after that opens."""
        self.relay(seal())
        self.close()
        self.clock.advance(2)
        self.assertEqual("opened", self.relay(seal(at=1)).result)

    def test_stop(self) -> None:
        """After the end, nothing waits, opens or is passed on."""
        self.hear(seal(bind="*"))
        self.fleet.stop()
        self.clock.advance(5)
        self.hear(seal(at=5))
        self.assertEqual(({ANN: 35.0}, []), (self.open_(), self.sent()))
        self.close()

    def test_unclaimed(self) -> None:
        """
        Before the beginning, and after the end, a knock that somebody must claim opens nothing: a
        reload can change the door before it does the rest.
        """
        self.fleet.stop()
        self.hear(seal(bind="*"))
        self.assertEqual({}, self.open_())
        self.assertIn("does not take part in its fleet now: bind it", self.last())

    def test_troubles(self) -> None:
        """If nobody follows for a while, the status says so."""
        self.assertEqual([], self.fleet.troubles())
        self.fleet.leave(self.follower)
        self.assertEqual([], self.fleet.troubles())
        self.clock.advance(PATIENCE + 1)
        (trouble,) = self.fleet.troubles()
        self.assertIn("nothing connects this host with its fleet", trouble)
        self.fleet.follow(self.follower)
        self.assertEqual([], self.fleet.troubles())


class ReloadTests(FleetTestCase):
    """
    Another configuration.
    """

    def test_use(self) -> None:
        """The operators, the name and the trust of the last configuration count."""
        self.fleet.use(replace(self.config, name="test", operators="", trust=(GATE,)))
        self.assertEqual("refused", self.give(order("ban", ANNAS)).result)
        self.assertEqual("refused", self.give(order("ban", ANNAS, fleet="test")).result)
        self.assertEqual("opened", self.relay(seal(bind="*"), source=ANN).result)
        self.fleet.use(replace(self.config, name="test"))
        self.assertEqual("done", self.give(order("ban", ANNAS, fleet="test")).result)
        self.assertEqual(Config, type(self.daemon.config))
