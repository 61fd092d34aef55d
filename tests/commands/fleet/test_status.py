"""Tests of L{pkdoors.commands.fleet.status} and of what it shows."""

import json
import os
import time
from datetime import UTC, datetime
from typing import Any

from pkdoors.adminclient import console
from pkdoors.knocks.order import Order, makeOrderData, packOrder
from tests.commands.fleet.fleetcase import (
    KEY,
    NOW,
    STREAMS,
    FleetCommandTestCase,
    makeOpening,
)


class StatusTests(FleetCommandTestCase):
    """C{pkdoors fleet status}."""

    def setUp(self) -> None:
        """Have a time zone."""
        super().setUp()
        self.patch(os, "environ", {**os.environ, "TZ": "UTC"})
        time.tzset()
        self.addCleanup(time.tzset)

    def order(self, verb: str, what: str, host: str = "gate1", **more: object) -> bytes:
        """Write an order into the stream of a host."""
        key: Any = more.get("key", self.operator)
        nonce = f"{len(self.store.streams.get(STREAMS.orders(host), ())):016x}"
        stamp = int(1000 * (NOW + self.reactor.seconds()))
        text = Order("prod", verb, what, stamp, nonce).encode()
        order = packOrder(text, key.public().blob(), key.sign(makeOrderData(text)))
        self.store.add(STREAMS.orders(host), {"o": order})
        return order

    def test_all(self) -> None:
        """It shows the hosts, and who is in where."""
        both = makeOpening(), makeOpening("2001:db8::7", 300.0, user="bob@desk")
        self.report("gate1", *both)
        self.report("gate2", *both)
        self.report("web1", both[0])
        self.assertEqual(
            "fleet prod, engine: redis://127.0.0.1:6379, Redis 7.0.15\n"
            "\n"
            "HOST   STATE  DOORS  OPEN  BEHIND  PKDOORS\n"
            "gate1  up     ssh    2     -       26.12.0\n"
            "gate2  up     ssh    2     -       26.12.0\n"
            "web1   up     ssh    1     -       26.12.0\n"
            "\n"
            "OPEN  ADDRESS      TIME LEFT  WHO          HOSTS\n"
            "ssh   192.0.2.7    30s        anna@laptop  all 3\n"
            "ssh   2001:db8::7  5m         bob@desk     not web1\n",
            self.says("status"),
        )

    def test_troubles(self) -> None:
        """It says in words what is wrong with a host."""
        self.report("gate1", troubles=("the engine at x: its disk is full",), dropped=1)
        late = NOW - 100
        positions = {STREAMS.orders(host): "0" for host in ("gate1", "gate2", "web1")}
        self.report("gate2", positions=positions, time=datetime.fromtimestamp(late, UTC))
        self.store.values[STREAMS.up("web1")] = b"nonsense", 100.0
        text = self.says("status")
        for part in (
            "gate1: the engine at x: its disk is full\n",
            "gate1 could not pass on 1 knock since its start, because",
            "gate2 does not read the streams of gate1, web1: knocks at gate1, web1 open nothing",
            "the clock of gate2 is 1m10s or more behind the engine's\n",
            "web1   unreadable  -      -     -       -\n",
            "web1: this host wrote a report about itself that cannot be read",
            "no door is open on any host\n",
        ):
            self.assertIn(part, text)
        self.reactor.advance(40)
        self.assertIn("gate1 has not reported for 30s: it is down, or", self.says("status"))

    def test_behind(self) -> None:
        """A host is behind if it has not read an entry after a while."""
        self.report("gate1")
        self.report("gate2")
        self.store.add(STREAMS.log("gate1"), {"s": b"seal"})
        self.reactor.advance(14)
        self.assertNotIn("yellow", self.says("status"))
        self.assertIn("gate2  up     ssh    0     -  ", self.says("status"))
        self.reactor.advance(8)
        self.assertIn("gate2  up     ssh    0     22s  ", self.says("status"))
        self.assertIn("gate1  up     ssh    0     -  ", self.says("status"))

    def test_orders(self) -> None:
        """It shows orders, who signed them, and the bans in force."""
        for host in ("gate1", "gate2", "web1"):
            self.report(host)
        first = self.order("ban", KEY)
        self.store.add(STREAMS.orders("gate2"), {"o": first})
        self.reactor.advance(1)
        self.order("close", "*", key=self.user)
        self.store.add(STREAMS.orders("web1"), {"o": b"\x1b[2J"})
        text = self.says("status")
        self.assertIn(f"\nbanned: {KEY}\n  since 2027-01-15 08:00:00, by olga@desk\n", text)
        when = "2027-01-15 08:00"
        self.assertIn(f"{when}:00  ban SHA256:kkkkkkkk...  olga@desk", text)
        self.assertIn("gate1, gate2\n", text)
        self.assertIn(f"{when}:01  close *                 refused: no operator of", text)
        self.assertIn("its text is malformed", text)
        self.assertNotIn("\x1b", text)
        self.reactor.advance(1)
        self.order("unban", KEY)
        self.assertNotIn("banned", self.says("status"))

    def test_json(self) -> None:
        """Programs get all of it."""
        self.report("gate1", makeOpening())
        self.report("gate2")
        self.order("ban", KEY)
        found = json.loads(self.says("status", "--json"))
        self.assertEqual([True, True, False], [host["up"] for host in found["hosts"]])
        (opening,) = found["openings"]
        self.assertEqual((["gate1"], ["gate2"]), (opening["hosts"], opening["lacking"]))
        self.assertEqual(([KEY], "olga@desk"), (found["bans"], found["orders"][0]["user"]))

    def test_limit(self) -> None:
        """Of many openings, those are shown that end first, unless more are asked for."""
        self.report("gate1", *(makeOpening(f"192.0.2.{n}", 30.0 + n) for n in range(60)))
        text = self.says("status")
        self.assertIn("\nand 10 more, which end later: --all shows them\n", text)
        self.assertIn("192.0.2.59", self.says("status", "--all"))
        self.assertNotIn("192.0.2.1 ", self.says("status", "--limit", "1"))
        self.report("gate1", makeOpening(), total=600)
        self.assertIn("gate1 has 600 openings, and names the first 1: ", self.says("status"))

    def test_over(self) -> None:
        """An opening whose time was over since the report is not shown."""
        self.report("gate1", makeOpening(left=5.0))
        self.reactor.advance(6)
        self.assertIn("no door is open on any host", self.says("status"))

    def test_narrow(self) -> None:
        """Hosts with long names and addresses keep to the width of a terminal."""
        self.patch(console, "PLAIN_WIDTH", 80)
        long = "2001:db8:1234:5678:9abc:def0:1234:5678"
        self.report("gate1", makeOpening(long, user="somebody with a long comment " * 3))
        self.assertTrue(max(map(len, self.says("status").splitlines())) <= 80)
        self.assertIn(long, self.says("status"))

    def test_noEngine(self) -> None:
        """Without the engine there is one line."""
        self.store.isAway = True
        self.assertEqual("the engine is away", self.fails("status"))
