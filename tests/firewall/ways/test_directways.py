"""Tests of L{pkdoors.firewall.ways._directways}."""

from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.guard import DirectWay, Guard
from pkdoors.firewall.netlink.dump import readElements
from pkdoors.firewall.netlink.messages import Element, splitMessages
from pkdoors.firewall.netlink.setchanges import swapElements
from pkdoors.firewall.ways import _directways
from pkdoors.firewall.ways._directways import MOST_WAYS, findWays
from pkdoors.firewall.ways._xtables import Target
from pkdoors.firewall.ways.forwards import Forward
from pkdoors.model.ports import PortRange
from tests.fakes.doors import makeDoor

HERE, THERE = ip_address("10.9.3.2"), ip_address("fd09:3::2")
WEB = PortRange("tcp", 8080, 8080)


def forward(
    first: int, last: int, ports: tuple[int, int] | None = None, base: int | None = None
) -> Forward:
    """Return a rule's forward over TCP."""
    return Forward("tcp", first, last, Target(HERE, HERE, ports, base))


class WaysPastTests(SynchronousTestCase):
    """
    Tests of L{findWays}.
    """

    def ways(self, found: Forward, *protected: PortRange) -> dict[int, int]:
        """Return each way's port, and the protected port."""
        ways = findWays([found], protected or [WEB])
        self.assertFalse(ways.isCut)
        return {way.port: way.wanted for way in ways.direct}

    def test_port(self) -> None:
        """A port is forwarded to another."""
        self.assertEqual({80: 8080}, self.ways(forward(8080, 8080, (80, 80))))

    def test_notProtected(self) -> None:
        """Other ports do not concern the guard, nor does the same number of another protocol."""
        self.assertEqual({}, self.ways(forward(8081, 8081, (80, 80))))
        self.assertEqual({}, self.ways(forward(8080, 8080, (80, 80)), PortRange("udp", 1, 65535)))

    def test_portStays(self) -> None:
        """If the rule has no port, each protected port stays the same."""
        ports = (PortRange("tcp", 22, 22), PortRange("tcp", 8080, 8082))
        wanted = {22: 22, 8080: 8080, 8081: 8081}
        self.assertEqual(wanted, self.ways(forward(0, 8081), *ports))

    def test_toOnePort(self) -> None:
        """If several ports lead to one, the lowest protected port counts."""
        ports = (PortRange("tcp", 9000, 9000), PortRange("tcp", 8080, 8082))
        self.assertEqual({80: 8080}, self.ways(forward(1, 65535, (80, 80)), *ports))

    def test_narrow(self) -> None:
        """If two rules lead to the same way, the narrower one counts."""
        rules = [forward(1, 65535), forward(8080, 8080, (80, 80))]
        ways = findWays(rules, [PortRange("tcp", 80, 80), WEB])
        wanted = [DirectWay(HERE, "tcp", 80, 8080), DirectWay(HERE, "tcp", 8080, 8080)]
        self.assertEqual(wanted, list(ways.direct))

    def test_ranges(self) -> None:
        """
        A range that is forwarded to one of the same length: any port there may be reached, most
        likely by the port at the same position.
        """
        ways = self.ways(forward(8079, 8082, (79, 82)), PortRange("tcp", 8080, 8081))
        self.assertEqual({79: 8080, 80: 8080, 81: 8081, 82: 8080}, ways)

    def test_otherLength(self) -> None:
        """A port that is in the target's range stays the same."""
        ways = self.ways(forward(8080, 8090, (8085, 8086)), PortRange("tcp", 8080, 8085))
        self.assertEqual({8085: 8085, 8086: 8080}, ways)

    def test_offset(self) -> None:
        """With a base, each port has its own target, and counting wraps at the end of the range."""
        protected = PortRange("tcp", 8079, 8083)
        ways = self.ways(forward(8080, 8090, (80, 82), base=8080), protected)
        self.assertEqual({80: 8080, 81: 8081, 82: 8082}, ways)
        self.assertEqual(
            80 + 65531 % 3, min(self.ways(forward(5, 5, (80, 82), base=10), PortRange("tcp", 5, 5)))
        )

    def test_emptyRange(self) -> None:
        """A range that ends before it begins leads nowhere, whatever its base."""
        for base in (None, 8080):
            self.assertEqual({}, self.ways(forward(8080, 8080, (80, 79), base)))

    def test_addresses(self) -> None:
        """Each address of a range is a way; over IPv6, too."""
        for first in (HERE, THERE):
            target = Target(first, first + 2, (80, 80))
            ways = findWays([Forward("udp", 1, 65535, target)], [PortRange("udp", 53, 53)])
            wanted = [DirectWay(first + number, "udp", 80, 53) for number in range(3)]
            self.assertEqual(wanted, list(ways.direct))

    def test_order(self) -> None:
        """The order of the rules does not count: only a real change is a change."""
        several = [forward(8080, 8080, (port, port)) for port in (80, 443, 22)]
        self.assertEqual(findWays(several, [WEB]), findWays(reversed(several), [WEB]))

    def test_tooMany(self) -> None:
        """If there are too many ways, those of narrow rules are guarded."""
        rules = [forward(1, 65535), forward(8080, 8080, (60000, 60000))]
        ways = findWays(rules, [PortRange("tcp", 1, 65535)])
        self.assertTrue(ways.isCut)
        self.assertEqual(MOST_WAYS, len(ways.direct))
        self.assertEqual(DirectWay(HERE, "tcp", 60000, 8080), ways.direct[-1])

    def test_same(self) -> None:
        """A way that is known already does not count against the limit."""
        self.patch(_directways, "MOST_WAYS", 1)
        for rules, isCut in ((2, False), (3, True)):
            found = [forward(8080, 8080), forward(8080, 8080), forward(8080, 8080, (80, 80))]
            self.assertIs(isCut, findWays(found[:rules], [WEB]).isCut)

    def test_wide(self) -> None:
        """Ranges of addresses end, however wide they are."""
        last = ip_address("ffff::")
        for ports in ((80, 80), (80, 79), None):
            found = Forward("tcp", 8080, 8080, Target(THERE, last, ports))
            self.assertEqual(ports != (80, 79), findWays([found], [WEB]).isCut)

    def test_again(self) -> None:
        """Too many rules for the same way end, too."""
        self.patch(_directways, "MOST_STEPS", 3)
        self.assertTrue(findWays(4 * [forward(8080, 8080)], [WEB]).isCut)
        self.assertFalse(findWays(3 * [forward(8080, 8080)], [WEB]).isCut)


class GuardTests(SynchronousTestCase):
    """
    The guard's elements for ways.
    """

    def setUp(self) -> None:
        """Make a guard with two ways."""
        self.ways = (DirectWay(HERE, "tcp", 80, 8081), DirectWay(THERE, "udp", 53, 53))
        self.doors = (makeDoor(ports="8080-8082", name="web"), makeDoor(ports="53/udp", name="dns"))

    def test_elements(self) -> None:
        """Each way leads to a chain for its port, and TCP ways are known as a container's."""
        guard = Guard(self.doors, direct=self.ways)
        ways = guard.ways()
        web, dns = sorted(guard.wayChains())
        self.assertRegex(f"{web} {dns}", r"^tcp_\w+_way8081 udp_\w+_way53$")
        key4 = bytes([10, 9, 3, 2, 6, 0, 0, 0, 0, 80, 0, 0])
        key6 = THERE.packed + bytes([17, 0, 0, 0, 0, 53, 0, 0])
        self.assertEqual([Element(key4, chain=web)], ways["direct4"])
        self.assertEqual([Element(key6, chain=dns)], ways["direct6"])
        self.assertEqual(([Element(key4)], []), (ways["inside4"], ways["inside6"]))

    def test_verdict(self) -> None:
        """The element that is written for a way is read again."""
        (element,) = Guard(self.doors, direct=self.ways).ways()["direct4"]
        written = list(splitMessages(swapElements("pkdoors", "direct4", (), [element])))[1][2][4:]
        self.assertEqual([element], readElements([(12, written)]))

    def test_notProtected(self) -> None:
        """A way past a port that no door has any more is left out."""
        for wanted in (8079, 8083, 1):
            ways = (DirectWay(HERE, "tcp", 80, wanted),)
            self.assertEqual([], Guard(self.doors, direct=ways).ways()["direct4"])
