"""Tests of L{pkdoors.firewall.nftables.firewall}: changes of the guard by others."""

from collections.abc import Callable, Iterator
from typing import Any

from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink.flows import Flow
from pkdoors.firewall.nftables._sessions import NOTE_AFTER
from pkdoors.firewall.openings.table import OpeningTable
from pkdoors.model.doors import Opening
from tests.fakes.doors import flow, makeDoor, makeOpening
from tests.fakes.kernel import FakeKernel
from tests.fakes.tables import FakeTable
from tests.firewall.nftables.firewallcase import ANN, EVE, NEXT, NftablesTestCase

DAY = 24 * 3600.0


class NotesTests(NftablesTestCase):
    """
    Tests of the connections that go on after a flush.
    """

    def letIn(self, *flows: Flow, name: str = "sessions4") -> None:
        """Add flows to a set, as the kernel does when it lets clients in."""
        for session in flows:
            self.tables.put(name, session.key, 5 * DAY)

    def test_open(self) -> None:
        """
        A client that is connected through an open door goes on; strangers who got in meanwhile do
        not.
        """
        self.start(makeDoor(ports="22"), makeDoor(NEXT, "443", name="web"))
        self.successResultOf(self.firewall.open(makeOpening(ANN)))
        self.flush()
        late = flow(ANN, 443, sourcePort=9)
        self.sockets = [flow(ANN), flow(EVE), late]
        self.restore(makeOpening(ANN))
        self.assertEqual({flow(ANN).key}, self.flows("sessions4"))

    def test_justClosed(self) -> None:
        """So does a client whose door closes before the guard is back."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening(ANN)))
        self.flush()
        self.sockets = [flow(ANN), flow(EVE)]
        self.restore()
        self.assertEqual({flow(ANN).key}, self.flows("sessions4"))
        self.assertEqual({}, self.tables.sources("tcp_open4"))

    def test_closedAfterRefusal(self) -> None:
        """So does one whose door closes after the kernel has refused to put the guard back."""
        self.start()
        opening = makeOpening(ANN)
        self.successResultOf(self.firewall.open(opening))
        self.flush()
        self.sockets = [flow(ANN), flow(EVE)]

        def refuse(step: str) -> None:
            raise FirewallError("no memory is left")

        self.patch(self.tables, "failing", refuse)
        self.failureResultOf(self.firewall.restore([opening]), FirewallError)
        self.patch(self.tables, "failing", lambda step: None)
        self.successResultOf(self.firewall.close(opening))
        self.restore()
        self.assertEqual({flow(ANN).key}, self.flows("sessions4"))

    def test_guardFirst(self) -> None:
        """Nobody looks through the openings of a guard that is gone before it is back."""
        looked: list[bool] = []
        look = OpeningTable.__iter__

        def record(table: OpeningTable) -> Iterator[Opening]:
            looked.append(bool(self.tables.tables))
            return look(table)

        self.start()
        self.successResultOf(self.firewall.open(makeOpening(ANN)))
        self.flush()
        self.sockets = [flow(ANN)]
        self.patch(OpeningTable, "__iter__", record)
        self.restore(makeOpening(ANN))
        self.assertEqual([True], looked)

    def test_openAndCut(self) -> None:
        """If sessions are cut, no flow is noted."""
        self.start(makeDoor(cutSessions=True))
        self.successResultOf(self.firewall.open(makeOpening(ANN, cutSessions=True)))
        self.flush()
        self.sockets = [flow(ANN)]
        self.restore(makeOpening(ANN, cutSessions=True))
        self.assertEqual(set(), self.flows("sessions4"))

    def test_notFlushed(self) -> None:
        """If the guard is still there, a stranger's change gives nobody a session."""
        self.start()
        self.sockets = [flow(ANN)]
        self.restore(makeOpening(ANN))
        self.assertEqual(set(), self.flows("sessions4"))

    def test_closed(self) -> None:
        """Sessions of a door that has closed go on: they are noted when it closes."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening(ANN)))
        self.letIn(flow(ANN))
        self.clock.advance(29)
        self.successResultOf(self.firewall.close(makeOpening(ANN)))
        self.flush()
        self.restore()
        self.assertEqual({flow(ANN).key: 5 * DAY - 29}, self.tables.flows("sessions4"))

    def test_closings(self) -> None:
        """After many closings the flows are noted twice: at the first, and a moment later."""
        self.start()
        self.successResultOf(self.firewall.close(makeOpening(ANN)))
        asked = self.libraries[-1].asked()
        for _ in range(100):
            self.letIn(flow(EVE))
            self.successResultOf(self.firewall.close(makeOpening(EVE)))
        self.assertEqual(asked, self.libraries[-1].asked())
        self.clock.advance(NOTE_AFTER)
        self.assertLess(asked, self.libraries[-1].asked())
        self.flush()
        self.restore()
        self.assertEqual({flow(EVE).key}, self.flows("sessions4"))

    def test_closedWithoutGuard(self) -> None:
        """A closing while there is no guard keeps the earlier notes."""
        self.start()
        self.letIn(flow(ANN))
        self.successResultOf(self.firewall.close(makeOpening(ANN)))
        self.flush()
        self.clock.advance(NOTE_AFTER)
        self.successResultOf(self.firewall.close(makeOpening(EVE)))
        self.restore()
        self.assertEqual({flow(ANN).key}, self.flows("sessions4"))

    def test_flushedMeanwhile(self) -> None:
        """A closing while the guard disappears keeps the earlier notes, too."""
        self.start()
        self.letIn(flow(ANN))
        self.successResultOf(self.firewall.close(makeOpening(ANN)))
        dump = FakeKernel.dump

        def goes(kernel: FakeKernel, question: bytes) -> list[tuple[int, bytes]]:
            if b"sessions4" in question:
                self.flush()
            return dump(kernel, question)

        self.patch(FakeKernel, "dump", goes)
        self.clock.advance(NOTE_AFTER)
        self.patch(FakeKernel, "dump", dump)
        self.assertFalse(self.tables.tables)
        self.restore()
        self.assertEqual({flow(ANN).key}, self.flows("sessions4"))

    def test_ended(self) -> None:
        """A flow whose time is over does not come back."""
        self.start()
        self.tables.put("sessions4", flow().key, 120.0)
        self.successResultOf(self.firewall.close(makeOpening()))
        self.clock.advance(120)
        self.flush()
        self.restore()
        self.assertEqual(set(), self.flows("sessions4"))

    def test_owned(self) -> None:
        """If nobody else can remove the guard, nothing is noted: the kernel remembers."""
        self.isOwner = True
        self.firewall = self.make()
        self.start()
        asked = self.libraries[-1].asked()
        for _ in range(3):
            self.successResultOf(self.firewall.close(makeOpening()))
            self.clock.advance(NOTE_AFTER)
        self.assertEqual(asked, self.libraries[-1].asked())


class UnsureTests(NftablesTestCase):
    """
    Tests of a kernel that reported more changes than the socket could hold.
    """

    def setUp(self) -> None:
        """Open two doors, one of them for only a moment."""
        super().setUp()
        self.start()
        for source, deadline in ((ANN, 30.0), ("2001:db8::7", 3.0)):
            self.successResultOf(self.firewall.open(makeOpening(source, deadline)))

    def unsure(self) -> list[str]:
        """Report that changes may be missing, and return the reported losses."""
        self.lost.clear()
        self.watch.unsure()
        return self.lost

    def test_same(self) -> None:
        """Nothing is done if only packets have added elements, or nothing has changed."""
        self.assertEqual([], self.unsure())
        self.tables.put("sessions4", flow().key, 100.0)
        self.clock.advance(2.5)
        self.assertEqual([], self.unsure())
        self.clock.advance(10)
        self.assertEqual([], self.unsure())
        self.successResultOf(self.firewall.close(makeOpening(ANN)))
        self.assertEqual([], self.unsure())
        self.firewall.setDoors((*self.doors, makeDoor(NEXT, "443", name="web")))
        self.restore()
        self.clock.advance(1)
        self.assertEqual([], self.unsure())

    def test_justChanged(self) -> None:
        """During a reload, and just after it, nobody knows: then the guard is restored, too."""
        self.firewall.setDoors((*self.doors, makeDoor(NEXT, "443", name="web")))
        self.restore()
        self.assertEqual(["somebody changed the guard"], self.unsure())

    def test_changed(self) -> None:
        """An opening too many or too few, a rule, a port, or the table: the guard is restored."""
        stranger = flow(EVE).source.packed + (22).to_bytes(2) + bytes(2)
        changes: list[Callable[[FakeTable], Any]] = [
            lambda there: there.sets["tcp_open4"].elements.clear(),
            lambda there: self.tables.put("tcp_open4", stranger, 60.0),
            lambda there: there.rules.insert(0, (0, "input", "accept")),
            lambda there: there.rules.pop(),
            lambda there: there.sets["tcp_ports"].elements.clear(),
            lambda there: self.flush(),
        ]
        for number, change in enumerate(changes):
            change(self.ours())
            self.assertEqual(["somebody changed the guard"], self.unsure(), number)
            self.restore(makeOpening(ANN))
            self.assertEqual([], self.unsure(), number)

    def test_notTold(self) -> None:
        """If the kernel's table cannot be read, the guard is restored."""
        self.libraries[-1].kernel.refusing = FirewallError("busy")
        self.assertEqual(["somebody changed the guard"], self.unsure())
