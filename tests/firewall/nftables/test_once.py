"""Tests of L{pkdoors.firewall.nftables.firewall}: openings for one connection."""

from dataclasses import replace
from ipaddress import ip_address

from pkdoors.errors import FirewallError
from pkdoors.firewall.guard.guard import TABLE
from pkdoors.firewall.guard.openingkeys import sourceKey
from pkdoors.firewall.netlink.flows import Flow
from pkdoors.firewall.nftables.placing.checking import MARGIN
from pkdoors.firewall.nftables.table import GuardTable
from pkdoors.model.doors import Opening
from tests.fakes.doors import flow, makeDoor, makeOpening
from tests.firewall.nftables.firewallcase import ANN, EVE, NftablesTestCase

LONG = 1000.0


def granted(number: int = 1, source: str = ANN, deadline: float = 30.0) -> Opening:
    """Return an opening for one connection."""
    return replace(makeOpening(source, deadline, once=True), grant=number)


class OnceTests(NftablesTestCase):
    """
    Tests of what this firewall does with openings for one connection.
    """

    def setUp(self) -> None:
        """Have such a door."""
        super().setUp()
        self.doors = (makeDoor(once=True),)

    def open(self, opening: Opening) -> None:
        """Open."""
        self.successResultOf(self.firewall.open(opening))

    def use(self, source: str = ANN, table: str = TABLE) -> None:
        """Use the opening, as the kernel does when a connection begins."""
        self.tables.put("default_used4", ip_address(source).packed, LONG, table)

    def used(self) -> set[str]:
        """Return the addresses whose opening is used."""
        return {*self.tables.sources("default_used4")}

    def present(self, table: str = TABLE) -> dict[str, float]:
        """Return the openings in the kernel, used or not."""
        return self.tables.sources("default_once4", table)

    def many(self) -> dict[str, float]:
        """Return the openings for any number of connections."""
        return self.tables.sources("tcp_open4") if "tcp_open4" in self.ours().sets else {}

    def find(self, *openings: Opening) -> list[tuple[Opening, bool]]:
        """Find out which of these are over."""
        return self.firewall.findUsed(openings)

    def test_open(self) -> None:
        """They have a set of their own."""
        self.start()
        self.open(granted())
        self.assertEqual({ANN: 30.0}, self.present())
        self.assertEqual({}, self.many())
        self.assertEqual([], self.find(granted()))

    def test_used(self) -> None:
        """The kernel says which ones were used."""
        self.start()
        first, second = granted(1), granted(2, EVE)
        self.open(first)
        self.open(second)
        self.use(EVE)
        self.assertEqual([(second, True)], self.find(first, second))

    def test_nothingIsTriedInVain(self) -> None:
        """
        The daemon asks the kernel to delete only what is there: an attempt that fails takes it ten
        milliseconds.
        """
        self.start()
        for opening in (granted(1), granted(2)):
            self.open(opening)
        self.use()
        self.open(granted(3))
        self.successResultOf(self.firewall.close(granted(3)))
        self.firewall.setDoors((makeDoor(ports="23"),))
        self.restore()
        self.successResultOf(self.firewall.close(granted(3)))
        self.assertEqual([], self.tables.refused)

    def test_over6(self) -> None:
        """The same over IPv6."""
        self.start()
        opening = granted(source="2001:db8::7")
        self.open(opening)
        self.assertEqual([], self.find(opening))
        self.tables.put("default_used6", sourceKey(opening.source), LONG)
        self.assertEqual([(opening, True)], self.find(opening))

    def test_firstIsFast(self) -> None:
        """A client's first opening deletes nothing, which is half of the work."""
        self.start()
        self.patch(GuardTable, "add", lambda *arguments: self.fail("not as the first one"))
        self.open(granted())
        self.assertEqual({ANN: 30.0}, self.present())

    def test_unknownMark(self) -> None:
        """A mark that nobody knows of does not use up a client's first opening."""
        self.start()
        self.use()
        self.open(granted())
        self.assertEqual(({ANN: 30.0}, set()), (self.present(), self.used()))

    def test_unknownOpening(self) -> None:
        """If there is an opening that nobody knows of, it gets the new deadline."""
        self.start()
        self.open(granted(1))
        self.firewall._placer.openings.remove(granted(1))
        self.use()
        self.open(granted(2, deadline=50.0))
        self.assertEqual(({ANN: 50.0}, set()), (self.present(), self.used()))

    def test_grantedAgain(self) -> None:
        """A new grant makes a used opening anew; the same one again only moves its deadline."""
        self.start()
        self.open(granted(1))
        self.use()
        self.open(granted(1, deadline=40.0))
        self.assertEqual(({ANN: 40.0}, {ANN}), (self.present(), self.used()))
        self.open(granted(2, deadline=50.0))
        self.assertEqual(({ANN: 50.0}, set()), (self.present(), self.used()))
        self.open(granted(3, deadline=60.0))
        self.assertEqual({ANN: 60.0}, self.present())

    def test_grantedAgainAtOnce(self) -> None:
        """That is one transaction: before it, nobody gets in, and after it, one connection."""
        self.start()
        self.open(granted(1))
        self.use()

        def look(step: str) -> None:
            self.assertEqual({ANN}, self.used())

        self.tables.failing = look
        self.open(granted(2))
        self.assertEqual(set(), self.used())

    def test_close(self) -> None:
        """Closing leaves nothing behind; the mark goes last."""
        self.start()
        self.open(granted())
        self.use()

        def look(step: str) -> None:
            self.assertTrue(not self.present() or self.used())

        self.tables.failing = look
        self.successResultOf(self.firewall.close(granted()))
        self.assertEqual(({}, set()), (self.present(), self.used()))
        self.successResultOf(self.firewall.close(granted()))

    def test_flushed(self) -> None:
        """After a flush they are not put back, used or not."""
        self.start()
        self.open(granted(1))
        self.open(granted(2, EVE))
        self.use(EVE)
        self.flush()
        self.assertEqual([(granted(1), False)], self.find(granted(1)))
        self.restore(granted(1), granted(2, EVE))
        self.assertTrue(self.ours().guards())
        self.assertEqual({}, self.present())
        self.assertEqual([(granted(1), False)], self.find(granted(1)))

    def test_flushedSessions(self) -> None:
        """Nor do connections count as let in that came while there was no guard."""
        self.start()
        self.open(granted())
        self.flush()
        self.sockets: list[Flow] = [flow(ANN), flow(ANN, sourcePort=9)]
        self.restore(granted())
        self.assertEqual(set(), self.flows("sessions4"))

    def test_changed(self) -> None:
        """After somebody changed the guard, they go, too: he may have removed a mark."""
        self.start()
        self.open(granted())
        self.use()
        self.ours().sets["default_used4"].elements.clear()
        self.watch.changed("nft")
        self.restore(granted())
        self.assertEqual({}, self.present())
        self.open(granted(2))
        self.restore(granted(2))
        self.assertEqual({ANN: 30.0}, self.present())

    def test_loadedAgain(self) -> None:
        """So do those of a saved table, even if nobody has noticed yet that it was loaded."""
        self.start()
        self.open(granted())
        self.ours().handle += 1
        self.restore(granted())
        self.assertEqual({}, self.present())

    def test_kept(self) -> None:
        """A reload keeps them, with their marks."""
        self.start()
        self.open(granted(1))
        self.open(granted(2, EVE))
        self.use(EVE)
        self.firewall.setDoors((makeDoor(once=True), makeDoor((1, 2, 3, 4, 5), "443", name="web")))
        self.restore(granted(1), granted(2, EVE))
        self.assertEqual(({ANN, EVE}, {EVE}), ({*self.present()}, self.used()))

    def test_notWanted(self) -> None:
        """A used one that is not wanted any more goes, with its mark."""
        self.start()
        self.open(granted())
        self.use()
        self.restore()
        self.assertEqual(({}, set()), (self.present(), self.used()))

    def test_neverGranted(self) -> None:
        """A restoration does not grant what the kernel refused: its next try does."""
        self.start()

        def refuse(step: str) -> None:
            raise FirewallError("no")

        self.tables.failing = refuse
        self.failureResultOf(self.firewall.open(granted()), FirewallError)
        self.tables.failing = lambda step: None
        self.restore(granted())
        self.assertEqual({}, self.present())
        self.open(granted())
        self.assertEqual({ANN: 30.0}, self.present())

    def test_takeOver(self) -> None:
        """A new daemon takes over those that were not used; the others go."""
        self.start()
        self.open(granted(1))
        self.open(granted(2, EVE))
        self.use(EVE)
        self.firewall = self.make()
        (opening,) = self.start()
        self.assertEqual(granted(), opening)
        self.assertEqual(({ANN: 30.0}, set()), (self.present(), self.used()))
        self.use()
        self.assertEqual([(opening, True)], self.find(opening))

    def test_takeOverOther(self) -> None:
        """Openings for one do not become openings for many at a take-over, nor the reverse."""
        for before, after in ((True, False), (False, True)):
            self.setUp()
            self.start(makeDoor(once=before))
            self.open(makeOpening(once=before))
            self.firewall = self.make()
            self.assertEqual([], self.start(makeDoor(once=after)))

    def test_reload(self) -> None:
        """Openings for one are gone as soon as the door opens for many; the reverse can stay."""
        self.start()
        self.open(granted())
        self.firewall.setDoors((makeDoor(),))
        self.restore()
        self.assertEqual({}, self.present())
        self.clock.advance(0)
        self.assertNotIn("default_once4", self.ours().sets)
        many = replace(makeOpening(), grant=2)
        self.open(many)
        self.firewall.setDoors((makeDoor(once=True),))
        self.restore(granted(2))
        self.assertEqual(({ANN: 30.0}, set()), (self.present(), self.used()))
        self.assertEqual({}, self.many())

    def test_handedOver(self) -> None:
        """If the whole table is replaced, they do not survive: a mark could get lost."""
        self.start()
        self.open(granted())
        self.isOwner = True
        self.firewall = self.make()
        opening = self.start()
        self.assertEqual([granted()], opening)
        self.assertEqual({}, self.present())
        self.assertEqual([(granted(), False)], self.find(*opening))

    def test_ended(self) -> None:
        """One whose time is just over is not lost."""
        self.start()
        self.open(granted())
        self.clock.advance(30.0 - MARGIN / 2)
        self.ours().sets["default_once4"].elements.clear()
        self.assertEqual([], self.find(granted()))

    def test_unreadable(self) -> None:
        """If the kernel does not answer, nothing is known to be over."""
        self.start()
        self.open(granted())

        def refuse(*arguments: object) -> list[object]:
            raise FirewallError("no")

        self.patch(self.firewall._table, "listElements", refuse)
        self.assertEqual([], self.find(granted()))
