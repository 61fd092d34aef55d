"""Tests of L{pkdoors.daemon.reload}: what happens to openings."""

from dataclasses import replace
from ipaddress import ip_address
from typing import ClassVar

from pkdoors.model.principal import OPERATOR
from pkdoors.model.sequence import Sequence
from tests.daemon.reloadcase import ANN, BOB, NO, SSH, WEB, ReloadTestCase
from tests.fakes.doors import PORTS, makeDoor, makeOpening, parse


class OpeningTests(ReloadTestCase):
    """
    What happens to openings.
    """

    def test_stays(self) -> None:
        """Openings of unchanged doors keep their deadlines, in all firewalls."""
        self.request()
        self.request(WEB, BOB)
        new = makeDoor((6, 7, 8, 9, 10), ports="80", name="new")
        self.assertEqual(["door new (80/tcp) is new"], self.reload(SSH, WEB, new).changes)
        for firewall in (self.guard, self.outer):
            self.assertEqual({("ssh", ANN): 31.0, ("web", BOB): 31.0}, firewall.doorsOpen())
            self.assertEqual((SSH, WEB, new), firewall.guarded)
        self.reactor.advance(30)
        self.assertGone()

    def test_gone(self) -> None:
        """A door that is gone is open for nobody, at once; others are not touched."""
        self.request()
        self.request(WEB)
        self.assertEqual(["door ssh (22/tcp) is gone"], self.reload(WEB).changes)
        for firewall in (self.guard, self.outer):
            self.assertEqual({("web", ANN): 31.0}, firewall.doorsOpen())
        (closed,) = [event for event in self.events if event.kind == "closed"]
        self.assertEqual((SSH, ANN), (closed.door, closed.source))
        self.assertEqual("because the new configuration has no such door", closed.reason)
        self.reactor.advance(30)
        self.assertGone()

    def test_otherPorts(self) -> None:
        """If its ports change, clients that earned the old ones cannot come in."""
        self.request()
        door = replace(SSH, ports=parse("2222"))
        self.assertEqual(["door ssh (2222/tcp) changed: ports"], self.reload(door, WEB).changes)
        self.assertGone()
        self.request(door)
        (opened,) = [event for event in self.events if event.kind == "opened"][1:]
        self.assertEqual(door, opened.door)

    def test_otherLock(self) -> None:
        """If its lock changes, clients that are in stay."""
        self.request()
        self.reload(replace(SSH, sequence=Sequence((9, 8, 7, 6, 5))), WEB)
        self.assertEqual({("ssh", ANN): 31.0}, self.guard.doorsOpen())
        self.assertEqual([], [event for event in self.events if event.kind == "closed"])

    def test_shorter(self) -> None:
        """Nobody stays longer than the door now allows, counted from the reload."""
        self.request(seconds=3600)
        self.request(source=BOB, seconds=10)
        self.reload(replace(SSH, openFor=5.0, maxOpenFor=60.0), WEB)
        for firewall in (self.guard, self.outer):
            self.assertEqual({("ssh", ANN): 61.0, ("ssh", BOB): 11.0}, firewall.doorsOpen())
        told = [(each.kind, each.source, each.seconds) for each in self.events]
        self.assertEqual([("shortened", ANN, 60.0)], [each for each in told if "short" in each[0]])
        self.reactor.pump([9.9, 50])
        self.assertGone()

    def test_longer(self) -> None:
        """A longer time counts for the next knock."""
        self.request()
        door = replace(SSH, openFor=60.0)
        self.reload(door, WEB)
        self.assertEqual({ANN: 31.0}, self.guard.open_())
        self.request(door)
        self.assertEqual({ANN: 61.1}, self.guard.open_())

    def test_allAtOnce(self) -> None:
        """One door goes, one comes, one changes its lock, times and ports."""
        self.request()
        self.request(WEB)
        web = replace(WEB, sequence=SSH.sequence, ports=parse("8443"), openFor=5.0)
        new = makeDoor((6, 7, 8, 9, 10), ports="22", name="new")
        self.assertEqual(
            [
                "door ssh (22/tcp) is gone",
                "door web (8443/tcp) changed: sequence, ports, open_for",
                "door new (22/tcp) is new",
            ],
            self.reload(web, new).changes,
        )
        self.assertGone()
        self.knock(*PORTS)
        self.assertEqual({("web", ANN): 6.1}, self.guard.doorsOpen())

    def test_whileItOpens(self) -> None:
        """
        An opening that firewalld has not done yet is closed in the guard at once, and in firewalld
        as soon as possible.
        """
        self.outer.holding = True
        self.request()
        done = self.begin(WEB)
        self.assertEqual({}, self.guard.doorsOpen())
        self.outer.holding = False
        self.outer.answer()
        self.reactor.pump([0, 0.1])
        self.successResultOf(done)
        self.assertGone()

    def test_whileItIsExtended(self) -> None:
        """The same holds for an extension; a time that is too long now is not granted."""
        self.request()
        self.outer.holding = True
        self.request(seconds=3600)
        done = self.begin(replace(SSH, openFor=5.0, maxOpenFor=60.0), WEB)
        self.outer.holding = False
        self.outer.answer()
        self.reactor.pump([0, 0.1])
        self.successResultOf(done)
        for firewall in (self.guard, self.outer):
            self.assertEqual({("ssh", ANN): 61.0}, firewall.doorsOpen())
        self.reactor.advance(60)
        self.assertGone()

    def test_whileItCloses(self) -> None:
        """An opening that firewalld is still closing is not opened again."""
        self.request()
        self.outer.holding = True
        self.keeper.close([("ssh", ip_address(ANN))], OPERATOR)
        done = self.begin(replace(SSH, openFor=5.0), WEB)
        self.outer.holding = False
        self.outer.answer()
        self.reactor.pump([0, 0.1])
        self.successResultOf(done)
        self.assertGone()

    def test_closedWhileItCloses(self) -> None:
        """
        A client that knocks again while firewalld still closes is let in by a reload at once; a
        close of that acts in the guard at once, too, and is never forgotten, even if the guard
        refuses.
        """
        for failures in ([], [NO]):
            self.request()
            self.outer.holding = True
            self.keeper.close([("ssh", ip_address(ANN))], OPERATOR)
            self.request(seconds=60)
            done = self.begin(SSH, replace(WEB, openFor=len(self.events) + 1.0))
            self.assertIn(("ssh", ANN), self.guard.doorsOpen())
            self.guard.failures = list[Exception](failures)
            self.keeper.close([("ssh", ip_address(ANN))], OPERATOR)
            self.assertEqual(bool(failures), ("ssh", ANN) in self.guard.doorsOpen())
            self.outer.holding = False
            self.outer.answerAll()
            self.reactor.pump([0, 0.1])
            self.successResultOf(done)
            self.assertGone()

    def test_whileItIsRetried(self) -> None:
        """An opening that firewalld refuses is not tried any more if the door is gone."""
        self.outer.failures = [NO]
        self.request()
        self.reload(WEB)
        self.reactor.pump([1] * 5)
        self.assertGone()
        self.assertEqual(0, sum(call.startswith("open") for call in self.outer.calls[-3:]))

    def test_refusedAndStays(self) -> None:
        """It is tried at once if the door stays."""
        self.outer.failures = [NO]
        self.request()
        self.assertEqual({}, self.outer.doorsOpen())
        self.reload(SSH, replace(WEB, openFor=5.0))
        self.assertEqual({("ssh", ANN): 31.0}, self.outer.doorsOpen())

    def test_closeIsRefused(self) -> None:
        """A closing that firewalld refuses is tried until it succeeds, even if its door is gone."""
        self.request()
        self.outer.failures = [NO, NO]
        self.begin(WEB)
        self.assertEqual(1, len(self.statuses()))
        self.reactor.pump([0, 1, 1, 1, 60])
        self.assertGone()

    def test_backWhileItCloses(self) -> None:
        """
        A client that is let in again while firewalld still closes the old ports gets the new ones.
        """
        self.request()
        self.outer.holding = True
        door = replace(SSH, ports=parse("2222"))
        done = self.begin(door, WEB)
        self.request(door)
        self.outer.holding = False
        self.outer.answerAll()
        self.reactor.pump([0, 0.1])
        self.successResultOf(done)
        (status,) = self.statuses()
        self.assertEqual(door, status.opening.door)
        told = [(each.kind, each.door) for each in self.events if each.source]
        self.assertEqual([("opened", SSH), ("closed", SSH), ("opened", door)], told)


class TakenOverTests(ReloadTestCase):
    """
    What happens to openings that an earlier daemon left.
    """

    before: ClassVar = [makeOpening(ANN, deadline=60.0, name="ssh")]

    def test_stays(self) -> None:
        """The opening stays if its door does."""
        self.reload(SSH, replace(WEB, openFor=5.0))
        for firewall in (self.guard, self.outer):
            self.assertEqual({("ssh", ANN): 60.0}, firewall.doorsOpen())
        self.reactor.advance(60)
        self.assertGone()

    def test_gone(self) -> None:
        """The opening ends with its door."""
        self.reload(WEB)
        self.assertGone()
