"""Tests of L{pkdoors.admin.operations.Operations} with networks."""

from pkdoors.errors import BadValue, NotFound
from pkdoors.host import clientaddress
from tests.admin.daemoncase import ANN, BOB, OperationsTestCase

NET, WIDE, SIX = "192.0.2.0/24", "192.0.0.0/16", "2001:db8::/64"


class NetworkTests(OperationsTestCase):
    """
    Networks are opened and closed like addresses.
    """

    def open(self, *sources: str, door: str = "ssh") -> None:
        """Open a door."""
        for source in sources:
            self.do(self.operations.open(source, door))

    def shown(self, source: str = "") -> list[str]:
        """Return the openings that the daemon lists."""
        answer = self.do(self.operations.openings(source=source))
        return [opening["source"] for opening in answer["openings"]]

    def test_open(self) -> None:
        """A network is open as it is written, in all firewalls, and in the log."""
        self.open(NET, SIX, "::ffff:10.1.0.0/112")
        sources = {NET, SIX, "10.1.0.0/16"}
        self.assertEqual(sources, {*self.guard.open_()})
        self.assertEqual(sources, {*self.outer.open_()})
        self.assertRegex(
            "\n".join(self.log.lines()),
            r"opened door ssh \(22/tcp\) for 192\.0\.2\.0/24 until .*, by the operator",
        )
        self.reactor.advance(30)
        self.assertEqual({}, self.guard.open_())

    def test_refused(self) -> None:
        """Networks that nobody has, that are not clear, or much of the Internet are refused."""
        for source, words in (
            ("0.0.0.0/0", "is the whole Internet, or much of it"),
            ("192.0.2.7/24", "write 192.0.2.0/24 for the network, or 192.0.2.7 for the host"),
            ("127.0.0.0/8", "no client has an address in 127.0.0.0/8"),
            ("224.0.0.0/8", "no client has an address in"),
            ("0.0.0.0/8", "no client has an address in"),
            ("ff02::/16", "no client has an address in"),
            ("192.0.2.0/x", "is not a network"),
        ):
            self.assertIn(words, self.refused(self.operations.open(source, "ssh"), BadValue))
        self.assertEqual({}, self.guard.open_())

    def test_links(self) -> None:
        """Link-local networks are refused where there are several links."""
        links = "fe80::1 02 40 20 80 eth0\nfe80::1 03 40 20 80 eth1\n"
        self.patch(clientaddress, "readLinks", lambda: links)
        for source in ("fe80::/64", "fe80::/16", "fe80:1::/32"):
            self.assertIn("link-local", self.refused(self.operations.open(source, "ssh"), BadValue))
        self.open("2001:db8::/32")

    def test_list(self) -> None:
        """What lets an address in is listed for it: its own opening, and networks."""
        self.open(NET, WIDE, ANN, BOB)
        self.assertEqual({NET, WIDE, ANN}, {*self.shown(ANN)})
        self.assertEqual({NET, WIDE}, {*self.shown("192.0.2.8")})
        self.assertEqual({WIDE}, {*self.shown("192.0.3.0/24")})
        self.assertEqual([], self.shown("10.0.0.1"))

    def test_closeAddress(self) -> None:
        """An address that only a network lets in cannot be closed, and the network is named."""
        self.open(NET)
        self.open(WIDE, door="web")
        self.assertEqual(
            "nothing is open for 192.0.2.7 by itself: a network that contains it lets it in "
            "(door ssh (22/tcp) for 192.0.2.0/24 and door web (443/tcp) for 192.0.0.0/16), so "
            "close that network",
            self.refused(self.operations.close("", ANN), NotFound),
        )
        self.assertIn("192.0.2.0/24", self.refused(self.operations.close("ssh", ANN), NotFound))
        self.assertEqual(
            "nothing is open for 10.0.0.1",
            self.refused(self.operations.close("", "10.0.0.1"), NotFound),
        )
        self.assertEqual({NET, WIDE}, {*self.guard.open_()})

    def test_closeOne(self) -> None:
        """Closing one opening closes no other, and the answer names those that still count."""
        self.open(ANN, "192.0.2.8", NET, WIDE, BOB)
        answer = self.do(self.operations.close("", ANN))
        self.assertEqual([("ssh", ANN)], self.names(answer["closed"]))
        self.assertEqual(
            [
                "door ssh (22/tcp) still lets 192.0.2.7 in: it is open for 192.0.0.0/16 and "
                "192.0.2.0/24"
            ],
            answer["others"],
        )
        answer = self.do(self.operations.close("", NET))
        self.assertEqual(
            [
                "door ssh (22/tcp) still lets 192.0.2.0/24 in: it is open for 192.0.0.0/16",
                "door ssh (22/tcp) still lets in a part of 192.0.2.0/24: it is open for 192.0.2.8",
            ],
            answer["others"],
        )
        self.assertEqual({WIDE, "192.0.2.8", BOB}, {*self.guard.open_()})
        answer = self.do(self.operations.close())
        self.assertEqual([], answer["others"])
        self.assertEqual({}, self.guard.open_())

    def test_closeMany(self) -> None:
        """Of many openings within a network, a few are named."""
        self.open(*(f"192.0.2.{n}" for n in range(1, 20)), NET)
        (line,) = self.do(self.operations.close("", NET))["others"]
        self.assertTrue(line.startswith("door ssh (22/tcp) still lets in a part of 192."), line)
        self.assertTrue(line.endswith(", ..."), line)
        self.assertLess(len(line), 200)

    def test_extend(self) -> None:
        """A network's deadline moves as an address's does."""
        self.open(NET)
        self.do(self.operations.open(NET, "ssh", 600.0))
        self.assertEqual({NET: 600.0}, self.guard.open_())
