"""Tests of L{pkdoors.seals.addresses}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.seals.addresses import AddressPatterns


class AddressPatternsTests(SynchronousTestCase):
    """
    Tests of L{AddressPatterns}.
    """

    def allowed(self, text: str, *sources: str) -> list[bool]:
        """Which addresses a list allows."""
        patterns = AddressPatterns.parse(text)
        return [patterns.match(source) for source in sources]

    def test_address(self) -> None:
        """An address is that one."""
        sources = ("192.0.2.7", "192.0.2.8", "2001:db8::7")
        self.assertEqual([True, False, False], self.allowed("192.0.2.7", *sources))
        self.assertEqual([False, False, True], self.allowed("2001:db8::7", *sources))

    def test_network(self) -> None:
        """A network is all in it, over the one IP or the other, not both."""
        sources = ("10.1.2.3", "11.0.0.1", "2001:db8:f::1", "2001:db9::1")
        self.assertEqual([True, False, False, False], self.allowed("10.0.0.0/8", *sources))
        self.assertEqual([False, False, True, False], self.allowed("2001:db8::/32", *sources))

    def test_all(self) -> None:
        """All of IPv4 is not all of IPv6, and a star is both."""
        sources = ("10.1.2.3", "2001:db8::7")
        self.assertEqual([True, False], self.allowed("0.0.0.0/0", *sources))
        self.assertEqual([False, True], self.allowed("::/0", *sources))
        self.assertEqual([True, True], self.allowed("*", *sources))

    def test_hostBits(self) -> None:
        """A network may be named by any address in it."""
        self.assertEqual([True, False], self.allowed("10.0.0.7/24", "10.0.0.9", "10.0.1.9"))

    def test_otherSpelling(self) -> None:
        """However an IPv6 address is written there, it is the same one."""
        for text in ("2001:DB8:0:0:0:0:0:7", "2001:0db8::0007", "2001:DB8::/32"):
            self.assertEqual([True], self.allowed(text, "2001:db8::7"))

    def test_wildcards(self) -> None:
        """A star is any number of characters, a question mark is one."""
        sources = ("192.0.2.7", "192.0.2.77", "192.0.20.7", "1.192.0.2.7")
        self.assertEqual([True, True, False, False], self.allowed("192.0.2.*", *sources))
        self.assertEqual([True, False, False, False], self.allowed("192.0.2.?", *sources))
        self.assertEqual([True], self.allowed("2001:DB8::*", "2001:db8::7"))

    def test_several(self) -> None:
        """One of several is enough; blanks around them do not count."""
        sources = ("192.0.2.7", "10.0.0.1", "2001:db8::7", "203.0.113.9")
        text = "192.0.2.7, 10.* ,2001:db8::/32"
        self.assertEqual([True, True, True, False], self.allowed(text, *sources))

    def test_except(self) -> None:
        """What has an exclamation mark in front is taken out, wherever it stands."""
        sources = ("10.0.0.6", "10.0.0.7", "10.0.1.7")
        for text in ("10.0.0.0/8,!10.0.0.7", "!10.0.0.7,10.0.0.0/8", "10.*,!10.0.0.?,10.0.0.6/31"):
            self.assertFalse(self.allowed(text, "10.0.0.7")[0], text)
        self.assertEqual([True, False, True], self.allowed("10.*,!10.0.0.7", *sources))

    def test_onlyExcept(self) -> None:
        """A list of exceptions allows nobody, and is refused for that."""
        error = self.assertRaises(BadValue, AddressPatterns.parse, "!10.0.0.7")
        self.assertEqual("it allows no address: name those that are allowed, too", str(error))

    def test_refused(self) -> None:
        """What is no address is refused, above all names of hosts."""
        for item in (
            *("", "example.org", "*.example.org", "localhost", "10.0.0", "10.0.0.0/33", "a*/8"),
            *(
                "2001:db8::/129",
                "10.0.0.[12]",
                "!!10.0.0.1",
                "10.0.0.1-5",
                "! 10.0.0.1",
                "10.0.0.256",
            ),
        ):
            error = self.assertRaises(BadValue, AddressPatterns.parse, f"192.0.2.1,{item}")
            self.assertIn(f"{item.removeprefix('!')!r} is no address: 192.0.2.7, ", str(error))
