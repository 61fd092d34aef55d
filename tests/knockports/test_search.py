"""Tests of L{pkdoors.knockports.search}, and of L{plan} and L{binding} beside it."""

import errno
import socket
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import ListenError
from pkdoors.host import descriptors
from pkdoors.knockports import binding, plan
from pkdoors.knockports._ordering import Reorderer
from pkdoors.knockports._socket import KnockSocket
from pkdoors.knockports.binding import BUFFER, Endpoint, hasAddress, hasIPv6
from pkdoors.knockports.plan import Plan, checkFits
from pkdoors.knockports.search import MANY, Search, isFree
from tests.fakes.host import FakeHost, FakeReceiver
from tests.fakes.log import Log
from tests.fakes.reactor import FakeReactor
from tests.host.test_bpf import run

NEVER = "198.51.100.1"
"""An address that the host does not have."""


class SearchTestCase(SynchronousTestCase):
    """
    With a host.
    """

    def setUp(self) -> None:
        """Make it."""
        self.log = Log(self)
        self.host = FakeHost(self)
        self.held: dict[Endpoint, KnockSocket] = {}

    def search(self, *ports: int, interfaces: tuple[str, ...] = (), **fields: Any) -> Search:
        """Take what a plan lacks."""
        return Search(Plan(ports, interfaces, **fields), self.held)

    def hold(self, search: Search) -> None:
        """Have what was found from now on, and give back what is of no use."""
        reactor = FakeReactor()
        clock: Any = reactor
        reorderer = Reorderer(clock, lambda knocks: None)
        for place in list(self.held):
            if not search.isKept(place):
                self.held.pop(place)._socket.close()
        for place, bound in search.fresh.items():
            receiver: Any = FakeReceiver(100)
            self.held[place] = KnockSocket(bound, reorderer, receiver)

    def reasons(self, search: Search) -> set[str]:
        """What kept ports from being had."""
        return {each.reason for each in search.failures}

    def hears(self, place: Endpoint, to: str) -> bool:
        """Whether the socket at a place hears a datagram to an address."""
        program = self.host.find(*place).program
        return not program or run(program, bytes(14), to) > 0


class SearchTests(SearchTestCase):
    """
    Tests of L{Search}.
    """

    def test_everywhere(self) -> None:
        """It takes all ports of every IPv4 and every IPv6 address."""
        self.assertEqual([], self.search(17001, 17002).failures)
        self.assertEqual(
            [("0.0.0.0", 17001), ("0.0.0.0", 17002), ("::", 17001), ("::", 17002)],
            self.host.bound(),
        )
        self.assertTrue(self.hears(("::", 17001), "2001:db8::1"))

    def test_interfaces(self) -> None:
        """With interfaces it does, too: nobody else has the ports, and only those are heard."""
        self.search(17001, interfaces=("192.0.2.1", "2001:db8::1"))
        self.assertEqual([("0.0.0.0", 17001), ("::", 17001)], self.host.bound())
        self.assertTrue(self.hears(("0.0.0.0", 17001), "192.0.2.1"))
        self.assertFalse(self.hears(("0.0.0.0", 17001), "192.0.2.2"))
        self.assertTrue(self.hears(("::", 17001), "2001:db8::1"))
        self.assertFalse(self.hears(("::", 17001), "2001:db8::2"))

    def test_oneVersion(self) -> None:
        """Where only one version is wanted, nobody else gets the other, and nothing is heard."""
        self.search(17001, interfaces=("0.0.0.0",))
        self.assertEqual([("0.0.0.0", 17001), ("::", 17001)], self.host.bound())
        self.assertTrue(self.hears(("0.0.0.0", 17001), "192.0.2.2"))
        self.assertFalse(self.hears(("::", 17001), "2001:db8::1"))

    def test_otherVersionTaken(self) -> None:
        """Where somebody has the port of a version that is not wanted, that is no failure."""
        self.host.take(17001, "::")
        search = self.search(17001, interfaces=("192.0.2.1",))
        self.assertEqual(([], [("0.0.0.0", 17001)]), (search.failures, list(search.fresh)))

    def test_knockFilter(self) -> None:
        """What the kernel is told of knocks goes for each address."""
        program = b"\x06\0\0\0\xff\xff\0\0"
        self.search(17001, interfaces=("192.0.2.1", "::"), filters={17001: program})
        self.assertTrue(self.host.find("0.0.0.0", 17001).program.endswith(program))
        self.assertEqual(program, self.host.find("::", 17001).program)

    def test_bothFilters(self) -> None:
        """Where addresses are chosen, what is no knock is dropped, too."""
        self.search(17001, interfaces=("192.0.2.1",), filters={17001: b"program."})
        self.assertTrue(self.host.find("0.0.0.0", 17001).program.endswith(b"program."))

    def test_missingInterface(self) -> None:
        """An interface that is missing keeps nothing from being heard, and opens no ears."""
        search = self.search(17001, interfaces=("fe80::1%nosuch0", "192.0.2.1"))
        self.assertEqual([], search.failures)
        self.assertTrue(self.hears(("0.0.0.0", 17001), "192.0.2.1"))
        self.assertFalse(self.hears(("::", 17001), "2001:db8::1"))

    def test_filterBeforeBind(self) -> None:
        """A socket is filtered before it can get anything."""
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
        """Where the host has no IPv6, IPv4 is enough."""
        self.host.hasIPv6 = False
        self.assertEqual([], self.search(17001).failures)
        self.assertEqual([("0.0.0.0", 17001)], self.host.bound())

    def test_noIPv6ButAskedFor(self) -> None:
        """Unless IPv6 was asked for: IPv4 is had all the same."""
        self.host.hasIPv6 = False
        search = self.search(17001, interfaces=("::", "0.0.0.0"))
        self.assertEqual({"this host has no IPv6: use --interface 0.0.0.0"}, self.reasons(search))
        self.assertEqual([("0.0.0.0", 17001)], self.host.bound())

    def test_taken(self) -> None:
        """What another program has is a failure; all the rest is had. No port is told."""
        self.host.take(17002)
        search = self.search(17001, 17002)
        self.assertEqual([("0.0.0.0", 17002)], [each.endpoint for each in search.failures])
        self.assertNotIn("17002", "".join(self.reasons(search)))
        self.assertEqual([("0.0.0.0", 17001), ("::", 17001), ("::", 17002)], sorted(search.fresh))

    def test_takenElsewhere(self) -> None:
        """Where somebody has it at another address, it is taken at each that is wanted."""
        self.host.addresses.add("127.0.0.1")
        self.host.take(17001, "127.0.0.1")
        search = self.search(17001, interfaces=("192.0.2.1", NEVER))
        self.assertEqual([], search.failures)
        self.assertEqual([("192.0.2.1", 17001), (NEVER, 17001), ("::", 17001)], list(search.fresh))

    def test_takenThere(self) -> None:
        """Where somebody has it at one that is wanted, the others are had."""
        self.host.take(17001, "192.0.2.1")
        search = self.search(17001, interfaces=("192.0.2.1", NEVER))
        self.assertEqual([("192.0.2.1", 17001)], [each.endpoint for each in search.failures])
        self.assertIn((NEVER, 17001), search.fresh)

    def test_noFilters(self) -> None:
        """Where the kernel does not filter, only the addresses that are wanted are taken."""
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
        """What was taken can be given back."""
        self.search(17001, 17002).close()
        self.assertEqual([], self.host.bound())

    def test_buffer(self) -> None:
        """A socket is told to hold much."""
        self.search(17001)
        self.assertEqual(BUFFER, self.host.find("0.0.0.0", 17001).options[socket.SO_RCVBUF])

    def test_neverReusable(self) -> None:
        """No socket can be shared with others, whatever is taken, and however often."""
        for interfaces in ((), ("192.0.2.1",), ("::",), ()):
            self.hold(self.search(17001, interfaces=interfaces))
            self.assertFalse([each for each in self.host.sockets if each.isShared])

    def test_neverTakenAlong(self) -> None:
        """Nor does one share with somebody who is willing: another program of the same user."""
        self.host.take(17001)
        self.host.sockets[-1].options[socket.SO_REUSEPORT] = 1
        self.assertEqual([errno.EADDRINUSE], [each.number for each in self.search(17001).failures])


class HeldTests(SearchTestCase):
    """
    What is ours already.
    """

    def test_otherInterfaces(self) -> None:
        """Whatever addresses are heard from now on, no socket is taken or given back."""
        self.hold(self.search(17001))
        sockets = [each for each in self.host.sockets if each.isOpen]
        for interfaces in (("192.0.2.1",), ("::",), (NEVER, "2001:db8::1"), ()):
            search = self.search(17001, interfaces=interfaces)
            self.assertEqual(({}, []), (search.fresh, search.failures))
            self.hold(search)
            self.assertEqual(sockets, [each for each in self.host.sockets if each.isOpen])

    def test_otherPorts(self) -> None:
        """Only ports that are new are taken, and those that are not wanted are of no use."""
        self.hold(self.search(17001, 17002))
        search = self.search(17002, 17003)
        self.assertEqual([("0.0.0.0", 17003), ("::", 17003)], list(search.fresh))
        self.assertEqual(
            [False, True],
            [search.isKept((any_, 17001)) for any_ in ("::",)] + [search.isKept(("::", 17002))],
        )

    def test_fromOneToAll(self) -> None:
        """Ports that are had at one address are shared, with ourselves, to have them at all."""
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
        """While all that is wanted is had at each address, nothing is shared, not for a moment."""
        self.host.addresses.add("127.0.0.1")
        self.host.take(17001, "127.0.0.1")
        self.hold(self.search(17001, interfaces=("192.0.2.1",)))
        self.patch(KnockSocket, "shared", self.fail)
        search = self.search(17001, interfaces=("192.0.2.1",))
        self.assertEqual(({}, []), (search.fresh, search.failures))


class RoomTests(SearchTestCase):
    """
    As many sockets as the process may have.
    """

    def setUp(self) -> None:
        """Have a limit."""
        super().setUp()
        self.patch(descriptors, "getLimit", lambda: 300)
        self.patch(plan, "getLimit", lambda: 300)

    def test_fits(self) -> None:
        """What fits is allowed; half of a low limit is for other things."""
        checkFits(Plan(tuple(range(1, 76))))

    def test_tooMany(self) -> None:
        """What does not is one sentence, with the limit, the need and the way out."""
        error = self.assertRaises(ListenError, checkFits, Plan(tuple(range(1, 77))))
        self.assertEqual(
            "the knock ports need 152 sockets, and this process may open 300 files: raise "
            "LimitNOFILE= of the service (`ulimit -n` elsewhere) to 408 or more, or let doors "
            "share knock ports",
            str(error),
        )

    def test_asManyAsFit(self) -> None:
        """What is taken leaves room for all else: IPv4 first."""
        search = self.search(*range(1, 101))
        self.assertEqual(150, len(search.fresh))
        self.assertEqual(100, len([each for each, _ in search.fresh if each == "0.0.0.0"]))
        self.assertEqual(50, len(search.failures))
        self.assertEqual(1, len(self.reasons(search)))

    def test_placeholders(self) -> None:
        """Room is for what is heard; what only keeps others out takes what is left."""
        search = self.search(*range(1, 101), interfaces=("192.0.2.1",))
        self.assertEqual(([], 150), (search.failures, len(search.fresh)))

    def test_low(self) -> None:
        """Where there are many, they go above what select() can do with."""
        moved: list[socket.socket] = []

        def noted(bound: socket.socket) -> socket.socket:
            moved.append(bound)
            return bound

        self.patch(binding, "moveUp", noted)
        self.patch(descriptors, "getLimit", lambda: 2000)
        self.search(*range(1, 201))
        self.assertEqual(400 - MANY, len(moved))

    def test_lowLater(self) -> None:
        """Those that are there already count."""
        moved: list[socket.socket] = []

        def noted(bound: socket.socket) -> socket.socket:
            moved.append(bound)
            return bound

        self.patch(binding, "moveUp", noted)
        self.patch(descriptors, "getLimit", lambda: 2000)
        self.hold(self.search(*range(1, 101)))
        self.search(*range(1, 201))
        self.assertEqual(400 - MANY, len(moved))

    def test_held(self) -> None:
        """What is held takes room."""
        self.hold(self.search(*range(1, 51)))
        search = self.search(*range(1, 101))
        self.assertEqual((50, 50), (len(search.fresh), len(search.failures)))


class QuestionTests(SearchTestCase):
    """
    Tests of L{isFree}, L{hasAddress} and L{hasIPv6}.
    """

    def test_isFree(self) -> None:
        """A port that nobody has is free; asking does not take it."""
        self.assertIs(True, isFree(17001))
        self.assertEqual([], self.host.bound())

    def test_isNotFree(self) -> None:
        """One that somebody has is not, be it on one address."""
        self.host.take(17001, "192.0.2.1")
        self.assertIs(False, isFree(17001))

    def test_hasIPv6(self) -> None:
        """Whether there is IPv6 is asked of the kernel, without privilege; it takes no port."""
        self.host.isRoot = False
        self.assertIs(True, hasIPv6())
        self.assertEqual([], self.host.bound())
        self.host.hasIPv6 = False
        self.assertIs(False, hasIPv6())

    def test_isThere(self) -> None:
        """Whether the host has an address; of an interface that is not there it has none."""
        for address, expected in (
            *(("192.0.2.1", True), (NEVER, False), ("::", True), ("2001:db8::1", True)),
            *((f"fe80::1%{name}", False) for name in ("nosuch0", "...", "\u202e", "\xfc", "1234")),
        ):
            self.assertIs(expected, hasAddress(address), address)
