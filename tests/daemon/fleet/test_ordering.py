"""Tests of L{pkdoors.daemon.fleet.ordering}."""

from dataclasses import replace

from pkdoors.daemon.fleet.ordering import AGAIN, LOOK
from pkdoors.doorkeeper.outcome import Outcome
from pkdoors.knocks.order import parseOrder
from pkdoors.locks.lock import Request
from pkdoors.model.principal import OPERATOR
from tests.daemon.fleet.case import (
    ANN,
    ANNA,
    ANNAS,
    BOB,
    OLGA,
    OLGAS,
    FleetTestCase,
    order,
    seal,
)
from tests.lab.sealing import makeKey, publicLine


class OrderingTests(FleetTestCase):
    """
    Orders of the fleet's operators.
    """

    def events(self, kind: str) -> list[tuple[str, str]]:
        """Return who gave each order, and what it says, of all events of a kind."""
        found = [event for event in self.daemon.events if event.kind == kind]
        return [(event.who.name, event.reason) for event in found]

    def test_close(self) -> None:
        """An order ends what is open for an address, and seals that are older open nothing."""
        old = seal()
        self.relay(old)
        self.relay(seal(bind=BOB))
        self.assertEqual(Outcome("done"), self.give(order("close", ANN, at=1)))
        self.assertEqual({BOB}, {*self.open_()})
        self.assertIn(f", by order of olga ({OLGAS})", self.last())
        self.assertEqual("refused", self.relay(old).result)
        self.hear(seal())
        self.assertEqual({BOB}, {*self.open_()})
        self.assertEqual([("olga", f"close {ANN}")], self.events("ordered"))

    def test_closeAll(self) -> None:
        """It can end everything that began before it, and nothing that began later."""
        self.relay(seal(ago=10))
        self.relay(seal(bind=BOB))
        self.give(order("close", "*", at=-5))
        self.assertEqual({BOB}, {*self.open_()})

    def test_ban(self) -> None:
        """A ban ends what its key opened, whenever that was, and the key opens nothing more."""
        self.relay(seal(ago=-5))
        self.hear(seal(bind=BOB), source=BOB)
        self.assertEqual(Outcome("done"), self.give(order("ban", ANNAS, at=-10)))
        self.assertEqual({}, self.open_())
        self.assertEqual("refused", self.relay(seal(ago=-6)).result)
        self.hear(seal(ago=-6))
        self.assertEqual({}, self.open_())
        self.assertIn("banned", self.last())

    def test_banBeforeEnd(self) -> None:
        """
        A daemon that was killed between the note of a ban and the closing has a successor that ends
        what the key has opened, and nothing else.
        """
        self.relay(seal())
        self.keeper.request(Request(self.door, BOB, 0, who=OPERATOR))
        given = parseOrder(order("ban", ANNAS))
        self.memory.bans.accept(given)
        self.fleet.stop()
        self.assertEqual({ANN, BOB}, {*self.open_()})
        self.makeFleet().start()
        self.clock.pump([0] * 20)
        self.assertEqual({BOB}, {*self.open_()})
        self.assertIn("its key is banned", self.last())

    def test_unban(self) -> None:
        """The newest order about a key counts, however often an older one is repeated."""
        ban, unban = order("ban", ANNAS), order("unban", ANNAS, at=1)
        self.give(ban)
        self.assertEqual(Outcome("done"), self.give(unban))
        self.assertEqual("opened", self.relay(seal()).result)
        self.assertEqual(Outcome("nothing"), self.give(ban))
        self.assertEqual("nothing", self.give(order("ban", ANNAS, at=0.5)).result)
        self.assertEqual({ANN}, {*self.open_()})
        self.assertEqual(1, len(self.events("order-refused")))

    def test_again(self) -> None:
        """An order that was seen does nothing, without a line."""
        data = order("close", "*", at=1)
        self.give(data)
        self.relay(seal(ago=-5))
        count = len(self.log.lines())
        self.assertEqual(Outcome("nothing"), self.give(data))
        self.assertEqual(({ANN}, count), ({*self.open_()}, len(self.log.lines())))

    def test_refused(self) -> None:
        """
        An order of anybody else, or to another fleet, does nothing, and each kind has one line.
        """
        self.relay(seal())
        for data in (
            order("close", "*", at=1, key=ANNA),
            order("close", "*", at=1, fleet="test"),
            order("close", "*", at=1)[:-1],
            b"nonsense",
        ):
            self.assertEqual("refused", self.give(data).result)
            self.give(data)
        self.assertEqual({ANN}, {*self.open_()})
        self.assertEqual(3, len(self.events("order-refused")))

    def test_early(self) -> None:
        """
        An order whose time is ahead of this host's clock is kept, with one line, and counts later.
        """
        self.relay(seal(seconds=600))
        self.assertEqual("later", self.give(order("close", "*", at=100)).result)
        self.clock.pump([AGAIN] * 2)
        self.assertEqual({}, self.open_())
        self.assertEqual(1, len(self.events("order-refused")))
        self.assertEqual([("olga", "close *")], self.events("ordered"))
        self.assertEqual([], [call for call in self.clock.getDelayedCalls() if call.active()])

    def test_file(self) -> None:
        """The log says how many keys can give orders, and why none can."""
        self.give(order("close", "*"))
        operators = self.folder / "operators"
        self.assertIn(
            f"1 of the keys in {operators} may give orders to the fleet", self.log.lines()
        )
        operators.unlink()
        self.clock.advance(1)
        self.assertEqual("refused", self.give(order("close", "*")).result)
        (line,) = [line for line in self.log.lines() if line.startswith("nobody may give orders")]
        self.assertIn(f"cannot read {operators}", line)

    def test_operatorsChange(self) -> None:
        """
        If the file of operators could not be used when an order came, the daemon asks for all
        orders again as soon as it can, and only then.
        """
        operators = self.folder / "operators"
        text = operators.read_text()
        self.give(b"nonsense")
        self.clock.pump([LOOK] * 3)
        operators.write_text("")
        data = order("ban", ANNAS)
        self.assertEqual("refused", self.give(data).result)
        self.clock.pump([LOOK] * 3)
        self.assertEqual([], self.sent("orders"))
        operators.write_text(text)
        self.clock.pump([LOOK] * 3)
        self.assertEqual([{}], self.sent("orders"))
        self.assertEqual("done", self.give(data).result)
        operators.write_text("")
        self.clock.pump([LOOK] * 3)
        self.assertEqual([{}], self.sent("orders"))

    def test_refusedAgain(self) -> None:
        """It looks at the file once for all orders that were refused, and later again."""
        for _ in range(2):
            before = len(self.clock.getDelayedCalls())
            for _ in range(3):
                self.give(order("ban", ANNAS, key=ANNA))
            self.assertEqual(before + 1, len(self.clock.getDelayedCalls()))
            self.write("operators", publicLine(OLGA, "olga") + publicLine(makeKey(), "otto"))
            self.clock.pump([LOOK] * 3)
            self.assertEqual(before, len(self.clock.getDelayedCalls()))

    def test_operatorsElsewhere(self) -> None:
        """So it does if another file counts, or if nobody follows at the moment."""
        self.fleet.use(replace(self.config, operators=self.write("none", "")))
        self.give(order("ban", ANNAS))
        self.fleet.leave(self.follower)
        self.fleet.use(self.config)
        self.clock.pump([LOOK] * 3)
        self.fleet.follow(self.follower)
        self.assertEqual([{}], self.sent("orders"))
        self.fleet.proceed(self.follower)
        self.assertEqual([{}], self.sent("orders"))

    def test_stop(self) -> None:
        """After the end, no order is judged again."""
        self.relay(seal(seconds=600))
        self.give(order("close", "*", at=100))
        self.give(order("close", "*", key=ANNA))
        self.fleet.stop()
        self.write("operators", "")
        self.clock.pump([AGAIN] * 5)
        self.assertEqual({ANN}, {*self.open_()})
        self.assertEqual([], self.sent("orders"))
