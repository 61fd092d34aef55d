"""Tests of L{pkdoors.locks.sealed._addresspatterns}."""

import random
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from operator import and_

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.locks.sealed._addresspatterns import AddressPatterns
from tests.lab.properties import ordinarily


class AddressPatternsTests(SynchronousTestCase):
    """
    Tests of L{AddressPatterns}.
    """

    def allowed(self, text: str, *sources: str) -> list[bool]:
        """Return which addresses a list allows."""
        patterns = AddressPatterns.parse(text)
        return [patterns.match(source) for source in sources]

    def test_address(self) -> None:
        """An address matches only itself."""
        sources = ("192.0.2.7", "192.0.2.8", "2001:db8::7")
        self.assertEqual([True, False, False], self.allowed("192.0.2.7", *sources))
        self.assertEqual([False, False, True], self.allowed("2001:db8::7", *sources))

    def test_network(self) -> None:
        """A network matches its addresses, in its own IP version only."""
        sources = ("10.1.2.3", "11.0.0.1", "2001:db8:f::1", "2001:db9::1")
        self.assertEqual([True, False, False, False], self.allowed("10.0.0.0/8", *sources))
        self.assertEqual([False, False, True, False], self.allowed("2001:db8::/32", *sources))

    def test_all(self) -> None:
        """All of IPv4 is not all of IPv6; a star is both."""
        sources = ("10.1.2.3", "2001:db8::7")
        self.assertEqual([True, False], self.allowed("0.0.0.0/0", *sources))
        self.assertEqual([False, True], self.allowed("::/0", *sources))
        self.assertEqual([True, True], self.allowed("*", *sources))

    def test_otherSpelling(self) -> None:
        """An IPv6 address matches in any notation."""
        for text in ("2001:DB8:0:0:0:0:0:7", "2001:0db8::0007", "2001:DB8::/32"):
            self.assertEqual([True], self.allowed(text, "2001:db8::7"))

    def test_wildcards(self) -> None:
        """A star matches any number of characters, a question mark matches one."""
        sources = ("192.0.2.7", "192.0.2.77", "192.0.20.7", "2.192.0.2")
        self.assertEqual([True, True, False, False], self.allowed("192.0.2.*", *sources))
        self.assertEqual([True, False, False, False], self.allowed("192.0.2.?", *sources))
        self.assertEqual(
            [True, True, False, False], self.allowed("192.*", *sources[:2], "1.9.2.2", "2001::1")
        )
        self.assertEqual([True, False], self.allowed("10.?.*.1?", "10.1.7.10", "10.10.7.10"))

    def test_several(self) -> None:
        """One match of several is enough; blanks around items do not count."""
        sources = ("192.0.2.7", "10.0.0.1", "2001:db8::7", "203.0.113.9")
        text = "192.0.2.7, 10.* ,2001:db8::/32"
        self.assertEqual([True, True, True, False], self.allowed(text, *sources))

    def test_except(self) -> None:
        """An item with an exclamation mark is an exception, wherever it stands."""
        sources = ("10.0.0.6", "10.0.0.7", "10.0.1.7")
        for text in ("10.0.0.0/8,!10.0.0.7", "!10.0.0.7,10.0.0.0/8", "10.*,!10.0.0.?,10.0.1.6/31"):
            self.assertFalse(self.allowed(text, "10.0.0.7")[0], text)
        self.assertEqual([True, False, True], self.allowed("10.*,!10.0.0.7", *sources))

    def test_onlyExcept(self) -> None:
        """A list of exceptions alone allows nobody, so it is refused."""
        error = self.assertRaises(BadValue, AddressPatterns.parse, "!10.0.0.7")
        self.assertEqual("it allows no address: add the addresses that are allowed", str(error))

    def refusal(self, text: str) -> str:
        """Return why a list is refused."""
        return str(self.assertRaises(BadValue, AddressPatterns.parse, text))

    def test_refused(self) -> None:
        """An item that is not an address is refused, above all the name of a host."""
        for item in (
            "example.org",
            "*.example.org",
            "localhost",
            "10.0.0",
            "10.0.0.0/33",
            "a*/8",
            "2001:db8::/129",
            "10.0.0.[12]",
            "10.0.0.1-5",
            "10.0.0.256",
            "010.0.0.1",
            "10.0.0.0/255.0.0.0",
            "10.0.0.0/0.0.0.255",
            "fe80::1%eth0",
            "fe80::%eth0/64",
            "10.0.0.0/",
            "/8",
            "1234*",
            "10.*/8",
            "2001::1/+8",
        ):
            for mark in ("", "!"):
                reason = self.refusal(f"192.0.2.1,{mark}{item}")
                self.assertIn(f"{item!r} is not an address: use 192.0.2.7, ", reason, item)
        for item in ("!!10.0.0.1", "! 10.0.0.1"):
            self.assertIn("is not an address", self.refusal(f"*,{item}"))

    def test_empty(self) -> None:
        """Empty items are refused."""
        for text in ("", "!", "10.0.0.1,", ",10.0.0.1", "10.0.0.1,,10.0.0.2", "10.0.0.1,!", "*,! "):
            self.assertEqual("an item is empty: remove the extra comma or !", self.refusal(text))

    def test_mapped(self) -> None:
        """
        IPv4 written as IPv6 is IPv4, as the daemon sees it, so denying one denies the other, in any
        notation.
        """
        for text in (
            "::ffff:10.0.0.7",
            "::FFFF:a00:7",
            "0:0:0:0:0:ffff:10.0.0.7",
            "::ffff:10.0.0.7/128",
            "::ffff:10.0.0.6/127",
            "::ffff:10.0.0.0/104",
            "::ffff:0:0/96",
        ):
            self.assertEqual([True], self.allowed(text, "10.0.0.7"), text)
            self.assertEqual([False], self.allowed(f"*,!{text}", "10.0.0.7"), text)
        self.assertEqual(
            [True, False], self.allowed("*,!::ffff:10.0.0.0/104", "11.0.0.1", "10.9.9.9")
        )

    def test_sixSpellings(self) -> None:
        """The same holds for IPv6 in any notation."""
        for text in ("2001:DB8:0:0:0:0:0:7", "2001:0db8::0007", "2001:db8:0:0::/64"):
            self.assertEqual(
                [False, True], self.allowed(f"*,!{text}", "2001:db8::7", "2001:db8:1::")
            )

    def test_hostBits(self) -> None:
        """A host's address with the length of a network is ambiguous, and refused as by sshd."""
        self.assertEqual(
            "'10.0.0.7/24' is the address of a host with the length of a network: "
            "write 10.0.0.0/24 for the network, or 10.0.0.7 for the host",
            self.refusal("10.0.0.7/24"),
        )
        for item in ("*,!2001:db8::1/64", "*,!::ffff:10.0.0.7/104"):
            self.assertIn("is the address of a host with the length", self.refusal(item))

    def test_sixWildcards(self) -> None:
        """Wildcards in IPv6 are refused: they would match only one notation of many."""
        for item in ("2001:db8:0:0:*", "2001:DB8::*", "2001:0db8:*", "2001:db8::?", "*:1", "::*"):
            for text in (item, f"*,!{item}"):
                self.assertIn("has * or ? in an IPv6 address, and would not", self.refusal(text))

    def test_neverMatch(self) -> None:
        """An item that can never match is refused, whatever the reason."""
        for item in ("10.0.0.26?", "10.00.0.*", "10.0.0.0?", "10.999.*", "*.*.*.3??"):
            self.assertIn("can never match: not all of its numbers are", self.refusal(item))
        for item in ("224.0.0.1", "239.0.0.0/8", "ff02::1", "ff00::/8", "0.0.0.0", "::"):
            for text in (item, f"*,!{item}"):
                self.assertIn("can never match: no knock comes from there", self.refusal(text))
        self.assertIn("can never match", self.refusal("255.255.255.255"))

    def test_fourNumbers(self) -> None:
        """Wildcards for part of a number, or across dots, are refused."""
        for item in ("1*", "?", "??", "10.*.5", "10.0.0.0.*", "10.2?", "1?.*.1"):
            self.assertIn("does not have four numbers", self.refusal(item))

    def test_covered(self) -> None:
        """An item that exceptions cover completely is refused."""
        for text in (
            "10.0.0.7,!10.0.0.7",
            "10.0.0.7,!*",
            "*,!*",
            "10.*,!10.0.0.0/8",
            "10.0.0.0/8,!10.*",
            "10.0.0.0/8,!10.0.0.0/9,!10.128.0.0/9",
            "10.0.0.?,!10.0.0.*",
            "2001:db8::1,!2001::/16",
            "2001:db8::/32,!2001:db8::/33,!2001:db8:8000::/33",
            "10.0.0.0/8,!::ffff:10.0.0.0/104",
            "192.0.2.1,10.0.0.1,!10.*",
            "*,!0.0.0.0/0,!::/0",
            "10.?.0.1,!10.0.0.0/8",
            "10.0.0.4/30,!10.0.0.?",
            "::ffff:10.0.0.1,!10.0.0.1",
        ):
            self.assertIn(", but excludes all of it again with !: remove", self.refusal(text))
        for text in ("*,!0.0.0.0/0", "10.0.0.0/8,!10.0.0.0/9", "10.0.0.*,!10.0.0.?", "*,!::/0"):
            AddressPatterns.parse(text)

    def test_likePlainly(self) -> None:
        """Each list matches as if all addresses of its networks were written out."""
        chance = random.Random(20261127)
        for _ in range(ordinarily(60, 300)):
            items = [self.item(chance) for _ in range(chance.randrange(1, 4))]
            marks = [chance.choice(("", "", "!")) for _ in items]
            text = ",".join(map("".join, zip(marks, items, strict=True)))
            outcome = [self.plainly(marks, items, f"10.0.0.{last}") for last in range(256)]
            try:
                found = self.allowed(text, *(f"10.0.0.{last}" for last in range(256)))
            except BadValue:
                for mark, item in zip(marks, items, strict=True):  # an item has no effect
                    if not mark:
                        alone = self.allowed(item, *(f"10.0.0.{last}" for last in range(256)))
                        if not any(map(and_, alone, outcome)):
                            break
                else:
                    self.assertNotIn("", marks, text)
                continue
            self.assertEqual(outcome, found, text)

    def item(self, chance: random.Random) -> str:
        """Return a random item below 10.0.0.0/24."""
        length = chance.randrange(24, 33)
        last = chance.randrange(256) >> (32 - length) << (32 - length)
        return chance.choice(
            (
                f"10.0.0.{last}/{length}",
                f"::ffff:10.0.0.{last}/{length + 96}",
                "10.0.0.?",
                "10.0.0.1?",
            )
        )

    def plainly(self, marks: list[str], items: list[str], source: str) -> bool:
        """Return whether an address is allowed."""
        matching = [
            mark for mark, item in zip(marks, items, strict=True) if self.isIn(source, item)
        ]
        return "" in matching and "!" not in matching

    def isIn(self, source: str, item: str) -> bool:
        """Return whether an item includes an address."""
        if "?" in item:
            return fnmatchcase(source, item)
        address = f"::ffff:{source}" if ":" in item else source
        return ip_address(address) in ip_network(item)
