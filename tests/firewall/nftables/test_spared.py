"""Tests of L{pkdoors.firewall.nftables.firewall}: connections from before the guard."""

from twisted.logger import LogLevel

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import HANDOVER, TABLE
from pkdoors.firewall.nftables.firewall import SETTLED
from tests.fakes.doors import flow, makeDoor
from tests.fakes.tables import FakeTable
from tests.firewall.nftables.firewallcase import EVE, NEXT, NftablesTestCase
from tests.lab.conntracking import Entry


class SpareTests(NftablesTestCase):
    """
    Tests of the connections that exist when a port becomes protected.
    """

    def test_firstStart(self) -> None:
        """At the first start, all connections to the ports are spared, and no others."""
        web = flow(port=80, sourcePort=40003)
        for cut in (False, True):
            self.flush()
            self.firewall = self.make()
            self.sockets = [flow(), flow(EVE, sourcePort=7), web]
            self.start(makeDoor(cutSessions=cut))
            expected = {flow().key, flow(EVE, sourcePort=7).key}
            self.assertEqual(expected, self.flows("spared4"))
            self.assertEqual(set(), self.flows("sessions4"))

    def test_forwarded(self) -> None:
        """Connections that DNAT leads elsewhere are spared, as the guard sees them after DNAT."""
        behind = flow(port=8022, address="10.0.0.7")
        self.tracked = [Entry(flow(port=22, address="10.0.0.1"), behind)]
        self.start()
        self.assertEqual({behind.key}, self.flows("spared4"))

    def test_nextStart(self) -> None:
        """
        At the next start, connections are spared if the kernel remembers them; a connection that
        was made between the two is not.
        """
        self.sockets = [flow()]
        self.start()
        self.sockets.append(flow(EVE))
        for cut in (False, True):
            self.firewall = self.make()
            self.start(makeDoor(cutSessions=cut))
            self.assertEqual({flow().key}, self.flows("spared4"))

    def test_forwardedAtTheNextStart(self) -> None:
        """
        A connection through DNAT was let in by an opening, whatever port it goes to after that: a
        later start or a reload does not spare it.
        """
        door = makeDoor(cutSessions=True)
        self.start(door)
        behind = flow(port=8022, address="10.0.0.7")
        self.tracked = [Entry(flow(port=22, address="10.0.0.1"), behind)]
        self.firewall.setDoors((door,))
        self.restore()
        self.firewall = self.make()
        self.start(door)
        self.assertEqual(set(), self.flows("spared4"))

    def test_afterStrangeTable(self) -> None:
        """A table that is not ours counts as none: no client had to knock."""
        self.tables.tables[TABLE] = FakeTable(1)
        self.sockets = [flow()]
        self.start(makeDoor(cutSessions=True))
        self.assertEqual({flow().key}, self.flows("spared4"))

    def test_keep(self) -> None:
        """
        A reload spares the connections to ports that become protected; not those to ports that are
        protected already, nor any that come later.
        """
        self.sockets = [flow()]
        self.start()
        web = makeDoor(NEXT, "443", name="web", cutSessions=True)
        old, late = flow(port=443), flow(EVE, 443)
        self.sockets = [flow(), flow(EVE), old]
        self.firewall.setDoors((*self.doors, web))
        self.restore()
        self.sockets.append(late)
        self.firewall.setDoors((*self.doors, web))
        self.restore()
        self.assertEqual({flow().key, old.key}, self.flows("spared4"))

    def test_keepRefused(self) -> None:
        """
        If the kernel refuses the new doors, the old ones are as they were: clients that knocked for
        the new doors are not spared.
        """
        self.sockets = [flow()]
        self.start(makeDoor(cutSessions=True))
        self.sockets = [flow(), flow(EVE)]

        def refuse(step: str) -> None:
            raise FirewallError("no")

        self.tables.failing = refuse
        self.firewall.setDoors((makeDoor(ports="443", name="web"),))
        self.failureResultOf(self.firewall.restore([]), FirewallError)
        self.tables.failing = lambda step: None
        self.firewall.setDoors(self.doors)
        self.restore()
        self.assertEqual({flow().key}, self.flows("spared4"))
        self.assertEqual({(22).to_bytes(2)}, {*self.ours().sets["tcp_ports"].elements})

    def test_udp(self) -> None:
        """Tracked UDP flows are spared for a time; then no port needs a grace."""
        vpn = flow(port=51820, protocol="udp")
        self.tracked = [Entry(vpn, vpn)]
        self.start(makeDoor(ports="51820/udp"))
        self.assertEqual({vpn.key: 180.0}, self.tables.flows("sparedudp4"))
        self.assertEqual({vpn.key: 3600.0}, self.tables.flows("sparedmost4"))
        self.assertEqual({}, self.tables.living(TABLE, "grace4"))


class GraceTests(NftablesTestCase):
    """
    Tests of UDP ports that are protected for the first time on a host that tracks nothing.
    """

    def graces(self) -> dict[str, int]:
        """Return the ports, and the seconds for which they stay open."""
        four, six = (self.gracesOver(version) for version in (4, 6))
        self.assertEqual(four, six)
        return four

    def gracesOver(self, version: int) -> dict[str, int]:
        """Return them for one version of IP."""
        now = self.tables.now()
        return {
            f"{int.from_bytes(key[:2], 'big')}-{int.from_bytes(key[2:], 'big')}": round(
                ((element.end or 0) - now) / 1000
            )
            for key, element in self.tables.living(TABLE, f"grace{version}").items()
        }

    def test_untracked(self) -> None:
        """Over a version of IP whose connections are tracked, no port needs a grace."""
        self.tracked = [Entry(flow(), flow())]
        self.start(makeDoor(ports="53/udp"))
        self.assertEqual({}, self.gracesOver(4))
        self.assertEqual({"53-53": 30}, self.gracesOver(6))

    def test_firstStart(self) -> None:
        """The ports stay open for a while, and that is logged."""
        self.start(makeDoor(ports="22,6000-6010/udp,53/udp"))
        self.assertEqual({"53-53": 30, "6000-6010": 30}, self.graces())
        (line,) = self.log.lines(LogLevel.info)
        self.assertTrue(line.startswith("53/udp, 6000-6010/udp: protected for the first time"))
        self.clock.advance(30)
        self.assertEqual({}, self.graces())

    def test_sharedPorts(self) -> None:
        """A port of several doors has the shortest of their graces."""
        self.start(
            makeDoor(ports="6000-6010/udp", udpGrace=20.0),
            makeDoor(NEXT, "6005-6020/udp", name="b", udpGrace=10.0),
            makeDoor((6, 7, 8, 9, 10), "6020/udp,6030/udp", name="c", udpGrace=0.0),
        )
        self.assertEqual({"6000-6004": 20, "6005-6010": 10, "6011-6019": 10}, self.graces())

    def test_onlyOnce(self) -> None:
        """Neither a flush nor a reload opens the ports again."""
        self.start(makeDoor(ports="53/udp"))
        self.clock.advance(100)
        for _ in range(2):
            self.flush()
            self.restore()
            self.assertEqual({}, self.graces())
        self.firewall.setDoors((makeDoor(ports="53/udp,54/udp"),))
        self.restore()
        self.assertEqual({}, self.graces())

    def test_boot(self) -> None:
        """Soon after the boot, there are no clients to spare, so no port has a grace."""
        self.up = SETTLED - 1
        self.start(makeDoor(ports="53/udp"))
        self.assertEqual({}, self.graces())

    def test_nextStart(self) -> None:
        """A port that was protected before needs no grace, nor does one of a strange table."""
        self.start(makeDoor(ports="53/udp"))
        self.clock.advance(100)
        self.firewall = self.make()
        self.start(makeDoor(ports="53/udp"))
        self.assertEqual({}, self.graces())
        self.flush()
        self.tables.tables[TABLE] = FakeTable(1)
        self.firewall = self.make()
        self.start(makeDoor(ports="53/udp"))
        self.assertEqual({}, self.graces())

    def test_handingOver(self) -> None:
        """If a daemon was killed while it handed over, the ports that it closed get no grace."""
        self.start(makeDoor(ports="53/udp"))
        self.clock.advance(100)
        self.tables.tables[HANDOVER] = self.tables.tables.pop(TABLE)
        self.firewall = self.make()
        self.start(makeDoor(ports="53/udp"))
        self.assertEqual({}, self.graces())

    def test_off(self) -> None:
        """A door can have no grace."""
        self.start(makeDoor(ports="53/udp", udpGrace=0.0))
        self.assertEqual(({}, []), (self.graces(), self.log.lines()))
