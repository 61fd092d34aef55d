"""Tests of L{pkdoors.firewall.firewalld.firewall}."""

from dataclasses import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.errors import DeadlinePassed, FirewallError
from pkdoors.firewall.firewalld import thread
from pkdoors.firewall.firewalld.client import ZoneClient
from pkdoors.firewall.firewalld.connection import FirewalldTimeout
from pkdoors.firewall.firewalld.firewall import FirewalldFirewall
from pkdoors.firewall.firewalld.richrules import knockRule
from pkdoors.firewall.firewalld.thread import BusThread
from pkdoors.firewall.interface import IFirewall
from pkdoors.model.doors import Door, Opening
from tests.fakes.dbus import FakeDBus, SyncBusThread
from tests.fakes.doors import PORTS, makeDoor, makeOpening
from tests.fakes.firewalld import FakeFirewalld, FakeZoneSettings
from tests.fakes.host import FakeIp
from tests.fakes.log import Log
from tests.fakes.modules import makeModule, replaceModule
from tests.firewall.firewalld.test_thread import FakeGLib, FakeThread

KNOCKS = {
    'rule priority="31337" port port="17001" protocol="udp" accept': 0,
    'rule priority="31337" port port="17203" protocol="udp" accept': 0,
    'rule priority="31337" port port="17005" protocol="udp" accept': 0,
    'rule priority="31337" port port="17404" protocol="udp" accept': 0,
    'rule priority="31337" port port="17002" protocol="udp" accept': 0,
}
"""The rules of L{PORTS}."""

QUESTIONS = ("getZones", "getRichRules", "getActiveZones", "getDefaultZone", "config")
"""The questions to firewalld in each restoration."""

STRANGERS = 'rule priority="-1" family="ipv4" source address="198.51.100.66" drop'


def rule(
    priority: int, port: str = "22", protocol: str = "tcp", source: str = "203.0.113.9"
) -> str:
    """Return the rule of an opening."""
    family = "ipv6" if ":" in source else "ipv4"
    return (
        f'rule priority="{priority}" family="{family}" source address="{source}" '
        f'port port="{port}" protocol="{protocol}" accept'
    )


class FirewalldTestCase(SynchronousTestCase):
    """
    A firewalld whose zone C{public} has the interface of the clients.
    """

    zone = ""

    def setUp(self) -> None:
        """Have a firewalld, with a rule of somebody else."""
        self.bus = FakeDBus("org.fedoraproject.FirewallD1")
        self.bus.install(self)
        FakeIp(
            {
                "route get 203.0.113.9": [{"dev": "eth0"}],
                "route get 2001:db8::7": [{"dev": "eth0"}],
            }
        ).install(self)
        self.log = Log(self)
        self.clock = Clock()
        self.firewalld = FakeFirewalld(self.clock)
        self.firewalld.rules["public"] = {STRANGERS: 0}
        self.thread = SyncBusThread()
        self.firewall = FirewalldFirewall(
            self.clock,
            self.thread,
            lambda zone: ZoneClient(zone, lambda: self.firewalld),
            self.zone,
        )
        self.doors: tuple[Door, ...] = (makeDoor(),)
        self.lost: list[str] = []

    def haveClient(self) -> None:
        """Make firewalld's client."""
        module = makeModule("firewall.client", FirewallClient=object)
        replaceModule(self, "firewall", makeModule("firewall", client=module))
        replaceModule(self, "firewall.client", module)

    def start(self) -> None:
        """Start, and forget the calls."""
        self.firewall.start(self.doors, self.lost.append)
        self.firewalld.calls.clear()

    def added(self, zone: str = "public") -> dict[str, float]:
        """Return the rules of a zone, with their time left, without those that let knocks in."""
        present = self.firewalld.present(zone)
        return {rule: left for rule, left in present.items() if rule not in {*KNOCKS, STRANGERS}}


class StartTests(FirewalldTestCase):
    """
    Tests of L{FirewalldFirewall.prepare} and L{FirewalldFirewall.start}.
    """

    def test_interface(self) -> None:
        """It is an L{IFirewall} called firewalld."""
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
        """Starting lets knocks in, without an end, beside the rules of others."""
        self.firewall.start(self.doors, self.lost.append)
        self.assertEqual({STRANGERS: 0, **KNOCKS}, self.firewalld.present())

    def test_allZones(self) -> None:
        """It does so in each active zone and the default zone, and in no other."""
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
        """A refusal of firewalld's is raised."""
        self.firewalld.refuse("addRichRule", "", "INVALID_RULE: no")
        error = self.assertRaises(FirewallError, self.firewall.start, self.doors, self.lost.append)
        self.assertEqual("firewalld refused: INVALID_RULE: no", str(error))

    def test_refusedHalfway(self) -> None:
        """The rules that were added before firewalld refused are removed."""
        self.firewalld.refuse("addRichRule", knockRule(max(PORTS)), "INVALID_RULE: no")
        self.assertRaises(FirewallError, self.firewall.start, self.doors, self.lost.append)
        self.assertIn(f"add public {knockRule(min(PORTS))}", self.firewalld.calls)
        self.assertEqual({STRANGERS: 0}, self.firewalld.present())

    def test_reload(self) -> None:
        """After a reload knocks and openings are restored, with the time that is left."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening(deadline=30.0)))
        before = self.added()
        self.clock.advance(10)
        self.firewalld.reload()
        self.assertEqual(["firewalld was reloaded"], self.lost)
        self.successResultOf(self.firewall.restore([makeOpening(deadline=30.0)]))
        self.assertEqual({rule: 20.0 for rule in before}, self.added())
        self.assertEqual({**KNOCKS, **self.added()}, self.firewalld.present())

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
        """It is reported if firewalld goes away, and if it is back."""
        self.start()
        self.firewalld.change(False)
        self.firewalld.change(True)
        self.assertEqual(["firewalld went away", "firewalld is back"], self.lost)

    def test_stuck(self) -> None:
        """A firewalld that does not answer is an error that says what to do; nothing hangs."""
        self.thread.isStuck = True
        self.assertEqual(
            "firewalld did not answer within 30 s: "
            "check it (systemctl status firewalld), then start again",
            str(
                self.assertRaises(FirewallError, self.firewall.start, self.doors, self.lost.append)
            ),
        )

    def test_doesNotTellOpenings(self) -> None:
        """It does not list openings: firewalld does not say when they end."""
        self.firewalld.rules["public"][rule(31338)] = 30.0
        firewall: IFirewall = self.firewall
        self.assertIsNone(firewall.start(self.doors, self.lost.append))

    def test_openingsStay(self) -> None:
        """Starting leaves openings alone: the restoration knows which of them are wanted."""
        self.firewalld.rules["public"][rule(31338)] = 30.0
        self.start()
        self.assertEqual({rule(31338): 30.0}, self.added())

    def test_nothingLogged(self) -> None:
        """Nothing of this is logged."""
        self.firewalld.settings["public"] = FakeZoneSettings(services=["ssh"])
        self.firewall.start(self.doors, self.lost.append)
        self.assertEqual([], self.log.lines())


class RestoreTests(FirewalldTestCase):
    """
    Tests of L{FirewalldFirewall.restore}, after the start.
    """

    def setUp(self) -> None:
        """Start."""
        super().setUp()
        self.start()

    def open(self, *openings: Opening) -> None:
        """Open, and forget the calls."""
        for opening in openings:
            self.successResultOf(self.firewall.open(opening))
        self.firewalld.calls.clear()

    def leave(self, *rules: str, zone: str = "public", end: float = 30.0) -> None:
        """Have rules that an earlier daemon left."""
        self.firewalld.rules[zone].update(dict.fromkeys(rules, end))

    def restore(self, *openings: Opening) -> list[str]:
        """Restore, and return the calls that change something."""
        self.firewalld.calls.clear()
        self.assertIsNone(self.successResultOf(self.firewall.restore(iter(openings))))
        return self.firewalld.calls

    def failed(self, *openings: Opening) -> FirewallError:
        """Restore, and return the error."""
        error = self.failureResultOf(self.firewall.restore(openings), FirewallError).value
        assert isinstance(error, FirewallError)
        return error

    def refuseAll(self) -> None:
        """
        Let firewalld refuse every change, even to add an existing rule or to remove a missing one.
        """
        for method in ("addRichRule", "removeRichRule", "removePermanentRule"):
            self.firewalld.refuse(method, "", "INVALID_RULE: no")

    def hang(self, method: str, part: str = "") -> None:
        """Let firewalld not answer a question any more."""
        self.firewalld.refuse(method, part, "no reply", "org.freedesktop.DBus.Error.NoReply")

    def test_allThere(self) -> None:
        """Rules that are right are not touched."""
        openings = [makeOpening(), makeOpening("2001:db8::7", ports="22,80")]
        self.open(*openings)
        self.refuseAll()
        self.assertEqual([], self.restore(*openings))

    def test_earlierDaemon(self) -> None:
        """The end of an earlier daemon's rules is unknown: they get the right deadline."""
        self.leave(rule(31339))
        self.assertEqual(
            [f"add public {rule(31338)}", f"remove public {rule(31339)}"],
            self.restore(makeOpening()),
        )
        self.assertEqual([], self.restore(makeOpening()))

    def test_extendsEarlier(self) -> None:
        """
        Such an opening can be extended as usual: first the other priority, then the removal of this
        one.
        """
        self.leave(rule(31338))
        self.restore(makeOpening())
        self.open(makeOpening(deadline=50.0))
        self.assertEqual({rule(31338): 50.0}, self.added())

    def test_closesEarlier(self) -> None:
        """And it can be closed."""
        self.leave(rule(31339))
        self.restore(makeOpening())
        self.successResultOf(self.firewall.close(makeOpening()))
        self.assertEqual({}, self.added())

    def test_missing(self) -> None:
        """A missing opening is added with the time that is left."""
        self.clock.advance(10)
        self.assertEqual([f"add public {rule(31338)}"], self.restore(makeOpening()))
        self.assertEqual({rule(31338): 20.0}, self.added())

    def test_partlyThere(self) -> None:
        """If one rule of several is missing, all are added, until the deadline."""
        both = {rule(31338): 30.0, rule(31338, "80"): 30.0}
        self.leave(rule(31338), end=5.0)
        self.restore(makeOpening(ports="22,80"))
        self.assertEqual(both, self.added())
        del self.firewalld.rules["public"][rule(31338, "80")]
        self.restore(makeOpening(ports="22,80"))
        self.assertEqual(both, self.added())

    def test_otherDeadline(self) -> None:
        """
        If the deadline has moved, the opening is extended, without closing it even for a moment.
        """
        self.open(makeOpening())
        self.assertEqual(
            [f"add public {rule(31339)}", f"remove public {rule(31338)}"],
            self.restore(makeOpening(deadline=60.0)),
        )
        self.assertEqual({rule(31339): 60.0}, self.added())

    def test_movedZone(self) -> None:
        """If the client is in another zone now, the rules move there."""
        self.open(makeOpening())
        self.firewalld.active["internal"] = {"sources": ["203.0.113.9"]}
        self.restore(makeOpening())
        self.assertEqual(({}, {rule(31338): 30.0}), (self.added(), self.openings("internal")))

    def openings(self, zone: str) -> dict[str, float]:
        """Return the rules of openings in a zone."""
        present = self.firewalld.present(zone)
        return {rule: left for rule, left in present.items() if rule not in KNOCKS}

    def test_unwanted(self) -> None:
        """Rules of openings that are not wanted are removed, in all zones, and no others are."""
        eves = rule(31338, source="203.0.113.66"), rule(31339, "80", source="203.0.113.66")
        self.open(makeOpening())
        self.leave(*eves)
        self.leave(*eves, zone="trusted")
        self.assertEqual(
            sorted(f"remove {zone} {rule}" for zone in ("public", "trusted") for rule in eves),
            sorted(self.restore(makeOpening())),
        )
        self.assertEqual({STRANGERS: 0, **KNOCKS, rule(31338): 30.0}, self.firewalld.present())

    def test_bothPriorities(self) -> None:
        """Rules that exist at both priorities exist once afterwards, with the right deadline."""
        self.leave(rule(31338), rule(31339))
        self.restore(makeOpening())
        self.assertEqual({rule(31339): 30.0}, self.added())

    def test_knockRefused(self) -> None:
        """If firewalld refuses a knock rule, all else is restored, and the refusal is reported."""
        self.firewalld.permanent["public"] = [knockRule(999)]
        self.leave(rule(31338, source="203.0.113.66"))
        self.firewalld.rules["public"].pop(knockRule(PORTS[0]))
        self.firewalld.refuse("addRichRule", "31337", "INVALID_RULE: no")
        self.failureResultOf(self.firewall.restore([makeOpening()]), FirewallError)
        self.assertEqual({rule(31338): 30.0}, self.added())
        self.assertEqual([], self.firewalld.permanent["public"])

    def test_wrongZone(self) -> None:
        """Rules in a zone that the client is not in do not count for its opening."""
        self.leave(rule(31338), zone="trusted")
        self.restore(makeOpening())
        self.assertEqual(({rule(31338): 30.0}, {}), (self.added(), self.added("trusted")))

    def test_nothingWanted(self) -> None:
        """If nothing is open any more, nothing is left."""
        self.open(makeOpening())
        self.restore()
        self.assertEqual({}, self.added())

    def test_knocks(self) -> None:
        """Missing rules for knocks are added, and stale ones are removed."""
        del self.firewalld.rules["public"][knockRule(PORTS[2])]
        self.leave(knockRule(999), end=0)
        self.assertEqual(
            [f"remove public {knockRule(999)}", f"add public {knockRule(PORTS[2])}"],
            self.restore(),
        )

    def test_newZone(self) -> None:
        """Knocks are let into a zone that has become active."""
        self.firewalld.active["internal"] = {"sources": ["10.0.0.0/8"]}
        self.restore()
        self.assertEqual(KNOCKS, self.firewalld.present("internal"))

    def test_oneRefused(self) -> None:
        """If firewalld refuses an opening, all others are restored; the error is reported."""
        self.firewalld.refuse("addRichRule", "203.0.113.9", "INVALID_RULE: no")
        error = self.failed(makeOpening(), makeOpening("2001:db8::7"))
        self.assertEqual("firewalld refused: INVALID_RULE: no", str(error))
        self.assertEqual({rule(31338, source="2001:db8::7"): 30.0}, self.added())

    def test_refusedBefore(self) -> None:
        """When it is not refused any more, it is added, and the others are not touched."""
        self.test_oneRefused()
        self.firewalld.refusals.clear()
        self.assertEqual(
            [f"add public {rule(31338)}"],
            self.restore(makeOpening(), makeOpening("2001:db8::7")),
        )

    def test_silent(self) -> None:
        """If firewalld does not answer one call, it is not asked for each of the others."""
        self.hang("addRichRule", "203.0.113.9")
        self.assertIsInstance(
            self.failed(makeOpening(), makeOpening("2001:db8::7")), FirewalldTimeout
        )
        self.assertEqual({}, self.added())

    def test_silentMeanwhile(self) -> None:
        """
        If firewalld did not answer, whichever call it was, the deadlines in it are still known; so
        it is known that an opening must be extended.
        """
        for number, method in enumerate(QUESTIONS, 1):
            self.open(makeOpening(deadline=30.0 * number))
            self.hang(method)
            self.failed(makeOpening(deadline=30.0 * number))
            self.firewalld.refusals.clear()
            self.restore(makeOpening(deadline=30.0 * number + 15))
            self.assertEqual([30.0 * number + 15], list(self.added().values()), method)

    def test_stopAfterSilence(self) -> None:
        """Nor are the zones that let knocks in forgotten: the stop removes those rules."""
        for method in QUESTIONS:
            self.hang(method)
            self.failed()
        self.firewalld.refusals.clear()
        self.successResultOf(self.firewall.stop())
        self.assertEqual({STRANGERS: 0}, self.firewalld.present())

    def test_inactiveZone(self) -> None:
        """In a zone that is not active any more, the rules for knocks are removed."""
        self.firewalld.active["internal"] = {"sources": ["10.0.0.0/8"]}
        self.restore()
        del self.firewalld.active["internal"]
        self.restore()
        self.assertEqual({}, self.firewalld.present("internal"))

    def test_busGone(self) -> None:
        """The end of the bus is reported; calls fail meanwhile."""
        self.firewalld.disconnect()
        self.assertEqual(["the system's D-Bus went away"], self.lost)
        self.assertIsInstance(self.failed(makeOpening()), FirewalldTimeout)
        self.failureResultOf(self.firewall.open(makeOpening()), FirewalldTimeout)

    def test_busIsBack(self) -> None:
        """When it is back, with a firewalld that knows nothing, all is added."""
        self.open(makeOpening())
        self.firewalld.disconnect()
        self.failed(makeOpening())
        self.firewalld.rules["public"].clear()
        self.firewalld.isOnBus = True
        self.restore(makeOpening())
        self.assertEqual({**KNOCKS, rule(31338): 30.0}, self.firewalld.present())


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
        Ours are removed there at once, those of others stay; the rules that are in effect stay,
        too.
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
        """Each zone that had some is one warning, and nothing needs to be restored."""
        self.firewalld.active["internal"] = {"sources": ["10.0.0.0/8"]}
        self.start()
        self.firewalld.save()
        self.assertEqual(
            [self.warning.format("public"), self.warning.format("internal")],
            self.log.lines(LogLevel.warn),
        )
        self.assertEqual([], self.lost)

    def test_notOurs(self) -> None:
        """Rules that others save do not concern us."""
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
        """If firewalld refuses, that is reported, so a restoration tries again."""
        self.start()
        self.firewalld.refuse("removePermanentRule", "", "COMMAND_FAILED: read-only")
        self.firewalld.save()
        self.assertEqual(["firewalld refused: COMMAND_FAILED: read-only"], self.lost)
        self.firewalld.refusals.clear()
        self.successResultOf(self.firewall.restore([]))
        self.assertEqual([STRANGERS], self.firewalld.permanent["public"])

    def test_noPortsLogged(self) -> None:
        """The log about it contains no knock port."""
        self.start()
        self.firewalld.save()
        self.assertFalse([port for port in PORTS if str(port) in "".join(self.log.lines())])
        self.assertEqual(1, len(self.log.lines()))


class OpeningTests(FirewalldTestCase):
    """
    Tests of L{FirewalldFirewall.open} and L{FirewalldFirewall.close}.
    """

    def open(self, source: str = "203.0.113.9", deadline: float = 30.0, **door: str) -> None:
        """Open, successfully."""
        opening = makeOpening(source, deadline, **door)
        self.assertIsNone(self.successResultOf(self.firewall.open(opening)))

    def test_open(self) -> None:
        """An opening is a rule for its source, with firewalld's own timeout."""
        self.start()
        self.clock.advance(10)
        self.open(deadline=40.0)
        self.assertEqual({rule(31338): 30.0}, self.added())

    def test_openIPv6(self) -> None:
        """So it is over IPv6."""
        self.start()
        self.open("2001:db8::7")
        self.assertEqual({rule(31338, source="2001:db8::7"): 30.0}, self.added())

    def test_ranges(self) -> None:
        """There is one rule for each range."""
        self.start()
        self.open(ports="22,6000-6010/udp")
        self.assertEqual({rule(31338): 30.0, rule(31338, "6000-6010", "udp"): 30.0}, self.added())

    def test_wholeSeconds(self) -> None:
        """The timeout is rounded up: firewalld must not close before the doorkeeper does."""
        self.start()
        self.open(deadline=29.2)
        self.assertEqual({rule(31338): 30.0}, self.added())

    def test_neverForEver(self) -> None:
        """The timeout is at least a second: 0 would mean for ever."""
        self.start()
        self.clock.advance(29.999)
        self.open(deadline=30.0)
        self.assertEqual(1.0, round(self.added()[rule(31338)], 3))

    def test_tooLate(self) -> None:
        """
        If the time of an opening is over when its turn comes, it is not made, and firewalld is not
        asked.
        """
        self.start()
        self.clock.advance(30)
        self.firewalld.connected = False
        self.failureResultOf(self.firewall.open(makeOpening(deadline=30.0)), DeadlinePassed)

    def test_zoneOfClient(self) -> None:
        """It is added to the zone to which firewalld assigns the client's packets."""
        self.firewalld.active["internal"] = {"sources": ["203.0.113.0/24"]}
        self.start()
        self.open()
        self.assertEqual(({}, {rule(31338): 30.0}), (self.added(), self.added("internal")))

    def test_extend(self) -> None:
        """Extending adds the rules at the other priority before it removes the old ones."""
        self.start()
        self.open()
        self.clock.advance(20)
        self.firewalld.calls.clear()
        self.open(deadline=50.0)
        self.assertEqual(
            [f"add public {rule(31339)}", f"remove public {rule(31338)}"], self.firewalld.calls
        )
        self.assertEqual({rule(31339): 30.0}, self.added())

    def test_twoDoors(self) -> None:
        """Two doors with one port have rules of their own: closing one leaves the other open."""
        self.doors = (makeDoor(), makeDoor(name="web"))
        self.start()
        first, second = (replace(makeOpening(), door=door) for door in self.doors)
        for opening in (first, second):
            self.successResultOf(self.firewall.open(opening))
        self.assertEqual({rule(31338): 30.0, rule(31340): 30.0}, self.added())
        self.successResultOf(self.firewall.close(first))
        self.assertEqual({rule(31340): 30.0}, self.added())

    def test_extendTwice(self) -> None:
        """The second extension takes the first priority again."""
        self.start()
        for deadline in (30.0, 50.0, 70.0):
            self.open(deadline=deadline)
        self.assertEqual({rule(31338): 70.0}, self.added())

    def test_extendInAnotherZone(self) -> None:
        """If the client's zone has changed meanwhile, the rule moves."""
        self.start()
        self.open()
        self.firewalld.active["internal"] = {"sources": ["203.0.113.9"]}
        self.open(deadline=50.0)
        self.assertEqual(({}, {rule(31339): 50.0}), (self.added(), self.added("internal")))

    def test_extendExpired(self) -> None:
        """Extending what firewalld has just ended by itself is no error."""
        self.start()
        self.open()
        self.clock.advance(30)
        self.open(deadline=60.0)
        self.assertEqual({rule(31339): 30.0}, self.added())

    def test_failedExtension(self) -> None:
        """An extension that fails leaves the opening as it was."""
        self.start()
        self.open()
        self.firewalld.refuse("addRichRule", 'priority="31339"', "INVALID_RULE: no")
        self.failureResultOf(self.firewall.open(makeOpening(deadline=50.0)), FirewallError)
        self.assertEqual({rule(31338): 30.0}, self.added())

    def test_failedExtensionIsClosed(self) -> None:
        """After a failed extension, closing removes the rules that exist."""
        self.test_failedExtension()
        self.successResultOf(self.firewall.close(makeOpening()))
        self.assertEqual({}, self.added())

    def test_rollback(self) -> None:
        """If the second rule of an opening fails, the first is removed."""
        self.start()
        self.firewalld.refuse("addRichRule", 'port="6000-6010"', "INVALID_RULE: no")
        opening = makeOpening(ports="22,6000-6010/udp")
        self.failureResultOf(self.firewall.open(opening), FirewallError)
        self.assertEqual({}, self.added())

    def test_rollbackOfExtension(self) -> None:
        """So it is if that happens in an extension, and the old rules stay."""
        ports = "22,6000-6010/udp"
        self.start()
        self.open(ports=ports)
        before = self.added()
        self.firewalld.refuse(
            "addRichRule",
            'priority="31339" family="ipv4" source address="203.0.113.9" port port="6000-6010"',
            "INVALID_RULE: no",
        )
        opening = makeOpening(deadline=50.0, ports=ports)
        self.failureResultOf(self.firewall.open(opening), FirewallError)
        self.assertEqual((2, before), (len(before), self.added()))

    def test_oldRuleStays(self) -> None:
        """If an extension cannot remove the old rule, closing still removes the new one."""
        self.start()
        self.open()
        self.firewalld.refuse("removeRichRule", 'priority="31338"', "INVALID_RULE: no")
        self.failureResultOf(self.firewall.open(makeOpening(deadline=50.0)), FirewallError)
        self.successResultOf(self.firewall.close(makeOpening()))
        self.assertNotIn(rule(31339), self.added())

    def test_alreadyEnabled(self) -> None:
        """A rule that a killed daemon left behind gets the new timeout."""
        self.firewalld.rules["public"][rule(31338)] = 5.0
        self.start()
        self.open()
        self.assertEqual({rule(31338): 30.0}, self.added())

    def test_close(self) -> None:
        """Closing removes the rules of this source, and no other."""
        self.start()
        self.open()
        self.open("2001:db8::7")
        self.successResultOf(self.firewall.close(makeOpening()))
        self.assertEqual({rule(31338, source="2001:db8::7"): 30.0}, self.added())

    def test_closeExpired(self) -> None:
        """Closing what firewalld has ended by itself is no error."""
        self.start()
        self.open()
        self.clock.advance(30)
        self.successResultOf(self.firewall.close(makeOpening()))

    def test_closeTwice(self) -> None:
        """Nor is closing again, or closing a door that was never open."""
        self.start()
        self.open()
        for _ in range(2):
            self.successResultOf(self.firewall.close(makeOpening()))
        self.assertEqual({}, self.added())

    def test_failedClose(self) -> None:
        """A failed closing can be tried again."""
        self.start()
        self.open()
        self.firewalld.refuse("removeRichRule", "", "COMMAND_FAILED: busy")
        self.failureResultOf(self.firewall.close(makeOpening()), FirewallError)
        self.firewalld.refusals.clear()
        self.successResultOf(self.firewall.close(makeOpening()))
        self.assertEqual({}, self.added())

    def test_connectionLost(self) -> None:
        """Without a connection, opening and closing fail."""
        self.start()
        self.open()
        self.firewalld.connected = False
        self.failureResultOf(self.firewall.open(makeOpening(deadline=50.0)), FirewallError)
        self.failureResultOf(self.firewall.close(makeOpening()), FirewallError)

    def test_doorsApart(self) -> None:
        """Two doors open for one source are two openings."""
        self.doors = (makeDoor(), makeDoor(name="web", ports="80"))
        self.start()
        self.open()
        self.open(name="web", ports="80")
        self.successResultOf(self.firewall.close(makeOpening()))
        self.assertEqual({rule(31340, "80"): 30.0}, self.added())


class SlowTests(FirewalldTestCase):
    """
    A thread that does its work in steps of L{FakeGLib}: a firewalld that takes its time.
    """

    def setUp(self) -> None:
        """Start."""
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
        """Let firewalld answer nothing."""
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
        """Cancel it."""
        opening.cancel()
        self.failureResultOf(opening, CancelledError)

    def test_zonesOnce(self) -> None:
        """Openings at the same moment share one question for the zones; a later one asks again."""
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
        If a call is not answered, those that wait behind it fail, too; firewalld is asked only
        once.
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
        """A later opening is tried again, and the silence is not reported again."""
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
        """A closing fails with it only if there is something to close."""
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
        If firewalld executes a call later that it did not answer, the restoration removes the
        result.
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
        """An opening that a restoration adds is still wanted when its turn comes."""
        restored = self.firewall.restore(
            [makeOpening("192.0.2.1", 5.0), makeOpening("192.0.2.2", 30.0)]
        )
        self.clock.advance(10)
        self.glib.run()
        self.successResultOf(restored)
        self.assertEqual({rule(31338, source="192.0.2.2"): 20.0}, self.added())


class KeepTests(FirewalldTestCase):
    """
    Tests of L{FirewalldFirewall.setDoors}, after the start with three doors that have one port.
    """

    def setUp(self) -> None:
        """Start."""
        super().setUp()
        self.doors = tuple(makeDoor(name=name) for name in "abc")
        self.start()

    def open(self, name: str, deadline: float = 30.0) -> None:
        """Open a door."""
        self.successResultOf(self.firewall.open(makeOpening(deadline=deadline, name=name)))

    def test_knocks(self) -> None:
        """L{FirewalldFirewall.restore} lets in the new knocks and no others."""
        self.firewall.setDoors((makeDoor((1, 2, 3, 4, 17001)),))
        self.assertEqual([], self.firewalld.calls)
        self.successResultOf(self.firewall.restore([]))
        rules = {rule for rule in self.firewalld.present() if "udp" in rule}
        self.assertEqual({knockRule(port) for port in (1, 2, 3, 4, 17001)}, rules)

    def test_priorities(self) -> None:
        """
        Doors that stay keep their own rules when others go or change places: closing one does not
        close another.
        """
        for name in "abc":
            self.open(name)
        _, b, c = self.doors
        self.firewall.setDoors((b, c))
        self.successResultOf(self.firewall.close(makeOpening(name="a")))
        self.open("c", 60.0)
        self.successResultOf(self.firewall.close(makeOpening(name="b")))
        self.assertEqual([60.0], list(self.added().values()))
        self.successResultOf(self.firewall.restore([makeOpening(deadline=60.0, name="c")]))
        self.assertEqual([60.0], list(self.added().values()))

    def test_newDoor(self) -> None:
        """A new door has priorities that no other has."""
        _, b, c = self.doors
        self.firewall.setDoors((makeDoor(name="new"), b, c))
        for name in ("b", "c", "new"):
            self.open(name)
        self.assertEqual(3, len(self.added()))
        self.successResultOf(self.firewall.close(makeOpening(name="new")))
        self.assertEqual(2, len(self.added()))


class StopTests(FirewalldTestCase):
    """
    Tests of L{FirewalldFirewall.stop}.
    """

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
        self.clock.advance(30)
        self.assertEqual({}, self.added())

    def test_endsTheThread(self) -> None:
        """The thread ends."""
        self.start()
        self.successResultOf(self.firewall.stop())
        self.assertFalse(self.thread.isRunning)

    def test_reloaded(self) -> None:
        """If the rules are gone already, as after a reload, that is no error."""
        self.start()
        self.firewalld.rules["public"].clear()
        self.successResultOf(self.firewall.stop())

    def test_fails(self) -> None:
        """If firewalld does not answer any more, the stop fails, and the thread ends."""
        self.start()
        self.firewalld.connected = False
        self.failureResultOf(self.firewall.stop(), FirewallError)
        self.assertFalse(self.thread.isRunning)


class ZoneTests(FirewalldTestCase):
    """
    C{--zone}.
    """

    zone = "internal"

    def test_everything(self) -> None:
        """The given zone gets the knock rules and the openings; no other does."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening()))
        self.assertEqual({STRANGERS: 0}, self.firewalld.present("public"))
        self.assertEqual({**KNOCKS, rule(31338): 30.0}, self.firewalld.present("internal"))

    def test_prepare(self) -> None:
        """A zone that firewalld has is accepted."""
        self.haveClient()
        self.firewall.prepare(self.doors)
        self.assertEqual((False, 0), (self.thread.isRunning, self.bus.connections))

    def test_restore(self) -> None:
        """Rules in another zone are not wanted there."""
        self.start()
        self.firewalld.rules["public"][rule(31338)] = 30.0
        self.successResultOf(self.firewall.restore([makeOpening()]))
        self.assertEqual({STRANGERS: 0}, self.firewalld.present("public"))
        self.assertEqual({**KNOCKS, rule(31338): 30.0}, self.firewalld.present("internal"))


class NoZoneTests(FirewalldTestCase):
    """
    C{--zone} with a zone that does not exist.
    """

    zone = "nowhere"

    def test_prepare(self) -> None:
        """It is refused before the daemon forks; no thread or connection is left."""
        self.haveClient()
        self.assertEqual(
            "firewalld has no zone 'nowhere': `firewall-cmd --get-zones` lists its zones",
            str(self.assertRaises(FirewallError, self.firewall.prepare, self.doors)),
        )
        self.assertEqual((False, 0), (self.thread.isRunning, self.bus.connections))

    def test_start(self) -> None:
        """If the zone was removed meanwhile, it is refused at the start."""
        error = self.assertRaises(FirewallError, self.firewall.start, self.doors, self.lost.append)
        self.assertIn("firewalld has no zone 'nowhere'", str(error))
