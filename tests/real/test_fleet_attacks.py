"""
Attacks on a fleet, with a stolen host and a stolen engine: nothing opens, nothing closes, and the
log of the host that is attacked has one line for each.

The attacks come in the log of C{edge1}, which its thief can write: a user of the engine has its own
streams only, as C{test_fleet_init} shows. Each has an address of its own.
"""

import json
import time
from itertools import count
from os import urandom

from twisted.conch.ssh.common import NS

from pkdoors.knocks.wire import fingerprint
from tests.lab.case import SEQUENCE
from tests.lab.fleet.case import FleetTestCase
from tests.lab.fleet.fleet import CLIENT, FLEET, STRANGER
from tests.lab.fleet.member import LESSER
from tests.lab.sealing import makeKey, publicLine, sealed, statement

FORGED = 5000
"""Seals of a flood: at a quarter of a processor, their signatures take six seconds and more."""
TRIES = 5
SOON = 4.0
"""Seconds in which a knock must open during a flood, on a machine that is busy besides."""


class StolenHostTests(FleetTestCase):
    """
    A host is stolen, C{edge1} if no other is named.
    """

    names = ("edge1", "web1")
    door = 'open_for = "5m"\n'

    def setUp(self) -> None:
        """Have addresses."""
        super().setUp()
        self.fresh = count(110)
        self.web1 = self.members["web1"]

    def lines(self, host: str = "web1") -> list[str]:
        """Return the lines of a daemon's log."""
        return self.members[host].daemon.log().splitlines()

    def settle(self, host: str = "edge1") -> None:
        """Wait until the victim has judged all that came before."""
        last = next(self.fresh)
        self.fleet.publish(host, self.fleet.seal(last), self.lan.address(last))
        self.assertTrue(self.fleet.comesToBeOpen("web1", last), self.fleet.logs())

    def assertNothing(
        self, what: str, seal: bytes, last: int, reason: str, source: int = 0
    ) -> None:
        """
        Assert that a relayed seal opens nothing for an address, and has one line with a reason.

        @param reason: empty if it should have no line.
        """
        with self.subTest(what):
            time.sleep(1.05)  # one line a second for each origin
            before = len(self.lines())
            self.fleet.publish("edge1", seal, self.lan.address(source or last))
            self.settle()
            lines = [line for line in self.lines()[before:] if "refused" in line]
            self.assertFalse(self.fleet.isOpen("web1", last))
            self.assertFalse(self.fleet.isOpen("web1", source or last))
            self.assertEqual(bool(reason), len(lines) == 1, lines)
            if reason:
                self.assertIn(reason, lines[0])
                self.assertIn("edge1", lines[0])

    def test_seals(self) -> None:
        """No seal opens that would not open over UDP, whatever the entry says besides."""
        web, near, old = makeKey(), makeKey(), makeKey()
        self.fleet.keys.write_text(
            publicLine(self.fleet.key)
            + f'doors="web" {publicLine(web)}'
            + f'from="192.0.2.0/24" {publicLine(near)}'
            + f'expiry-time="20200101" {publicLine(old)}'
        )
        now = int(time.time() * 1000)
        for what, fields, reason in (
            ("a key that nobody knows", {"key": makeKey()}, "its key is not known here"),
            ("a door that this host lacks", {"door": "web"}, ""),
            ("a key for other doors", {"key": web}, "the key of"),
            ("a key from elsewhere", {"key": near}, "from="),
            ("an expired key", {"key": old}, "expired 2020-01-01"),
            ("a stamp of the future", {"stamp": now + 95_000}, "ahead of this host's"),
            ("no address", {"bind": "*"}, "trust does not list edge1"),
            ("what is over", {"stamp": now - 301_000}, ""),
        ):
            last = next(self.fresh)
            self.assertNothing(what, self.fleet.seal(last, **fields), last, reason)
        last = next(self.fresh)
        self.assertNothing(
            "a changed seal", self.fleet.seal(last)[:-1] + b"?", last, "its seal is bad"
        )
        last, address = next(self.fresh), self.lan.address(last)
        other = sealed(self.fleet.key, SEQUENCE[::-1], door="ssh", bind=address)
        self.assertNothing("the stolen host's own sequence", other, last, "another sequence")

    def test_boundElsewhere(self) -> None:
        """A seal opens for the address that it names, whatever address the entry has."""
        self.fleet.publish("edge1", self.fleet.seal(CLIENT), self.lan.address(STRANGER))
        self.assertTrue(self.fleet.comesToBeOpen("web1"))
        self.assertFalse(self.fleet.isOpen("web1", STRANGER))
        self.assertTrue(self.web1.comesToBeOpenFor(self.client))
        self.assertFalse(self.web1.isOpenFor(self.stranger))

    def test_replayed(self) -> None:
        """
        A log that somebody writes again, in any order, opens nothing that was closed, and prolongs
        nothing; nor does a datagram from the log open over UDP.
        """
        first, second = next(self.fresh), next(self.fresh)
        for last in (first, second):
            self.members["edge1"].knock(self.client, self.fleet.seal(CLIENT, nonce=f"{last:016x}"))
            self.fleet.publish("edge1", self.fleet.seal(last), self.lan.address(last))
            self.assertTrue(self.fleet.comesToBeOpen("web1", last), self.fleet.logs())
        self.assertTrue(self.fleet.comesToBeOpen("web1"), self.fleet.logs())
        with self.engine.client() as thief:
            log = thief.entries(f"pk:{FLEET}:log:edge1")
        self.assertGreater(len(log), 3)
        self.web1.ask("DELETE", f"/openings/{self.lan.address(first)}")
        self.fleet.publish("edge1", self.fleet.seal(second, close=True), self.lan.address(second))
        self.assertTrue(self.fleet.comesToBeShut("web1", second), self.fleet.logs())
        until = self.fleet.untils("web1")[self.lan.address(CLIENT)]
        for entry in (*log, *log[::-1]):
            self.fleet.publish("edge1", entry["s"], entry["a"].decode())
        self.settle()
        self.assertFalse(self.fleet.isOpen("web1", first))
        self.assertFalse(self.fleet.isOpen("web1", second))
        again = self.fleet.untils("web1")[self.lan.address(CLIENT)]
        self.assertApproximates(until, again, 0.01)  # it is shown by two clocks, in milliseconds

    def test_orders(self) -> None:
        """Only an operator of this fleet gives orders, each once, and the newest counts."""
        self.fleet.publish("edge1", self.fleet.seal(), self.lan.address(CLIENT))
        self.assertTrue(self.fleet.comesToBeOpen("web1"), self.fleet.logs())
        user = fingerprint(self.fleet.key.public().blob())
        now = int(time.time() * 1000)
        older = self.fleet.order("ban", user, stamp=now - 2000)
        self.fleet.publishOrder("edge1", self.fleet.order("unban", user, stamp=now - 1000))
        unsigned = "no operator of the fleet has signed it"
        for what, order, reason in (
            ("a user's key", self.fleet.order("close", "*", key=self.fleet.key), unsigned),
            ("nobody's key", self.fleet.order("ban", user, key=makeKey()), unsigned),
            ("changed", self.fleet.order("close", "*").replace(b"close *", b"close ::"), unsigned),
            ("another fleet", self.fleet.order("close", "*", fleet="test"), "the fleet 'test'"),
            ("the future", self.fleet.order("close", "*", stamp=now + 120_000), "ahead of this"),
            ("not an order", b"pkdoors-order1 prod open *\n", "order"),
            ("older than a newer one", older, "a newer order about"),
        ):
            with self.subTest(what):
                time.sleep(1.05)
                before = len(self.lines())
                self.fleet.publishOrder("edge1", order)
                time.sleep(1)
                self.settle()
                lines = [line for line in self.lines()[before:] if "order" in line]
                self.assertTrue(self.fleet.isOpen("web1"), lines)
                self.assertEqual(bool(reason), len(lines) == 1, lines)
                self.assertIn(reason, "".join(lines))


class SpoiltTests(FleetTestCase):
    """
    An engine whose thief puts something else in place of streams.
    """

    names = ("edge1", "web1", "web2")

    def test_noStream(self) -> None:
        """The streams of the other hosts are read as ever, and each host says what is wrong."""
        with self.engine.client() as thief:
            for kind in ("log", "orders"):
                thief.ask("SET", f"pk:{FLEET}:{kind}:web2", "x")
        for name in self.names:
            self.assertTrue(self.members[name].relay.says("is not a stream"), self.fleet.logs())
        self.members["edge1"].knock(self.client, self.fleet.seal())
        for name in self.names:
            self.assertTrue(self.fleet.comesToBeOpen(name), self.fleet.logs())


class TrustTests(FleetTestCase):
    """
    Seals that name no address, and hosts whose word counts for it.
    """

    names = ("edge1", "web1", "web2")
    trust = ("edge1",)

    def test_origin(self) -> None:
        """
        The origin is the stream's name: an entry of another host's, which says that it is from a
        trusted one, opens nothing. One from the trusted host opens for the address that it says.
        """
        seal = self.fleet.seal(bind="*")
        self.fleet.publish("web2", seal, self.lan.address(STRANGER), name="edge1")
        web1 = self.members["web1"]
        self.assertTrue(web1.daemon.says("web2"), self.fleet.logs())
        self.assertFalse(self.fleet.isOpen("web1", STRANGER))
        self.fleet.publish(
            "edge1", self.fleet.seal(bind="*"), self.lan.address(CLIENT), name="web2"
        )
        self.assertTrue(self.fleet.comesToBeOpen("web1"), self.fleet.logs())
        self.assertFalse(self.fleet.isOpen("web1", STRANGER))

    def test_stays(self) -> None:
        """Only a host that is trusted passes on what names no address; the others do not."""
        edge1 = self.members["edge1"]
        edge1.knock(self.client, self.fleet.seal(bind="*"))
        self.assertTrue(self.fleet.comesToBeOpen("web1"), self.fleet.logs())


class SharedAddressTests(FleetTestCase):
    """
    Two gateways behind one address, and somebody who recorded a knock at the first.
    """

    names = ("edge1", "edge2")

    def test_recorded(self) -> None:
        """
        A recorded knock that names no address is worth nothing at a second host, as the first has
        claimed it; one that names its address opens for that one alone.
        """
        edge1, edge2 = self.members.values()
        unbound = self.fleet.seal(bind="*")
        edge1.knock(self.client, unbound)
        self.assertTrue(edge1.comesToBeOpenFor(self.client))
        self.assertFalse(self.fleet.isOpen("edge2"))  # an unbound seal stays where it was heard
        edge2.knock(self.stranger, unbound)
        self.assertTrue(edge2.daemon.says("refused door ssh"), self.fleet.logs())
        self.assertFalse(edge2.isOpenFor(self.stranger))
        bound = self.fleet.seal(CLIENT)
        edge2.knock(self.stranger, bound)
        self.assertTrue(edge2.daemon.says("but comes from elsewhere"), self.fleet.logs())
        self.assertFalse(edge2.isOpenFor(self.stranger))
        with self.engine.client() as asking:
            logs = [asking.entries(f"pk:{FLEET}:log:{name}") for name in self.names]
        self.assertNotIn(unbound, [entry["s"] for log in logs for entry in log])


class FloodTests(FleetTestCase):
    """
    A stolen host that writes as much as it can.
    """

    names = ("edge1", "edge2")

    def test_flood(self) -> None:
        """
        While another host's log is full of seals with forged signatures, each knock still opens
        soon, and the log does not grow with the flood.
        """
        edge2 = self.members["edge2"]
        sources = self.fleet.addSources(TRIES)
        genuine = [self.fleet.seal(bind=source) for source in sources]
        with self.engine.client() as thief:
            for _ in range(FORGED):
                text = statement(self.fleet.key, door="ssh", bind=sources[0]).encode()
                seal = text + NS(b"ssh-ed25519") + NS(urandom(64))
                thief.tell("XADD", f"pk:{FLEET}:log:edge1", "*", "s", seal, "a", sources[0])
            for _ in range(FORGED):
                thief.answer()
        self.assertTrue(edge2.daemon.says("refused"), self.fleet.logs())
        for source, seal in zip(sources, genuine, strict=True):
            began = time.monotonic()
            edge2.knock(self.client, seal, source)
            self.assertTrue(edge2.comesToBeOpenFor(self.client, source))
            self.assertLess(time.monotonic() - began, SOON)
        with self.engine.client() as asking:
            last = asking.ask("XREVRANGE", f"pk:{FLEET}:log:edge1", "+", "-", "COUNT", 1)
        self.assertTrue(last)
        self.assertLess(edge2.daemon.log().count("refused"), FORGED / 100)


class SocketTests(FleetTestCase):
    """
    The daemon's socket for C{pkdoors-fleet}.
    """

    names = ("edge1",)

    def test_lesser(self) -> None:
        """It takes seals and orders, and shows what happens. It opens, closes, reloads nothing."""
        edge1 = self.members["edge1"]
        wanted = json.dumps({"source": self.lan.address(CLIENT), "door": "ssh", "seconds": 60})
        for method, path, body in (
            ("POST", "/openings", wanted),
            ("DELETE", "/openings", None),
            ("DELETE", f"/openings/{self.lan.address(CLIENT)}", None),
            ("POST", "/reload", None),
            ("GET", "/metrics", None),
            ("PUT", "/seals", wanted),
            ("DELETE", "/status", None),
        ):
            with self.subTest((method, path)):
                status, _ = edge1.request(LESSER, method, path, body)
                self.assertIn(status, (404, 405))
        self.assertEqual({}, edge1.openings())
        self.assertEqual(200, edge1.request(LESSER, "GET", "/status", None)[0])
        with edge1.host.inside():
            self.assertEqual(0, LESSER.stat().st_mode & 0o007)
