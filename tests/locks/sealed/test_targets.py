"""Tests of L{pkdoors.locks.sealed.sealedlock}: for whom a knock opens."""

from dataclasses import replace
from typing import Any

from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Refusal, Request
from tests.fakes.doors import PORTS, makeDoor
from tests.lab.sealing import publicLine
from tests.locks.sealed.case import (
    ANN,
    ANNA,
    BOB,
    EVE,
    TODAY,
    WHO,
    SealedLockTestCase,
    authorized,
    forged,
    seal,
)

NEIGHBOUR, LAPTOP = "203.0.113.77", "198.51.100.7"
NET, LAPTOPS = "203.0.113.0/24", "198.51.100.0/24"
ELSEWHERE = "it is bound to {}, but comes from elsewhere"


class TargetTestCase(SealedLockTestCase):
    """A test with a door that opens for networks of keys with C{prefix}."""

    def setUp(self) -> None:
        """Make the lock."""
        super().setUp()
        self.grant()

    def grant(self, grant4: int = 24, grant6: int = 64) -> None:
        """Make the lock of a door with these lengths."""
        door = makeDoor(authorizedKeys="/keys", grant4=grant4, grant6=grant6)
        self.lock = self.makeLock(door)

    def send(self, datagram: bytes, source: str = ANN) -> Request | Refusal | None:
        """Return the result of a knock on all ports."""
        for port in PORTS[:-1]:
            self.assertIsNone(self.lock.knock(Knock(source, port, datagram), 0.0, TODAY))
        return self.lock.knock(Knock(source, PORTS[-1], datagram), 0.0, TODAY)

    def assertOpens(
        self, wanted: str, source: str = ANN, datagram: bytes = b"", **fields: Any
    ) -> None:
        """Assert that a knock opens for just this source, and says who asked from where."""
        result = self.send(datagram or seal(**fields), source)
        sender = "" if wanted == source else source
        expected = Request(self.lock.door, wanted, 0, who=replace(WHO, address=sender))
        self.assertEqual(expected, result)
        self.assertEqual(source, expected.sender)

    def assertRefusedFor(
        self, words: str, source: str = ANN, datagram: bytes = b"", **fields: Any
    ) -> None:
        """Assert that a knock is refused with these words, and the refusal names its sender."""
        self.notes.clear()
        result = self.send(datagram or seal(**fields), source)
        assert isinstance(result, Refusal), result
        self.assertIn(words, result.reason)
        self.assertEqual(source, result.source)
        self.assertEqual([], self.notes)


class PrefixTests(TargetTestCase):
    """
    Keys with C{prefix}.
    """

    def test_without(self) -> None:
        """A key without the option opens for its own address, at the same door."""
        self.assertOpens(ANN)
        self.assertOpens(BOB, BOB)

    def test_network(self) -> None:
        """A key with the option opens for the network of its address."""
        self.allow("prefix")
        self.assertOpens(NET)
        self.assertOpens(NET, bind=ANN)
        self.assertOpens("2001:db8::/64", BOB)

    def test_door(self) -> None:
        """The option means nothing at a door that opens for no networks."""
        self.allow("prefix")
        self.grant(32, 128)
        self.assertOpens(ANN)
        self.assertRefusedFor(ELSEWHERE.format(NEIGHBOUR), bind=NEIGHBOUR)
        self.grant(24, 128)
        self.assertOpens(NET)
        self.assertOpens(BOB, BOB)

    def test_strangers(self) -> None:
        """Translated, tunnelled and link-local addresses have strangers beside them."""
        self.allow("prefix")
        for source in ("64:ff9b::cb00:7109", "2001::7", "fe80::7"):
            self.assertOpens(source, source)

    def test_bind(self) -> None:
        """The knock may be bound to any address in the network, and to none outside of it."""
        self.allow("prefix")
        self.assertOpens(NET, bind=NEIGHBOUR)
        for bind in (LAPTOP, BOB, "203.0.112.255", "203.0.114.0"):
            self.assertRefusedFor(ELSEWHERE.format(bind), bind=bind)

    def test_from(self) -> None:
        """C{from=} must cover all of the network: an option never lets in more than it says."""
        for patterns, words in (
            (NET, ""),
            ("203.0.113.0/25,203.0.113.128/25", ""),
            ("203.0.113.*", ""),
            ("*", ""),
            (ANN, "may not open for 203.0.113.0/24 (from=)"),
            ("203.0.113.0/25", "may not open for 203.0.113.0/24 (from=)"),
            ("203.0.113.0/24,!203.0.113.200", "may not open for 203.0.113.0/24 (from=)"),
            ("203.0.113.0/24,!203.0.*.200", "may not open for 203.0.113.0/24 (from=)"),
            (LAPTOPS, "may not knock from here (from=)"),
        ):
            self.allow(f'prefix,from="{patterns}"')
            if words:
                self.assertRefusedFor(words)
            else:
                self.assertOpens(NET)

    def test_close(self) -> None:
        """A knock that asks to close names its address: what lets that in is closed."""
        self.allow("prefix")
        result = self.send(seal(close=True))
        self.assertEqual(Request(self.lock.door, ANN, 0, who=WHO, close=True), result)

    def test_secondLine(self) -> None:
        """The first line of a key that allows the knock counts."""
        line = publicLine(ANNA, "anna")
        self.keys = authorized(f'prefix,from="{ANN}" {line}', line)
        self.assertOpens(ANN)


class ForOthersTests(TargetTestCase):
    """
    Keys with C{for-others}.
    """

    def test_without(self) -> None:
        """A key without the option opens for nobody else, whatever other keys may do."""
        line = publicLine(EVE, "eve")
        for keys in (self.keys, [*self.keys, *authorized(f"for-others,prefix {line}")]):
            self.keys = keys
            self.assertRefusedFor(ELSEWHERE.format(LAPTOP), bind=LAPTOP)
            self.assertRefusedFor(ELSEWHERE.format(BOB), bind=BOB)
        self.assertOpens(LAPTOP, LAPTOP, bind=LAPTOP)

    def test_open(self) -> None:
        """A key with the option opens for the address that its knock names, of either family."""
        self.allow("for-others")
        self.assertOpens(LAPTOP, bind=LAPTOP)
        self.assertOpens(BOB, bind=BOB)
        self.assertOpens(LAPTOP, BOB, bind=LAPTOP)
        self.assertOpens(ANN, bind=ANN)
        self.assertOpens(ANN)

    def test_prefix(self) -> None:
        """It opens for another network only with C{prefix}, too."""
        self.allow("for-others,prefix")
        self.assertOpens(LAPTOPS, bind=LAPTOP)
        self.allow("for-others")
        self.assertOpens(LAPTOP, bind=LAPTOP)

    def test_lines(self) -> None:
        """The option counts only with the others of its own line."""
        line = publicLine(ANNA, "anna")
        self.keys = authorized(line, f'for-others,doors="web" {line}')
        self.assertRefusedFor(ELSEWHERE.format(LAPTOP), bind=LAPTOP)
        self.keys = authorized(line, f"for-others {line}")
        self.assertOpens(LAPTOP, bind=LAPTOP)

    def test_notOneHost(self) -> None:
        """It opens for no address that is not one client's."""
        self.allow("for-others")
        for bind in (
            "224.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "127.0.0.1",
            "::1",
            "ff02::1",
            "::",
        ):
            self.assertRefusedFor("which is not the address of one client", bind=bind)
        self.assertRefusedFor("not an address in its usual notation", bind="::ffff:c633:6407")

    def test_from(self) -> None:
        """C{from=} counts for the address that knocks, and for the one that gets in."""
        self.allow(f'for-others,from="{ANN}"')
        self.assertRefusedFor("may not open for 198.51.100.7 (from=)", bind=LAPTOP)
        self.assertRefusedFor("may not knock from here (from=)", LAPTOP, bind=ANN)
        self.allow(f'for-others,from="{ANN},{LAPTOP}"')
        self.assertOpens(LAPTOP, bind=LAPTOP)

    def test_doors(self) -> None:
        """All other options hold as ever."""
        self.allow('for-others,doors="web"')
        self.assertRefusedFor("is not for this door", bind=LAPTOP)
        self.allow('for-others,expiry-time="20200101"')
        self.assertRefusedFor("expired", bind=LAPTOP)

    def test_close(self) -> None:
        """It can ask to close for another address."""
        self.allow("for-others,prefix")
        result = self.send(seal(bind=LAPTOP, close=True))
        who = replace(WHO, address=ANN)
        self.assertEqual(Request(self.lock.door, LAPTOP, 0, who=who, close=True), result)

    def test_replay(self) -> None:
        """A recorded knock opens nothing again, from wherever it comes."""
        self.allow("for-others")
        datagram = seal(bind=LAPTOP)
        self.assertOpens(LAPTOP, datagram=datagram)
        for source in (BOB, LAPTOP, NEIGHBOUR):
            self.assertRefusedFor("this knock was seen before", source, datagram)

    def test_relay(self) -> None:
        """One that is kept from arriving, and comes from elsewhere, opens the same once."""
        self.allow("for-others")
        datagram = seal(bind=LAPTOP)
        self.assertOpens(LAPTOP, BOB, datagram)
        self.assertRefusedFor("this knock was seen before", ANN, datagram)
        self.assertOpens(ANN, NEIGHBOUR, seal(bind=ANN))

    def test_elsewhere(self) -> None:
        """It is worth nothing at another door, with another sequence, or too late."""
        self.allow("for-others")
        self.assertRefusedFor("for another sequence", datagram=seal(PORTS[::-1], bind=LAPTOP))
        self.assertRefusedFor("the knock is old", bind=LAPTOP, ago=61)
        self.assertRefusedFor("this host's clock is behind", bind=LAPTOP, ago=-61)
        datagram = seal(bind=LAPTOP, door="attic")
        self.assertIn("it is for a door 'attic'", self.knock(datagram)[0])

    def test_changed(self) -> None:
        """The address is sealed: a knock with another one in its place has a bad seal."""
        self.allow("for-others")
        datagram = seal(bind=LAPTOP).replace(LAPTOP.encode(), NEIGHBOUR.encode())
        self.assertRefusedFor("its seal is bad", datagram=datagram)

    def test_notChecked(self) -> None:
        """A knock for others by a key that may not do that is not checked at all."""
        eve = authorized(f"for-others {publicLine(EVE, 'eve')}")
        self.keys = [*self.keys, *eve]
        checked: list[object] = []
        self.patch(self.lock.judge, "findSigner", lambda *asked: checked.append(asked))
        bound = forged().split(b" ")
        bound[6] = bound[6].replace(b"*", LAPTOP.encode(), 1)
        self.assertRefusedFor(ELSEWHERE.format(LAPTOP), datagram=b" ".join(bound))
        self.assertEqual([], checked)
