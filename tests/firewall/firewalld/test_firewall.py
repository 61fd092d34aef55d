"""Tests of L{pkdoors.firewall.firewalld.firewall}: start, stop, and saved rules."""

from twisted.logger import LogLevel
from zope.interface.verify import verifyObject

from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld.firewall import FirewalldFirewall
from pkdoors.firewall.firewalld.richrules import knockRule
from pkdoors.firewall.interface import IFirewall
from tests.fakes.dbus import SyncBusThread
from tests.fakes.doors import PORTS, makeDoor, makeOpening
from tests.fakes.firewalld import FakeZoneSettings
from tests.fakes.modules import replaceModule
from tests.firewall.firewalld.case import KNOCKS, STRANGERS, FirewalldTestCase, rule


class StartTests(FirewalldTestCase):
    """
    Tests of L{FirewalldFirewall.prepare} and L{FirewalldFirewall.start}.
    """

    def test_interface(self) -> None:
        """The firewall is an L{IFirewall} called firewalld."""
        verifyObject(IFirewall, self.firewall)
        self.assertEqual("firewalld", self.firewall.name)

    def test_prepare(self) -> None:
        """If firewalld runs, preparing touches nothing; no thread or connection is left."""
        self.haveClient()
        self.firewall.prepare(self.doors)
        self.assertEqual([], self.firewalld.calls)
        self.assertEqual((False, 0), (self.thread.isRunning, self.bus.connections))

    def test_notRunning(self) -> None:
        """If firewalld does not run, the message says what to do."""
        self.haveClient()
        self.bus.names = ()
        self.assertEqual(
            "firewalld is not running: start it (systemctl start firewalld), "
            "or choose --firewall nftables",
            str(self.assertRaises(FirewallError, self.firewall.prepare, self.doors)),
        )

    def test_missing(self) -> None:
        """If python-firewall is missing, the message names the package."""
        replaceModule(self, "firewall", None)
        replaceModule(self, "firewall.client", None)
        error = self.assertRaises(FirewallError, self.firewall.prepare, self.doors)
        self.assertIn("install python3-firewall", str(error))

    def test_knockPorts(self) -> None:
        """Starting lets knocks in for ever, and leaves the rules of others alone."""
        self.firewall.start(self.doors, self.lost.append)
        self.assertEqual({STRANGERS: 0, **KNOCKS}, self.firewalld.present())

    def test_allZones(self) -> None:
        """Knocks are let into each active zone and the default zone, and into no other."""
        self.firewalld.active = {"internal": {"sources": ["10.0.0.0/8"]}}
        self.firewall.start(self.doors, self.lost.append)
        self.assertEqual(KNOCKS, self.firewalld.present("internal"))
        self.assertEqual({STRANGERS: 0, **KNOCKS}, self.firewalld.present("public"))
        self.assertEqual({}, self.firewalld.present("trusted"))

    def test_orderIsHidden(self) -> None:
        """The rules are added in numerical order: the order of the sequence is a secret."""
        self.firewall.start((makeDoor((5, 3, 9, 3, 7)),), self.lost.append)
        self.assertEqual(
            [f"add public {knockRule(port)}" for port in (3, 5, 7, 9)], self.firewalld.calls
        )

    def test_staleRules(self) -> None:
        """Knock rules of a daemon that was killed are removed if they are not wanted now."""
        stale = knockRule(999)
        self.firewalld.rules["public"] = {STRANGERS: 0, stale: 0, knockRule(PORTS[0]): 0}
        self.firewall.start(self.doors, self.lost.append)
        self.assertEqual({STRANGERS: 0, **KNOCKS}, self.firewalld.present())
        removed = [call for call in self.firewalld.calls if call.startswith("remove")]
        self.assertEqual([f"remove public {stale}"], removed)

    def test_refused(self) -> None:
        """If firewalld refuses a rule, that is raised as an error."""
        self.firewalld.refuse("addRichRule", "", "INVALID_RULE: no")
        error = self.assertRaises(FirewallError, self.firewall.start, self.doors, self.lost.append)
        self.assertEqual("firewalld refused: INVALID_RULE: no", str(error))

    def test_refusedHalfway(self) -> None:
        """If firewalld refuses a rule, the rules that were added before it are removed."""
        self.firewalld.refuse("addRichRule", knockRule(max(PORTS)), "INVALID_RULE: no")
        self.assertRaises(FirewallError, self.firewall.start, self.doors, self.lost.append)
        self.assertIn(f"add public {knockRule(min(PORTS))}", self.firewalld.calls)
        self.assertEqual({STRANGERS: 0}, self.firewalld.present())

    def test_reload(self) -> None:
        """After a reload, knocks and openings are restored, with the time that is left."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening(deadline=30.0)))
        before = self.added()
        self.clock.advance(10)
        self.firewalld.reload()
        self.assertEqual(["firewalld was reloaded"], self.lost)
        self.successResultOf(self.firewall.restore([makeOpening(deadline=30.0)]))
        self.assertEqual({rule: 20.0 for rule in before}, self.added())
        self.assertEqual({**KNOCKS, **self.added()}, self.present())

    def test_endedTooEarly(self) -> None:
        """A rule of ours that somebody ended is restored, with the time that is left."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening(deadline=30.0)))
        before = self.added()
        self.clock.advance(10)
        for ended in (*before, next(iter(KNOCKS))):
            self.firewalld.end(ended)
            self.assertEqual(["firewalld ended a rule of pkdoors"], self.lost)
            self.lost.clear()
            self.successResultOf(self.firewall.restore([makeOpening(deadline=30.0)]))
            self.assertEqual(dict.fromkeys(before, 20.0), self.added())
            self.assertLess(set(KNOCKS), set(self.firewalld.present()))

    def test_endedInTime(self) -> None:
        """If firewalld or the daemon ends an opening in time, nothing is restored."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening(deadline=30.0)))
        self.clock.advance(29.5)
        (rule,) = self.added()
        self.firewalld.end(rule)
        self.successResultOf(self.firewall.open(makeOpening(deadline=60.0)))
        self.firewalld.tell("richrule-removed", "public", rule)
        self.assertEqual([], self.lost)

    def test_comesAndGoes(self) -> None:
        """The firewall reports that firewalld went away, and that it is back."""
        self.start()
        self.firewalld.change(False)
        self.firewalld.change(True)
        self.assertEqual(["firewalld went away", "firewalld is back"], self.lost)

    def test_stuck(self) -> None:
        """If firewalld does not answer, the error says what to do, and nothing hangs."""
        self.thread.isStuck = True
        self.assertEqual(
            "firewalld did not answer within 30s: "
            "check it (systemctl status firewalld), then start again",
            str(
                self.assertRaises(FirewallError, self.firewall.start, self.doors, self.lost.append)
            ),
        )

    def test_manyKnockPorts(self) -> None:
        """If there are so many knock ports that the rules take too long, it says what helps."""
        self.thread.isStuck = True
        doors = tuple(
            makeDoor(tuple(range(5000 + 20 * n, 5020 + 20 * n)), name=f"d{n}") for n in range(10)
        )
        error = self.assertRaises(FirewallError, self.firewall.start, doors, self.lost.append)
        self.assertEqual(
            "firewalld did not add rules for 200 knock ports within 30s: "
            'use `listen = "capture"`, which needs no such rules',
            str(error),
        )

    def test_doesNotTellOpenings(self) -> None:
        """The start does not return openings: firewalld does not say when they end."""
        self.firewalld.rules["public"][rule(31338)] = 30.0
        firewall: IFirewall = self.firewall
        self.assertIsNone(firewall.start(self.doors, self.lost.append))

    def test_openingsStay(self) -> None:
        """Starting leaves openings alone: the restoration knows which of them are wanted."""
        self.firewalld.rules["public"][rule(31338)] = 30.0
        self.start()
        self.assertEqual({rule(31338): 30.0}, self.added())

    def test_nothingLogged(self) -> None:
        """The start logs nothing."""
        self.firewalld.settings["public"] = FakeZoneSettings(services=["ssh"])
        self.firewall.start(self.doors, self.lost.append)
        self.assertEqual([], self.log.lines())


class SavedTests(FirewalldTestCase):
    """
    Rules that C{firewall-cmd --runtime-to-permanent} made permanent.
    """

    warning = (
        "`firewall-cmd --runtime-to-permanent` had made rules of pkdoors permanent in "
        "firewalld's zone {}, where they would never end: removed"
    )

    def test_atOnce(self) -> None:
        """
        Our permanent rules are removed at once; those of others stay, and so do all rules that
        are in effect.
        """
        self.start()
        self.successResultOf(self.firewall.open(makeOpening()))
        before = self.firewalld.present()
        self.firewalld.save()
        self.assertEqual(
            {"public": [STRANGERS], "internal": [], "trusted": []}, self.firewalld.permanent
        )
        self.assertEqual((7, before), (len(before), self.firewalld.present()))

    def test_warning(self) -> None:
        """There is one warning for each zone that had some, and nothing needs to be restored."""
        self.firewalld.active["internal"] = {"sources": ["10.0.0.0/8"]}
        self.start()
        self.firewalld.save()
        self.assertEqual(
            [self.warning.format("public"), self.warning.format("internal")],
            self.log.lines(LogLevel.warn),
        )
        self.assertEqual([], self.lost)

    def test_notOurs(self) -> None:
        """If others save their own rules, nothing is removed or logged."""
        self.start()
        self.firewalld.rules["public"] = {STRANGERS: 0}
        self.firewalld.save()
        self.assertEqual(([STRANGERS], []), (self.firewalld.permanent["public"], self.log.lines()))

    def test_whileNoDaemonRan(self) -> None:
        """Rules that were saved while no daemon ran are removed by the restoration, once."""
        self.firewalld.permanent["trusted"] = [rule(31338), STRANGERS, knockRule(PORTS[0])]
        self.start()
        for _ in range(2):
            self.successResultOf(self.firewall.restore([]))
        self.assertEqual([STRANGERS], self.firewalld.permanent["trusted"])
        self.assertEqual([self.warning.format("trusted")], self.log.lines())

    def test_refused(self) -> None:
        """If firewalld refuses the removal, that is reported, so a restoration tries again."""
        self.start()
        self.firewalld.refuse("removePermanentRule", "", "COMMAND_FAILED: read-only")
        self.firewalld.save()
        self.assertEqual(["firewalld refused: COMMAND_FAILED: read-only"], self.lost)
        self.firewalld.refusals.clear()
        self.successResultOf(self.firewall.restore([]))
        self.assertEqual([STRANGERS], self.firewalld.permanent["public"])

    def test_noPortsLogged(self) -> None:
        """The warning contains no knock port."""
        self.start()
        self.firewalld.save()
        self.assertFalse([port for port in PORTS if str(port) in "".join(self.log.lines())])
        self.assertEqual(1, len(self.log.lines()))


class StopTests(FirewalldTestCase):
    """
    Tests of L{FirewalldFirewall.stop}.
    """

    def test_captured(self) -> None:
        """If knocks are captured, there are no rules that let them in, nor those of before."""
        self.start()
        self.assertNotEqual({STRANGERS: 0}, self.firewalld.present("public"))
        makeZones = self.firewall._zoneDoors._makeZones
        self.firewall = FirewalldFirewall(
            self.clock, SyncBusThread(), makeZones, letsKnocksIn=False
        )
        self.start()
        self.assertEqual({STRANGERS: 0}, self.firewalld.present("public"))

    def test_takesKnockPorts(self) -> None:
        """Stopping removes the rules that let knocks in, and nobody else's."""
        self.firewalld.active["internal"] = {"sources": ["10.0.0.0/8"]}
        self.start()
        self.successResultOf(self.firewall.stop())
        self.assertEqual({STRANGERS: 0}, self.firewalld.present("public"))
        self.assertEqual({}, self.firewalld.present("internal"))

    def test_leavesOpenings(self) -> None:
        """Openings are left to firewalld's timer."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening()))
        self.successResultOf(self.firewall.stop())
        self.assertEqual({rule(31338): 30.0}, self.added())
        self.clock.advance(31)
        self.assertEqual({}, self.added())

    def test_endsTheThread(self) -> None:
        """Stopping ends the thread."""
        self.start()
        self.successResultOf(self.firewall.stop())
        self.assertFalse(self.thread.isRunning)

    def test_reloaded(self) -> None:
        """Missing rules, for example after a reload, are not an error."""
        self.start()
        self.firewalld.rules["public"].clear()
        self.successResultOf(self.firewall.stop())

    def test_fails(self) -> None:
        """If firewalld does not answer any more, the stop fails, and the thread ends."""
        self.start()
        self.firewalld.connected = False
        self.failureResultOf(self.firewall.stop(), FirewallError)
        self.assertFalse(self.thread.isRunning)
