"""Tests of L{pkdoors.knockports.plan} and L{pkdoors.knockports.binding}."""

import socket

from pkdoors.errors import ListenError
from pkdoors.host import descriptors
from pkdoors.knockports import binding, plan
from pkdoors.knockports.binding import hasAddress, hasIPv6
from pkdoors.knockports.plan import Plan, checkFits
from pkdoors.knockports.search import MANY
from tests.knockports.searchcase import NEVER, SearchTestCase


class RoomTests(SearchTestCase):
    """
    The limit of the process.
    """

    def setUp(self) -> None:
        """Set a limit."""
        super().setUp()
        self.patch(descriptors, "getLimit", lambda: 300)
        self.patch(plan, "getLimit", lambda: 300)

    def test_fits(self) -> None:
        """A plan that fits is allowed; half of a low limit is for other things."""
        checkFits(Plan(tuple(range(1, 76))))

    def test_tooMany(self) -> None:
        """A plan that does not fit is one sentence, with the limit, the need and the remedy."""
        error = self.assertRaises(ListenError, checkFits, Plan(tuple(range(1, 77))))
        self.assertEqual(
            "the knock ports need 152 sockets, and this process may open 300 files: raise "
            "LimitNOFILE= of the service (`ulimit -n` elsewhere) to 408 or more, or set listen = "
            '"capture" and restart the daemon: then it needs no sockets',
            str(error),
        )

    def test_asManyAsFit(self) -> None:
        """The sockets leave room for everything else: IPv4 comes first."""
        search = self.search(*range(1, 101))
        self.assertEqual(150, len(search.fresh))
        self.assertEqual(100, len([each for each, _ in search.fresh if each == "0.0.0.0"]))
        self.assertEqual(50, len(search.failures))
        self.assertEqual(1, len(self.reasons(search)))

    def test_placeholders(self) -> None:
        """Sockets that are heard come first; those that only reserve a port use what is left."""
        search = self.search(*range(1, 101), interfaces=("192.0.2.1",))
        self.assertEqual(([], 150), (search.failures, len(search.fresh)))

    def test_low(self) -> None:
        """If there are many, their descriptors go above what select() can handle."""
        moved: list[socket.socket] = []

        def noted(bound: socket.socket) -> socket.socket:
            moved.append(bound)
            return bound

        self.patch(binding, "moveUp", noted)
        self.patch(descriptors, "getLimit", lambda: 2000)
        self.search(*range(1, 201))
        self.assertEqual(400 - MANY, len(moved))

    def test_lowLater(self) -> None:
        """Sockets that we have already count."""
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
        """Sockets that we have already take room."""
        self.hold(self.search(*range(1, 51)))
        search = self.search(*range(1, 101))
        self.assertEqual((50, 50), (len(search.fresh), len(search.failures)))


class QuestionTests(SearchTestCase):
    """
    Tests of L{hasAddress} and L{hasIPv6}.
    """

    def test_hasIPv6(self) -> None:
        """The kernel says whether there is IPv6, without privilege; that takes no port."""
        self.host.isRoot = False
        self.assertIs(True, hasIPv6())
        self.assertEqual([], self.host.bound())
        self.host.hasIPv6 = False
        self.assertIs(False, hasIPv6())

    def test_isThere(self) -> None:
        """
        The kernel says whether the host has an address; an interface that is missing has none.
        """
        for address, expected in (
            ("192.0.2.1", True),
            (NEVER, False),
            ("::", True),
            ("2001:db8::1", True),
            *((f"fe80::1%{name}", False) for name in ("nosuch0", "...", "\u202e", "\xfc", "1234")),
        ):
            self.assertIs(expected, hasAddress(address), address)
