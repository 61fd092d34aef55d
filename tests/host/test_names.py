"""Tests of L{pkdoors.host.names}."""

import socket

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import PkdoorsError
from pkdoors.host.names import getPublicName, getShortName, mayChange
from tests.fakes.host import FakeIp

QUESTION = "address show up scope global"


class ThisHostTests(SynchronousTestCase):
    """
    Tests of the names of this host.
    """

    def setUp(self) -> None:
        """Give the host a name, but no domain."""
        self.name("web1")

    def name(self, name: str, full: str = "") -> None:
        """Give the host a name."""
        self.patch(socket, "gethostname", lambda: name)
        self.patch(socket, "getfqdn", lambda: full or name)

    def have(self, *addresses: dict[str, object]) -> None:
        """Give the host addresses; the first interface has none, as C{ip} prints it."""
        FakeIp({QUESTION: [{}, {"addr_info": [{}, *addresses]}]}).install(self)

    def test_shortName(self) -> None:
        """The short name has no domain."""
        self.assertEqual("web1", getShortName())
        self.name("web2.example.org")
        self.assertEqual("web2", getShortName())

    def test_fullName(self) -> None:
        """A name with a domain takes precedence."""
        self.name("web1", "web1.example.org")
        self.assertEqual("web1.example.org", getPublicName())

    def test_address(self) -> None:
        """Without a domain, the first address is used."""
        self.have({"local": "192.0.2.1"}, {"local": "2001:db8::1"})
        self.assertEqual("192.0.2.1", getPublicName())

    def test_localhost(self) -> None:
        """A name that every host has does not count."""
        self.name("web1", "localhost.localdomain")
        self.have({"local": "192.0.2.1"})
        self.assertEqual("192.0.2.1", getPublicName())

    def test_stays(self) -> None:
        """Addresses that are gone tomorrow do not count."""
        self.have(
            {"local": "2001:db8::a", "temporary": True},
            {"local": "2001:db8::b", "deprecated": True},
            {"local": "2001:db8::c", "tentative": True},
            {"local": "2001:db8::d", "dadfailed": True},
            {"local": "2001:db8::1"},
        )
        self.assertEqual("2001:db8::1", getPublicName())
        self.assertFalse(mayChange("2001:db8::a"))

    def test_assigned(self) -> None:
        """Addresses that stay come first; one of a limited time is known as such."""
        lent = {"local": "2001:db8::a", "dynamic": True}
        self.have(lent, {"local": "2001:db8::1"})
        self.assertEqual("2001:db8::1", getPublicName())
        self.assertEqual((True, False), (mayChange("2001:db8::a"), mayChange("2001:db8::1")))
        # A private address is of no use elsewhere, however long it stays.
        self.have({"local": "192.168.1.2"}, lent)
        self.assertEqual("2001:db8::a", getPublicName())
        self.assertFalse(mayChange("web1.example.org"))

    def test_none(self) -> None:
        """Without any address, or without C{ip}, the error says what to do."""
        answers: tuple[object, ...] = ([], b"", b"?", FileNotFoundError("ip"))
        for answer in answers:
            FakeIp({QUESTION: answer}).install(self)
            line = str(self.assertRaises(PkdoorsError, getPublicName))
            self.assertIn("use --host NAME to name the address for clients", line)
