"""Tests of L{pkdoors.client.core.hosts}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.hosts import Host, parseHost, parseWaitPort
from pkdoors.errors import BadValue


class ParseHostTests(SynchronousTestCase):
    """
    Tests of L{parseHost}.
    """

    def test_meant(self) -> None:
        """Each common way to write a host is understood."""
        for text, name, port in (
            ("host.example", "host.example", None),
            ("host", "host", None),
            ("host.example.", "host.example.", None),
            ("anna@host.example", "host.example", None),
            ("an@na@host.example", "host.example", None),
            ("host.example:22", "host.example", 22),
            ("anna@host.example:2222", "host.example", 2222),
            ("192.0.2.7", "192.0.2.7", None),
            ("192.0.2.7:22", "192.0.2.7", 22),
            ("2001:db8::7", "2001:db8::7", None),
            ("[2001:db8::7]", "2001:db8::7", None),
            ("[2001:db8::7]:22", "2001:db8::7", 22),
            ("anna@[2001:db8::7]:22", "2001:db8::7", 22),
            ("::ffff:192.0.2.7", "::ffff:192.0.2.7", None),
            ("fe80::1%eth0", "fe80::1%eth0", None),
            ("[fe80::1%eth0]:22", "fe80::1%eth0", 22),
            ("ssh://host.example", "host.example", None),
            ("SSH://anna@host.example:2222/", "host.example", 2222),
            ("ssh://[2001:db8::7]:22", "2001:db8::7", 22),
            ("b\u00fccher.example.", "xn--bcher-kva.example.", None),
            ("anna@B\u00dcCHER.example:22", "xn--bcher-kva.example", 22),
        ):
            self.assertEqual(Host(name, port), parseHost(text), text)

    def test_notMeant(self) -> None:
        """What cannot be meant is refused with its reason, and how a host is written."""
        for text, reason in (
            ("http://host.example", "is a URL: give only the host in it, or ssh://HOST"),
            ("ssh://host.example/path", "has a path in it"),
            ("host.example/path", "has a path in it"),
            ("host:22:23", "has two colons or more, but is not an IPv6 address"),
            ("2001:db8::7::1", "has two colons or more, but is not an IPv6 address"),
            ("2001:db8::7]:22", "has two colons or more, but is not an IPv6 address"),
            ("[host]:22", "has no IPv6 address in its brackets"),
            ("[192.0.2.7]", "has no IPv6 address in its brackets"),
            ("[]", "has no IPv6 address in its brackets"),
            ("[2001:db8::7]22", "goes on after the bracket without a colon"),
            ("host.example:", "is not a port, a number from 1 to 65535"),
            ("host.example:ssh", "is not a port"),
            ("host.example:0", "is not a port"),
            ("[2001:db8::7]:65536", "is not a port"),
            ("@host.example", "has nothing before the @"),
            ("anna@", "names no host"),
            (":22", "names no host"),
            ("", "names no host"),
            ("ssh://", "names no host"),
            ("two words", "names no host"),
            ("host.example\0.elsewhere.example", "names no host"),
            ("\x1b[2Jhost.example", "names no host"),
            ("stra\u00dfe.example", "write the name in its ASCII form, which begins with xn--"),
            (f"{'u' * 70}\u00fc.example", "cannot be the name of a host"),
        ):
            self.assertIn(reason, str(self.assertRaises(BadValue, parseHost, text)), text)

    def test_sequence(self) -> None:
        """A sequence in its place is not shown."""
        for text in ("17001:17203:17005", "17001,17203/x", "17001:17203,"):
            self.assertNotIn("17203", str(self.assertRaises(BadValue, parseHost, text)))


class ParseWaitPortTests(SynchronousTestCase):
    """
    Tests of L{parseWaitPort}.
    """

    def test_tcp(self) -> None:
        """A TCP port can be waited for."""
        self.assertEqual([22, 22], [parseWaitPort("22"), parseWaitPort("22/tcp")])

    def test_udp(self) -> None:
        """A UDP port cannot; the error says why, and what to do."""
        for text in ("51820/udp", "53/UDP ", "53/udp"):
            message = str(self.assertRaises(BadValue, parseWaitPort, text))
            for part in ("is a UDP port", "nobody can see from outside", "knock without waiting"):
                self.assertIn(part, message)
