"""Tests of L{pkdoors.host.lookup}."""

import socket

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.host.lookup import MAX_ADDRESSES, isName, lookUp
from tests.client.names import FakeNames


class IsNameTests(SynchronousTestCase):
    """
    Tests of L{isName}.
    """

    def test_names(self) -> None:
        """Names of hosts, with or without a domain, and in any script."""
        for text in ("laptop", "my.host.example", "my.host.example.", "a_b-c", "bücher.example"):
            self.assertTrue(isName(text), text)

    def test_others(self) -> None:
        """The old forms of addresses, and whatever else no host is called, are not names."""
        bad = ["", ".", "a..b", "a b", "a/b", "192.0.2.0/24", "a:22", "u@host", "[::1]", "a\nb"]
        bad += ["10", "10.1", "0x7f.1", "192.0.2.256", "1.2.3.4.5", "0x7f000001", "host.0x", "1."]
        bad += ["a" * 64, ".".join(["a" * 60] * 5), "a%eth0", "\x1b[1m"]
        for text in bad:
            self.assertFalse(isName(text), text)


class LookUpTests(SynchronousTestCase):
    """
    Tests of L{lookUp}.
    """

    def test_found(self) -> None:
        """The addresses of both families, each once, as the daemon sees them."""
        FakeNames(self, "203.0.113.7", "2001:DB8::7", "203.0.113.7", "::ffff:192.0.2.9")
        self.assertEqual(["203.0.113.7", "2001:db8::7", "192.0.2.9"], lookUp("a.example"))

    def test_linkLocal(self) -> None:
        """A link-local address is left out, unless there is no other."""
        FakeNames(self, "fe80::7%2", "203.0.113.7")
        self.assertEqual(["203.0.113.7"], lookUp("a.local"))
        FakeNames(self, "fe80::7%2")
        self.assertEqual(["fe80::7"], lookUp("a.local"))

    def test_none(self) -> None:
        """A name without an address is one sentence."""
        FakeNames(self)
        error = self.assertRaises(BadValue, lookUp, "a.example")
        self.assertEqual("no address found for 'a.example': Name or service not known", str(error))

    def test_unfit(self) -> None:
        """So is one that the resolver does not accept at all."""

        def refuse(*arguments: object) -> object:
            return "a..b".encode("idna")

        self.patch(socket, "getaddrinfo", refuse)
        error = self.assertRaises(BadValue, lookUp, "a.example")
        self.assertIn("no address found for 'a.example': ", str(error))

    def test_tooMany(self) -> None:
        """A name with very many addresses is not one client."""
        addresses = [f"203.0.113.{number}" for number in range(MAX_ADDRESSES + 1)]
        FakeNames(self, *addresses[1:])
        self.assertEqual(addresses[1:], lookUp("a.example"))
        FakeNames(self, *addresses)
        self.assertIn("has 9 addresses", str(self.assertRaises(BadValue, lookUp, "a.example")))
