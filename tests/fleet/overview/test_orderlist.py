"""Tests of L{pkdoors.fleet.overview.orderlist}: people see what the daemons decide."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.fleet.engine import Entry
from pkdoors.fleet.overview.orderlist import ShownOrder, listOrders
from pkdoors.knocks.order import Order, makeOrderData, packOrder
from pkdoors.locks.sealed.authorizedkeys import parseLine
from tests.fakes.agent import makeKey
from tests.lab.sealing import publicLine

NOW = 1_800_000_000
KEY = "SHA256:" + "k" * 42 + "A"
OPERATOR, USER = makeKey("ed25519", 5), makeKey("ed25519", 6)


def sign(verb: str, what: str, at: float, by: object = OPERATOR, fleet: str = "prod") -> bytes:
    """Return an order."""
    text = Order(fleet, verb, what, int(1000 * (NOW + at)), f"{int(at):016x}").encode()
    key: Any = by
    return packOrder(text, key.public().blob(), key.sign(makeOrderData(text)))


class ListTests(SynchronousTestCase):
    """
    Tests of L{listOrders}.
    """

    def list(self, *orders: tuple[float, str, bytes], now: float = 1000) -> list[ShownOrder]:
        """
        Return what is shown.

        @param orders: when each came, at which host.
        """
        entries: dict[str, list[Entry]] = {}
        for time, host, data in orders:
            position = f"{int(1000 * (NOW + time))}-0"
            entries.setdefault(host, []).append(Entry(position, {"o": data}))
        operators = [parseLine(publicLine(OPERATOR, "olga@desk").strip())]
        return listOrders(entries, "prod", operators, NOW + now)

    def test_order(self) -> None:
        """They are in the order in which they came, and one at several hosts is one."""
        ban = sign("ban", KEY, 1)
        found = self.list((9, "gate1", sign("close", "*", 5)), (3, "web1", ban), (4, "gate1", ban))
        self.assertEqual(["ban", "close"], [each.order.verb for each in found if each.order])
        self.assertEqual(("web1", "gate1"), found[0].hosts)
        self.assertEqual({"olga@desk"}, {each.who.name for each in found})
        self.assertEqual([True, False], [each.isInForce for each in found])

    def test_newest(self) -> None:
        """Of several orders about a key the newest counts, whichever comes last."""
        ban, unban, again = sign("ban", KEY, 1), sign("unban", KEY, 2), sign("ban", KEY, 3)
        cases = (
            ((ban, unban), [False, False]),
            ((unban, ban), [False, False]),
            ((again, unban, ban), [True, False, False]),
        )
        for orders, inForce in cases:
            found = self.list(*((10 + n, "gate1", each) for n, each in enumerate(orders)))
            self.assertEqual(inForce, [each.isInForce for each in found])
            self.assertEqual({""}, {each.fault for each in found})

    def test_refused(self) -> None:
        """An order of a user, of another fleet, or something else, is refused, and not in force."""
        found = self.list(
            (1, "web1", sign("ban", KEY, 1, USER)),
            (2, "web1", sign("ban", KEY, 2, fleet="test")),
            (3, "web1", b"nonsense"),
            (4, "web1", b""),
        )
        self.assertEqual(4, sum(bool(each.fault) for each in found))
        self.assertFalse(any(each.isInForce for each in found))
        self.assertEqual(2, sum(each.order is None for each in found))

    def test_early(self) -> None:
        """An order from the future counts when its time has come."""
        ban = sign("ban", KEY, 500)
        (early,) = self.list((1, "gate1", ban), now=2)
        self.assertIn("ahead of this host's", early.fault)
        self.assertFalse(early.isInForce)
        (late,) = self.list((1, "gate1", ban), now=600)
        self.assertEqual(("", True), (late.fault, late.isInForce))
