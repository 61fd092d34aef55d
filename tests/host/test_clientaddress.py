"""Tests of L{pkdoors.host.clientaddress}."""

from functools import partial
from ipaddress import IPv4Address, ip_address
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host import clientaddress


class ClientAddressTests(SynchronousTestCase):
    """Tests of broadcast addresses, with this host's own kernel."""

    def test_broadcast(self) -> None:
        """The kernel knows which addresses are broadcast addresses."""
        # Not 255.255.255.255, which the kernel knows only if it has a route to it.
        self.assertTrue(clientaddress._isBroadcast(IPv4Address("127.255.255.255")))
        for address in ("127.0.0.1", "192.0.2.1"):
            self.assertFalse(clientaddress._isBroadcast(IPv4Address(address)), address)

    def test_everybody(self) -> None:
        """The address of everybody on a link is known, whatever the kernel has a route to."""
        self.patch(clientaddress, "_isBroadcast", lambda address: False)
        self.assertFalse(clientaddress.canBeClient(IPv4Address("255.255.255.255")))
        self.assertTrue(clientaddress.canBeClient(IPv4Address("192.0.2.1")))


class ReadClientTests(SynchronousTestCase):
    """
    Tests of L{clientaddress.readClient}.
    """

    def test_same(self) -> None:
        """It understands an address as C{ipaddress} does."""
        for text in ("192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::", "64:ff9b::1"):
            self.assertEqual(ip_address(text), clientaddress.readClient(text))

    def test_strict(self) -> None:
        """Other spellings of an IPv4 address would be another client's: they are refused."""
        for text in ("192.0.2", "192.0.2.1.1", "192.0.2.256", "0300.0.2.1", "0xc0.0.2.1", "", "a"):
            self.assertRaises(ValueError, clientaddress.readClient, text)


class SharedTests(SynchronousTestCase):
    """Tests of L{clientaddress.isShared}."""

    def test_links(self) -> None:
        """Only IPv6 link-local addresses are shared, and only if the host has several links."""
        lo, eth0, second, vpn = (
            f"fe80000000000000000000000000000{n} 04 40 20 80 {name}\n"
            for n, name in enumerate(("lo", "eth0", "eth0", "wg0"))
        )
        for text, expected in (("", False), (lo + eth0 + second, False), (lo + eth0 + vpn, True)):
            self.patch(clientaddress, "readLinks", partial(str, text))
            for address, canBe in (("fe80::1", True), ("fd00::1", False), ("169.254.1.1", False)):
                with self.subTest(text=text, address=address):
                    found = clientaddress.isShared(ip_address(address))
                    self.assertIs(expected and canBe, found)

    def test_noIPv6(self) -> None:
        """A host without IPv6 has no such addresses."""
        self.patch(clientaddress, "Path", lambda path: Path("/nowhere"))
        self.assertFalse(clientaddress.isShared(ip_address("fe80::1")))
