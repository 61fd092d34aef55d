"""Tests of L{pkdoors.knockports._destinations}."""

import socket

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knockports._destinations import Destinations


def nameOf(number: int) -> str:
    """Return the name of an interface."""
    if number == 2:
        return "eth0"
    raise OSError("no such device")


def has(interfaces: str, address: str, interface: int = 2) -> bool:
    """Return whether a packet to an address is heard."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(family, address)
    return Destinations(interfaces.split(), nameOf).has(packed, interface)


class DestinationsTests(SynchronousTestCase):
    """Tests of L{Destinations}."""

    def test_all(self) -> None:
        """Without a choice, every address is heard."""
        self.assertTrue(has("", "192.0.2.1") and has("", "2001:db8::1"))

    def test_chosen(self) -> None:
        """Otherwise only the chosen ones are."""
        chosen = "192.0.2.1 2001:db8::1"
        self.assertTrue(has(chosen, "192.0.2.1") and has(chosen, "2001:db8::1"))
        self.assertFalse(has(chosen, "192.0.2.2") or has(chosen, "2001:db8::2"))

    def test_any(self) -> None:
        """All addresses of one version of IP can be chosen."""
        self.assertTrue(has("0.0.0.0", "192.0.2.1") and has(":: 192.0.2.2", "2001:db8::1"))
        self.assertFalse(has("0.0.0.0", "::1") or has("::", "127.0.0.1"))

    def test_scope(self) -> None:
        """With an interface, the packet must come by that one, which has a name and a number."""
        for scope in ("eth0", "2"):
            self.assertTrue(has(f"fe80::1%{scope}", "fe80::1"))
            self.assertFalse(has(f"fe80::1%{scope}", "fe80::1", 3))
        self.assertTrue(has("fe80::1%eth1 fe80::1", "fe80::1", 3))
