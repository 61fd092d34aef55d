"""
Tests of L{pkdoors.firewall.nftables.capturing} and L{pkdoors.firewall.nftables._counting}, and of
what L{pkdoors.firewall.nftables.firewall} does with them.
"""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.capture import JUNK, Capture
from pkdoors.firewall.guard.guard import HANDOVER, TABLE
from pkdoors.firewall.netlink import reversepath
from pkdoors.firewall.netlink.logsocket import FIRST_GROUP, PacketLog
from pkdoors.firewall.netlink.reversepath import Interfaces
from pkdoors.firewall.nftables._counting import KnockCounts
from pkdoors.firewall.nftables.capturing import Capturing, readInterfaces
from pkdoors.firewall.nftables.firewall import NftablesFirewall
from tests.fakes.doors import makeDoor
from tests.firewall.nftables.firewallcase import NEXT, NftablesTestCase

GROUP = 4711


class FakeSocket:
    """A L{pkdoors.firewall.netlink.logsocket.LogSocket}."""

    group = GROUP
    isOpen = True

    def close(self) -> None:
        """Be closed."""
        self.isOpen = False


class StrictTests(SynchronousTestCase):
    """Tests of L{readInterfaces}."""

    def test_odd(self) -> None:
        """An interface whose name nft would misread counts for none."""
        names = ("eth*", 'e"0', "br-1.2@x:1")
        found = Interfaces(names, names[1:], True)
        self.patch(reversepath, "readInterfaces", lambda: found)
        self.assertEqual(Interfaces(names[2:], names[2:], True), readInterfaces())

    def test_here(self) -> None:
        """This host's settings can be read."""
        self.assertIsInstance(readInterfaces(), Interfaces)


class CountsTests(SynchronousTestCase):
    """Tests of L{KnockCounts}."""

    def test_junk(self) -> None:
        """Junk is counted apart, also after the counters began at 0 again."""
        counts = KnockCounts()
        counts.add({"ssh_dropped": 3, "web_dropped": 4, JUNK: 5})
        counts.add({"ssh_dropped": 4, JUNK: 2})
        self.assertEqual((8, 7), (counts.dropped, counts.junk))


class CapturingFirewallTests(NftablesTestCase):
    """A firewall that captures knocks."""

    def setUp(self) -> None:
        """Have a packet log."""
        self.opened: list[FakeSocket] = []
        self.error: FirewallError | None = None
        self.strict: tuple[str, ...] = ()
        self.strictError: OSError | None = None
        super().setUp()

    def openSocket(self) -> Any:
        """Bind a group."""
        if self.error is not None:
            raise self.error
        self.opened.append(FakeSocket())
        return self.opened[-1]

    def make(self) -> NftablesFirewall:
        """Make a firewall."""
        self.packetLog = PacketLog(self.openSocket)
        capturing = Capturing(self.packetLog, readInterfaces=self.readInterfaces)
        watch, up = self.watch.make, self.up
        return NftablesFirewall(self.clock, self.makeTable, watch, self.look, lambda: up, capturing)

    def readInterfaces(self) -> Interfaces:
        """Read the interfaces, or fail."""
        if self.strictError is not None:
            raise self.strictError
        return Interfaces(self.strict)

    def logs(self, table: str = TABLE) -> list[str]:
        """Return the rules that log."""
        found = self.tables.tables[table]
        return found.texts("knock_heard") if "knock_heard" in found.chains else []

    def test_prepare(self) -> None:
        """The kernel checks the rules, and whether a group can be bound; nothing stays open."""
        self.firewall.prepare(self.doors)
        (library,) = self.libraries
        self.assertIn(f"knock_heard log group {FIRST_GROUP} ", library.judged[0])
        self.assertEqual([False], [each.isOpen for each in self.opened])
        self.assertEqual([], self.tables.steps)

    def test_cannot(self) -> None:
        """A host that cannot capture is refused at once, with the reason."""
        self.error = FirewallError("no packet log")
        error = self.assertRaises(FirewallError, self.firewall.prepare, self.doors)
        self.assertEqual("no packet log", str(error))
        self.assertEqual([], self.libraries)

    def test_start(self) -> None:
        """The group is bound, and the rules name it."""
        self.start()
        self.assertEqual([f"log group {GROUP} snaplen 1500"], self.logs())
        self.assertEqual([True], [each.isOpen for each in self.opened])

    def test_hearsAll(self) -> None:
        """Everything can be heard."""
        capture = Capturing(self.packetLog, hearsAll=True, readInterfaces=Interfaces).begin()
        self.assertEqual(Capture(GROUP, hearsAll=True), capture)

    def test_reload(self) -> None:
        """Other doors keep the group; each time, the interfaces are looked at again."""
        self.start()
        self.strict = ("eth0",)
        self.firewall.setDoors((makeDoor(NEXT),))
        self.restore()
        self.assertEqual([f"log group {GROUP} snaplen 1500"], self.logs())
        self.assertEqual(1, len(self.opened))
        self.assertEqual(1, len(self.ours().sets["StrictKnocks"].elements))

    def test_unreadable(self) -> None:
        """If the interfaces cannot be read, they stay as they were; the guard does not wait."""
        self.strict = ("eth0",)
        self.start()
        self.strictError = OSError("no descriptor is left")
        self.flush()
        self.restore()
        self.assertEqual([f"log group {GROUP} snaplen 1500"], self.logs())
        self.assertEqual(1, len(self.ours().sets["StrictKnocks"].elements))

    def test_healed(self) -> None:
        """After a flush the rules name the same group."""
        self.start()
        self.flush()
        self.restore()
        self.assertEqual([f"log group {GROUP} snaplen 1500"], self.logs())

    def test_handover(self) -> None:
        """The table that guards during a replacement logs nothing: a knock would count twice."""
        self.start(makeDoor(ports="20-30"))
        seen = []
        run = self.tables.run

        def watchRun(commands: str, *arguments: Any) -> None:
            run(commands, *arguments)
            if HANDOVER in self.tables.tables:
                seen.append(self.logs(HANDOVER))

        self.patch(self.tables, "run", watchRun)
        self.firewall.setDoors((makeDoor(ports="20-25"),))
        self.restore()
        self.assertTrue(seen)
        self.assertEqual([], [rules for rules in seen if rules])

    def test_counts(self) -> None:
        """Junk is told apart from what one source sent too much."""
        self.assertEqual(0, self.firewall.countJunk())
        self.start()
        self.ours().counters.update({"KnocksDropped": 7, JUNK: 3})
        self.assertEqual((7, 3), (self.firewall.countDropped(), self.firewall.countJunk()))
