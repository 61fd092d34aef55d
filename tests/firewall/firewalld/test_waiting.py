"""Tests of L{pkdoors.firewall.firewalld.firewall}: work that waits for a slow firewalld."""

from twisted.internet.defer import CancelledError, Deferred

from pkdoors.errors import DeadlinePassed, FirewallError
from pkdoors.firewall.firewalld import thread
from pkdoors.firewall.firewalld.client import ZoneClient
from pkdoors.firewall.firewalld.connection import FirewalldTimeout
from pkdoors.firewall.firewalld.firewall import FirewalldFirewall
from pkdoors.firewall.firewalld.richrules import knockRule
from pkdoors.firewall.firewalld.thread import BusThread
from tests.fakes.doors import PORTS, makeOpening
from tests.fakes.modules import makeModule, replaceModule
from tests.firewall.firewalld.case import QUESTIONS, FirewalldTestCase, rule
from tests.firewall.firewalld.test_thread import FakeGLib, FakeThread


class SlowTests(FirewalldTestCase):
    """
    Tests with a slow firewalld: the thread does its work in steps of L{FakeGLib}.
    """

    def setUp(self) -> None:
        """Start the firewall, and let work wait from then on."""
        super().setUp()
        self.glib = FakeGLib()
        replaceModule(self, "gi.repository", makeModule("gi.repository", GLib=self.glib))
        self.patch(thread, "Thread", FakeThread)
        self.firewall = FirewalldFirewall(
            self.clock,
            BusThread(lambda work, *arguments: work(*arguments)),
            lambda zone: ZoneClient(zone, lambda: self.firewalld),
        )
        self.glib.isEager = True
        self.start()
        self.glib.isEager = False
        self.firewalld.asked.clear()

    def hang(self) -> None:
        """Make firewalld leave everything unanswered."""
        for method in (*QUESTIONS, "addRichRule", "removeRichRule"):
            self.firewalld.refuse(method, "", "no", "org.freedesktop.DBus.Error.NoReply")

    def sources(self) -> list[str]:
        """Return the sources for which rules were added, in order."""
        calls = [call for call in self.firewalld.calls if call.startswith("add")]
        return [call.partition('source address="')[2].partition('"')[0] for call in calls]

    def open(self, source: str, deadline: float = 30.0) -> Deferred[None]:
        """Ask for an opening."""
        return self.firewall.open(makeOpening(source, deadline))

    def callOff(self, opening: Deferred[None]) -> None:
        """Cancel an opening."""
        opening.cancel()
        self.failureResultOf(opening, CancelledError)

    def test_zonesOnce(self) -> None:
        """Openings at the same moment share one question for the zones; a later one asks again."""
        self.glib.isEager = True
        self.firewall.restore([])
        self.glib.isEager = False
        self.firewalld.asked.clear()
        for last in range(20):
            self.open(f"192.0.2.{last}")
        self.glib.run()
        self.assertEqual((20, 1), (len(self.added()), self.firewalld.asked.count("getActiveZones")))
        self.clock.advance(1)
        self.open("192.0.2.99")
        self.glib.run()
        self.assertEqual(2, self.firewalld.asked.count("getActiveZones"))

    def test_zonesMoved(self) -> None:
        """If firewalld signals a change, it is asked again at once."""
        self.open("192.0.2.1")
        self.glib.run()
        self.firewalld.active["internal"] = {"sources": ["192.0.2.0/24"]}
        self.firewalld.tell("source-added", "internal", "192.0.2.0/24")
        self.open("192.0.2.2")
        self.glib.run()
        self.assertEqual((1, 1), (len(self.added()), len(self.added("internal"))))

    def test_tooLate(self) -> None:
        """
        A client that waits for longer than it asked for is not let in any more; the others are.
        """
        short, long = self.open("192.0.2.1", 5.0), self.open("192.0.2.2", 30.0)
        self.clock.advance(10)
        self.glib.run()
        self.failureResultOf(short, DeadlinePassed)
        self.successResultOf(long)
        self.assertEqual(["192.0.2.2"], self.sources())

    def test_superseded(self) -> None:
        """
        If a client knocks again and again meanwhile, it gets one call, at the turn of its first
        knock.
        """
        waiting = self.open("192.0.2.1", 30.0)
        self.open("192.0.2.2")
        for deadline in (40.0, 50.0, 60.0):
            self.callOff(waiting)
            waiting = self.open("192.0.2.1", deadline)
        self.glib.run()
        self.successResultOf(waiting)
        self.assertEqual(["192.0.2.1", "192.0.2.2"], self.sources())
        self.assertEqual(60.0, self.added()[rule(31338, source="192.0.2.1")])

    def test_closed(self) -> None:
        """An opening that is closed while it waits is never made."""
        self.callOff(self.open("192.0.2.1"))
        closed = self.firewall.close(makeOpening("192.0.2.1"))
        self.glib.run()
        self.successResultOf(closed)
        self.assertEqual([], self.firewalld.calls)

    def test_full(self) -> None:
        """If too many wait, the next is refused; closing, healing and stopping are not."""
        self.open("192.0.2.1")
        self.glib.run()
        self.patch(thread, "MAX_WAITING", 1)
        self.open("192.0.2.2")
        refused = self.failureResultOf(self.open("192.0.2.3"), FirewallError)
        self.assertIn("already wait for firewalld", str(refused.value))
        self.firewalld.rules["public"].pop(knockRule(PORTS[0]))
        others = [
            self.firewall.close(makeOpening("192.0.2.1")),
            self.firewall.restore([makeOpening("192.0.2.2")]),
        ]
        self.glib.run()
        for result in others:
            self.successResultOf(result)
        self.assertIn(knockRule(PORTS[0]), self.firewalld.present())
        self.assertEqual([rule(31338, source="192.0.2.2")], list(self.added()))
        stopped = self.firewall.stop()
        self.glib.run()
        self.successResultOf(stopped)
        self.assertTrue(self.glib.isQuit)

    def test_silence(self) -> None:
        """
        If firewalld does not answer a call, those that wait behind it fail, too; firewalld is asked
        only once.
        """
        waiting = [self.open(f"192.0.2.{last}") for last in range(5)]
        self.hang()
        self.clock.advance(1)
        self.glib.run()
        for result in waiting:
            self.failureResultOf(result, FirewalldTimeout)
        self.assertEqual(["getActiveZones"], self.firewalld.asked)
        self.assertEqual(["firewalld did not answer"], self.lost)

    def test_afterSilence(self) -> None:
        """A later opening is tried, and the silence is not reported a second time."""
        self.test_silence()
        self.clock.advance(1)
        again = self.open("192.0.2.1")
        self.glib.run()
        self.failureResultOf(again, FirewalldTimeout)
        self.assertEqual(1, len(self.lost))
        self.firewalld.refusals.clear()
        again = self.open("192.0.2.1")
        self.glib.run()
        self.successResultOf(again)
        self.hang()
        self.clock.advance(1)
        self.open("192.0.2.2").addErrback(lambda failure: failure.trap(FirewalldTimeout))
        self.glib.run()
        self.assertEqual(2, len(self.lost))

    def test_silentClose(self) -> None:
        """If firewalld is silent, a closing fails only if there is something to close."""
        opened = self.open("192.0.2.1")
        self.glib.run()
        self.successResultOf(opened)
        self.hang()
        self.open("192.0.2.2").addErrback(lambda failure: failure.trap(FirewalldTimeout))
        first, second = (self.firewall.close(makeOpening(f"192.0.2.{last}")) for last in (1, 2))
        self.clock.advance(1)
        self.glib.run()
        self.failureResultOf(first, FirewalldTimeout)
        self.successResultOf(second)
        self.firewalld.refusals.clear()
        again = self.firewall.close(makeOpening("192.0.2.1"))
        self.glib.run()
        self.successResultOf(again)
        self.assertEqual({}, self.added())

    def test_doneLater(self) -> None:
        """
        If firewalld executes an unanswered call later, the restoration removes the result.
        """
        self.hang()
        unanswered = self.open("192.0.2.1")
        self.glib.run()
        self.failureResultOf(unanswered, FirewalldTimeout)
        self.firewalld.refusals.clear()
        self.firewalld.rules["public"][rule(31338, source="192.0.2.1")] = 30.0
        restored = self.firewall.restore([])
        self.glib.run()
        self.successResultOf(restored)
        self.assertEqual({}, self.added())

    def test_noJumping(self) -> None:
        """
        Work that is asked for after a restoration is done after it: the restoration has an older
        deadline.
        """
        self.callOff(self.open("192.0.2.1", 30.0))
        self.firewall.restore([makeOpening("192.0.2.1", 30.0)])
        self.open("192.0.2.1", 60.0)
        self.glib.run()
        self.assertEqual([60.0], list(self.added().values()))

    def test_restoredTooLate(self) -> None:
        """A restoration does not add an opening whose time is over when its turn comes."""
        restored = self.firewall.restore(
            [makeOpening("192.0.2.1", 5.0), makeOpening("192.0.2.2", 30.0)]
        )
        self.clock.advance(10)
        self.glib.run()
        self.successResultOf(restored)
        self.assertEqual({rule(31338, source="192.0.2.2"): 20.0}, self.added())

    def test_closingsComeLater(self) -> None:
        """
        Openings do not wait for closings: the guard has closed already. Each closing is done.
        """
        sources = [f"192.0.2.{last}" for last in range(20)]
        for source in sources:
            self.open(source)
        self.glib.run()
        closings = [self.firewall.close(makeOpening(source)) for source in sources]
        self.firewalld.calls.clear()
        self.open("192.0.2.99")
        self.glib.step()
        self.assertEqual([f"add public {rule(31338, source='192.0.2.99')}"], self.firewalld.calls)
        self.glib.run()
        for closing in closings:
            self.successResultOf(closing)
        self.assertEqual([rule(31338, source="192.0.2.99")], list(self.added()))

    def test_ownClosingComesFirst(self) -> None:
        """An opening waits for its own closing, which must not end it."""
        self.open("192.0.2.1", 30.0)
        self.glib.run()
        others = [self.firewall.close(makeOpening(f"192.0.2.{last}")) for last in (2, 3)]
        closing = self.firewall.close(makeOpening("192.0.2.1"))
        again = self.open("192.0.2.1", 60.0)
        self.glib.run()
        for result in (*others, closing, again):
            self.successResultOf(result)
        self.assertEqual({rule(31338, source="192.0.2.1"): 60.0}, self.added())

    def test_closedTwice(self) -> None:
        """A closing that is asked for twice is answered twice."""
        closings = [self.firewall.close(makeOpening("192.0.2.1")) for _ in range(2)]
        self.glib.run()
        for closing in closings:
            self.successResultOf(closing)

    def test_stopAfterClosings(self) -> None:
        """Stopping waits for the closings."""
        self.open("192.0.2.1")
        self.glib.run()
        closing = self.firewall.close(makeOpening("192.0.2.1"))
        stopped = self.firewall.stop()
        self.glib.run()
        for result in (closing, stopped):
            self.successResultOf(result)
        self.assertEqual({}, self.added())

    def test_openedDuringRestoration(self) -> None:
        """
        A client who knocks while very many openings are restored is served between them, and each
        opening keeps its newest deadline.
        """
        wanted = [makeOpening(f"192.0.2.{last}", 30.0) for last in range(20)]
        restored = self.firewall.restore(wanted)
        later = [self.open("192.0.2.99"), self.open("192.0.2.5", 60.0)]
        self.glib.step()
        for result in (restored, *later):
            self.successResultOf(result)
        self.assertEqual(["192.0.2.99", "192.0.2.5"], self.sources()[:2])
        added = self.added()
        self.assertEqual(21, len(added))
        self.assertEqual(60.0, added.pop(rule(31338, source="192.0.2.5")))
        self.assertEqual({30.0}, set(added.values()))
        self.glib.run()
        self.assertEqual(0, self.glib.waiting())

    def test_orderDuringRestoration(self) -> None:
        """Openings that come after a second restoration wait for it."""
        self.firewall.restore([makeOpening("192.0.2.1", 30.0)])
        self.firewall.restore([makeOpening("192.0.2.1", 40.0)])
        self.open("192.0.2.1", 60.0)
        self.glib.step()
        self.assertEqual([30.0], list(self.added().values()))
        self.glib.run()
        self.assertEqual([60.0], list(self.added().values()))

    def test_notSwept(self) -> None:
        """A rule of an opening that comes during a restoration is not stale."""
        stale = [rule(31338, source=f"192.0.2.{last}") for last in range(3)]
        self.firewalld.rules["public"].update(dict.fromkeys(stale, 5.0))
        restored = self.firewall.restore([])
        late = self.open("192.0.2.2")
        self.glib.run()
        for result in (restored, late):
            self.successResultOf(result)
        self.assertEqual({stale[2]: 30.0}, self.added())
