"""Tests of L{pkdoors.knockports.search}."""

import errno
import socket

from pkdoors.knockports._socket import KnockSocket
from pkdoors.knockports.binding import BUFFER
from tests.knockports.searchcase import NEVER, SearchTestCase


class SearchTests(SearchTestCase):
    """
    Tests of L{Search}.
    """

    def test_everywhere(self) -> None:
        """It binds all ports at every IPv4 and every IPv6 address."""
        self.assertEqual([], self.search(17001, 17002).failures)
        self.assertEqual(
            [("0.0.0.0", 17001), ("0.0.0.0", 17002), ("::", 17001), ("::", 17002)],
            self.host.bound(),
        )
        self.assertTrue(self.hears(("::", 17001), "2001:db8::1"))

    def test_interfaces(self) -> None:
        """
        With interfaces it does so, too: nobody else gets the ports, and only the interfaces are
        heard.
        """
        self.search(17001, interfaces=("192.0.2.1", "2001:db8::1"))
        self.assertEqual([("0.0.0.0", 17001), ("::", 17001)], self.host.bound())
        self.assertTrue(self.hears(("0.0.0.0", 17001), "192.0.2.1"))
        self.assertFalse(self.hears(("0.0.0.0", 17001), "192.0.2.2"))
        self.assertTrue(self.hears(("::", 17001), "2001:db8::1"))
        self.assertFalse(self.hears(("::", 17001), "2001:db8::2"))

    def test_oneVersion(self) -> None:
        """If only one version is wanted, nobody else gets the other, and nothing is heard there."""
        self.search(17001, interfaces=("0.0.0.0",))
        self.assertEqual([("0.0.0.0", 17001), ("::", 17001)], self.host.bound())
        self.assertTrue(self.hears(("0.0.0.0", 17001), "192.0.2.2"))
        self.assertFalse(self.hears(("::", 17001), "2001:db8::1"))

    def test_otherVersionTaken(self) -> None:
        """
        If another program has the port in a version that is not wanted, that is not a failure.
        """
        self.host.take(17001, "::")
        search = self.search(17001, interfaces=("192.0.2.1",))
        self.assertEqual(([], [("0.0.0.0", 17001)]), (search.failures, list(search.fresh)))

    def test_knockFilter(self) -> None:
        """The filter for knocks applies to each address."""
        program = b"\x06\0\0\0\xff\xff\0\0"
        self.search(17001, interfaces=("192.0.2.1", "::"), filters={17001: program})
        self.assertTrue(self.host.find("0.0.0.0", 17001).program.endswith(program))
        self.assertEqual(program, self.host.find("::", 17001).program)

    def test_bothFilters(self) -> None:
        """If addresses are chosen, junk is dropped, too."""
        self.search(17001, interfaces=("192.0.2.1",), filters={17001: b"program."})
        self.assertTrue(self.host.find("0.0.0.0", 17001).program.endswith(b"program."))

    def test_missingInterface(self) -> None:
        """A missing interface does not keep others from being heard, and hears nothing."""
        search = self.search(17001, interfaces=("fe80::1%nosuch0", "192.0.2.1"))
        self.assertEqual([], search.failures)
        self.assertTrue(self.hears(("0.0.0.0", 17001), "192.0.2.1"))
        self.assertFalse(self.hears(("::", 17001), "2001:db8::1"))

    def test_filterBeforeBind(self) -> None:
        """A socket is filtered before it can receive anything."""
        order: list[str] = []
        for name in ("_attach", "bind"):
            kind = type(self.host._makeUDP(socket.AF_INET))
            original = getattr(kind, name)

            def noted(*args: object, name: str = name, original: object = original) -> None:
                order.append(name)
                original(*args)  # type: ignore[operator]

            self.patch(kind, name, noted)
        self.search(17001, interfaces=("192.0.2.1",))
        self.assertEqual(["_attach", "bind"] * 2, order)

    def test_noIPv6(self) -> None:
        """If the host has no IPv6, IPv4 is enough."""
        self.host.hasIPv6 = False
        self.assertEqual([], self.search(17001).failures)
        self.assertEqual([("0.0.0.0", 17001)], self.host.bound())

    def test_noIPv6ButAskedFor(self) -> None:
        """If IPv6 was asked for, its absence is a failure; IPv4 is still heard."""
        self.host.hasIPv6 = False
        search = self.search(17001, interfaces=("::", "0.0.0.0"))
        self.assertEqual({"this host has no IPv6: use --interface 0.0.0.0"}, self.reasons(search))
        self.assertEqual([("0.0.0.0", 17001)], self.host.bound())

    def test_taken(self) -> None:
        """
        A port of another program is a failure; all the rest can be had. The failure names no port.
        """
        self.host.take(17002)
        search = self.search(17001, 17002)
        self.assertEqual([("0.0.0.0", 17002)], [each.endpoint for each in search.failures])
        self.assertNotIn("17002", "".join(self.reasons(search)))
        self.assertEqual([("0.0.0.0", 17001), ("::", 17001), ("::", 17002)], sorted(search.fresh))

    def test_takenElsewhere(self) -> None:
        """If another program has the port at another address, we bind it at each that is wanted."""
        self.host.addresses.add("127.0.0.1")
        self.host.take(17001, "127.0.0.1")
        search = self.search(17001, interfaces=("192.0.2.1", NEVER))
        self.assertEqual([], search.failures)
        self.assertEqual([("192.0.2.1", 17001), (NEVER, 17001), ("::", 17001)], list(search.fresh))

    def test_takenThere(self) -> None:
        """If another program has the port at a wanted address, we bind the others."""
        self.host.take(17001, "192.0.2.1")
        search = self.search(17001, interfaces=("192.0.2.1", NEVER))
        self.assertEqual([("192.0.2.1", 17001)], [each.endpoint for each in search.failures])
        self.assertIn((NEVER, 17001), search.fresh)

    def test_noFilters(self) -> None:
        """If the kernel does not filter, only the wanted addresses are bound."""
        self.host.filtersNothing = True
        search = self.search(17001, interfaces=("192.0.2.1",), filters={17001: b"\x06" * 8})
        self.assertEqual(([], [("192.0.2.1", 17001)]), (search.failures, list(search.fresh)))

    def test_privileged(self) -> None:
        """A port below 1024 without privilege is a failure that says what is needed."""
        self.host.isRoot = False
        self.assertEqual(
            {"ports below 1024 need root, or the capability CAP_NET_BIND_SERVICE"},
            self.reasons(self.search(1023)),
        )

    def test_close(self) -> None:
        """A search can close what it opened."""
        self.search(17001, 17002).close()
        self.assertEqual([], self.host.bound())

    def test_buffer(self) -> None:
        """A socket has a large buffer."""
        self.search(17001)
        self.assertEqual(BUFFER, self.host.find("0.0.0.0", 17001).options[socket.SO_RCVBUF])

    def test_neverReusable(self) -> None:
        """No socket is ever shared with others, whatever is bound, and however often."""
        for interfaces in ((), ("192.0.2.1",), ("::",), ()):
            self.hold(self.search(17001, interfaces=interfaces))
            self.assertFalse([each for each in self.host.sockets if each.isShared])

    def test_neverTakenAlong(self) -> None:
        """Nor with a willing program of the same user."""
        self.host.take(17001)
        self.host.sockets[-1].options[socket.SO_REUSEPORT] = 1
        self.assertEqual([errno.EADDRINUSE], [each.number for each in self.search(17001).failures])


class HeldTests(SearchTestCase):
    """
    Sockets that we have already.
    """

    def test_otherInterfaces(self) -> None:
        """Whatever addresses are heard from now on, no socket is opened or closed."""
        self.hold(self.search(17001))
        sockets = [each for each in self.host.sockets if each.isOpen]
        for interfaces in (("192.0.2.1",), ("::",), (NEVER, "2001:db8::1"), ()):
            search = self.search(17001, interfaces=interfaces)
            self.assertEqual(({}, []), (search.fresh, search.failures))
            self.hold(search)
            self.assertEqual(sockets, [each for each in self.host.sockets if each.isOpen])

    def test_otherPorts(self) -> None:
        """Only new ports are opened, and only unwanted ones are not kept."""
        self.hold(self.search(17001, 17002))
        search = self.search(17002, 17003)
        self.assertEqual([("0.0.0.0", 17003), ("::", 17003)], list(search.fresh))
        self.assertEqual(
            [False, True],
            [search.isKept((any_, 17001)) for any_ in ("::",)] + [search.isKept(("::", 17002))],
        )

    def test_fromOneToAll(self) -> None:
        """Ports at one address are shared, with ourselves, to bind them at all addresses."""
        self.host.addresses.add("127.0.0.1")
        self.host.take(17001, "127.0.0.1")
        other = self.host.sockets[-1]
        self.hold(self.search(17001, interfaces=("192.0.2.1",)))
        search = self.search(17001)
        self.assertEqual([errno.EADDRINUSE], [each.number for each in search.failures])
        self.hold(search)
        self.assertIn(("192.0.2.1", 17001), self.held)  # better than none
        other.close()
        self.hold(self.search(17001))
        self.assertEqual({("0.0.0.0", 17001), ("::", 17001)}, set(self.held))
        self.assertFalse([each for each in self.host.sockets if each.isShared])

    def test_each(self) -> None:
        """While everything wanted is bound at each address, nothing is shared, not for a moment."""
        self.host.addresses.add("127.0.0.1")
        self.host.take(17001, "127.0.0.1")
        self.hold(self.search(17001, interfaces=("192.0.2.1",)))
        self.patch(KnockSocket, "shared", self.fail)
        search = self.search(17001, interfaces=("192.0.2.1",))
        self.assertEqual(({}, []), (search.fresh, search.failures))
