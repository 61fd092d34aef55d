"""Tests of L{pkdoors.client.core.binding}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.client.core.binding import bindFor, parseBind
from pkdoors.errors import BadValue
from pkdoors.model.addresses import canonicalize


class ParseBindTests(SynchronousTestCase):
    """
    Tests of L{parseBind}.
    """

    def test_words(self) -> None:
        """C{auto} and C{none} are accepted."""
        self.assertEqual(["auto", "none"], [parseBind(text) for text in ("auto", "none")])

    def test_addresses(self) -> None:
        """Addresses are written as the daemon sees them."""
        for text, written in (
            ("192.0.2.1", "192.0.2.1"),
            ("2001:DB8:0::1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("fe80::1%eth0", "fe80::1"),
        ):
            self.assertEqual(written, parseBind(text))

    def test_bad(self) -> None:
        """Everything else is refused."""
        for text in ("", "*", "any", "192.0.2.0/24", "192.0.2", "host.example", " 192.0.2.1"):
            self.assertRaises(BadValue, parseBind, text)


class BoundToTests(SynchronousTestCase):
    """
    Tests of L{bindFor}.
    """

    def bound(self, bind: str, destination: str, local: str) -> str:
        """Return what a statement says if datagrams leave from this address."""
        self.asked: list[str] = []

        def find(address: str) -> str:
            self.asked.append(address)
            return local

        return bindFor(bind, destination, find)

    def test_global(self) -> None:
        """C{auto} is the local address if that is global."""
        self.assertEqual("8.8.8.8", self.bound("auto", "9.9.9.9", "8.8.8.8"))
        self.assertEqual("2a00::1", self.bound("auto", "2a01::1", "2a00::1"))
        self.assertEqual(["2a01::1"], self.asked)

    def test_private(self) -> None:
        """C{auto} is no address if the local one is not global: it may be translated."""
        for local in ("192.168.1.2", "10.0.0.1", "100.64.0.1", "127.0.0.1", "fd00::1", "fe80::1%2"):
            self.assertEqual("*", self.bound("auto", "9.9.9.9", local))

    def test_none(self) -> None:
        """C{none} is no address, and nothing is looked up."""
        self.assertEqual("*", self.bound("none", "9.9.9.9", "8.8.8.8"))
        self.assertEqual([], self.asked)

    def test_given(self) -> None:
        """An address that the user gave counts, whatever the local one is."""
        self.assertEqual("8.8.4.4", self.bound("8.8.4.4", "9.9.9.9", "10.0.0.1"))
        self.assertEqual([], self.asked)

    def test_otherFamily(self) -> None:
        """For a destination of the other family, it is the same as for C{auto}."""
        self.assertEqual("2a00::1", self.bound("8.8.4.4", "2a01::1", "2a00::1"))
        self.assertEqual("*", self.bound("2a00::5", "9.9.9.9", "10.0.0.1"))


class CanonicalTests(SynchronousTestCase):
    """
    Tests of L{canonicalize}.
    """

    def test_noAddress(self) -> None:
        """A text that is not an address is a L{ValueError}."""
        self.assertRaises(ValueError, canonicalize, "host")
