"""Tests of L{pkdoors.firewall.firewalld.firewall}: zones that let everybody reach the ports."""

from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld.richrules import knockRule
from pkdoors.model.trusted import parseTrustedList
from tests.fakes.doors import makeDoor, makeOpening
from tests.fakes.firewalld import FakeZoneSettings
from tests.firewall.firewalld.case import QUESTIONS, STRANGERS, FirewalldTestCase, rule

SSH = FakeZoneSettings(services=["ssh"])


class AdmittedTests(FirewalldTestCase):
    """
    Tests with a door of 22/tcp, which the zone C{public} lets everybody reach.
    """

    def setUp(self) -> None:
        """Start, and restore nothing, as the daemon does."""
        super().setUp()
        self.firewalld.settings["public"] = SSH
        self.begin()

    def begin(self) -> None:
        """Start, restore nothing, and forget what firewalld was asked."""
        self.start()
        self.successResultOf(self.firewall.restore([]))
        self.firewalld.calls.clear()
        self.firewalld.asked.clear()

    def set(self, settings: FakeZoneSettings, signal: str, zone: str = "public") -> None:
        """Change a zone, as C{firewall-cmd} does."""
        self.firewalld.settings[zone] = settings
        self.firewalld.tell(signal, zone, "ssh")

    def open(self, deadline: float = 30.0) -> None:
        """Open."""
        self.successResultOf(self.firewall.open(makeOpening(deadline=deadline)))

    def close(self, source: str = "203.0.113.9") -> None:
        """Close."""
        self.successResultOf(self.firewall.close(makeOpening(source)))

    def test_notAsked(self) -> None:
        """An opening, its extension, and its end cost firewalld nothing, nor does a healing."""
        self.open()
        self.open(60.0)
        self.close()
        self.assertEqual([], self.firewalld.asked)
        openings = [makeOpening(f"192.0.2.{last}") for last in range(100)]
        counts = []
        for wanted in ([], openings):
            self.firewalld.asked.clear()
            self.successResultOf(self.firewall.restore(wanted))
            counts.append(len(self.firewalld.asked))
        self.assertEqual(counts[0], counts[1])
        self.assertEqual([], self.firewalld.calls)

    def test_notWaitedFor(self) -> None:
        """An opening does not wait for a firewalld that hangs."""
        self.thread.isStuck = True
        self.open()

    def test_otherPorts(self) -> None:
        """A door that has other ports as well needs rules."""
        self.doors = (makeDoor(ports="22,80"),)
        self.firewall.setDoors(self.doors)
        self.successResultOf(self.firewall.restore([]))
        opening = makeOpening(ports="22,80")
        self.successResultOf(self.firewall.open(opening))
        self.assertEqual({rule(31338): 30.0, rule(31338, "80"): 30.0}, self.added())

    def test_closedLater(self) -> None:
        """If the zone stops letting the ports through, openings get rules with the time left."""
        self.open()
        self.clock.advance(10)
        self.set(FakeZoneSettings(), "service-removed")
        self.assertEqual(["firewalld's zones were changed"], self.lost)
        self.successResultOf(self.firewall.restore([makeOpening()]))
        self.assertEqual({rule(31338): 20.0}, self.added())
        self.close()
        self.assertEqual({}, self.added())

    def test_closedJustNow(self) -> None:
        """An opening that comes after that, but before the restoration, gets its rule at once."""
        self.set(FakeZoneSettings(), "service-removed")
        self.open()
        self.assertEqual({rule(31338): 30.0}, self.added())

    def test_openedLater(self) -> None:
        """
        If the zone lets the ports through later, nothing is lost, and no rule is added any more.
        """
        self.set(FakeZoneSettings(), "service-removed")
        self.successResultOf(self.firewall.restore([]))
        self.open()
        self.lost.clear()
        self.set(SSH, "service-added")
        self.firewalld.calls.clear()
        self.open(60.0)
        self.assertEqual(([], []), (self.lost, self.firewalld.calls))
        self.close()
        self.assertEqual({}, self.added())

    def test_restoredWithout(self) -> None:
        """A restoration removes rules that are not needed, an earlier daemon's as well."""
        self.firewalld.rules["public"][rule(31338)] = 30.0
        self.successResultOf(self.firewall.restore([makeOpening()]))
        self.assertEqual({}, self.added())

    def test_otherService(self) -> None:
        """If the zone closes ports of no door, nothing is lost."""
        self.firewalld.services["http"] = [("80", "tcp")]
        self.set(FakeZoneSettings(services=["ssh", "http"]), "service-added")
        self.set(SSH, "service-removed")
        self.assertEqual([], self.lost)

    def test_signals(self) -> None:
        """Each of firewalld's signals about a zone's settings is heard."""
        for signal in ("port-removed", "protocol-removed", "service-removed", "zone-updated"):
            self.set(SSH, "service-added")
            self.successResultOf(self.firewall.restore([]))
            self.lost.clear()
            self.set(FakeZoneSettings(), signal)
            self.assertEqual(["firewalld's zones were changed"], self.lost, signal)

    def test_unanswered(self) -> None:
        """If firewalld does not answer after such a signal, nothing is relied on."""
        self.firewalld.refuse("getZoneSettings", "", "no", "org.freedesktop.DBus.Error.NoReply")
        self.firewalld.tell("service-removed", "public", "ssh")
        self.assertIn("firewalld does not answer", self.lost[-1])
        asked = len(self.firewalld.asked)
        self.firewalld.tell("service-removed", "public", "http")
        self.assertEqual(asked, len(self.firewalld.asked))  # a restoration follows anyway
        self.failureResultOf(self.firewall.open(makeOpening()), FirewallError)

    def test_otherZone(self) -> None:
        """
        If another zone judges packets, too, an opening gets a rule if its client is in that zone.
        """
        self.firewalld.active["internal"] = {"sources": ["192.0.2.0/24"]}
        self.firewalld.tell("source-added", "internal", "192.0.2.0/24")
        self.successResultOf(self.firewall.restore([]))
        self.open()
        self.assertEqual(({}, {}), (self.added(), self.added("internal")))
        self.successResultOf(self.firewall.open(makeOpening("192.0.2.7")))
        self.assertEqual({rule(31338, source="192.0.2.7"): 30.0}, self.added("internal"))
        self.close("192.0.2.7")
        self.assertEqual({}, self.added("internal"))

    def test_newZone(self) -> None:
        """Until it is known what a new zone lets through, no opening relies on it."""
        self.firewalld.active["internal"] = {"sources": ["203.0.113.0/24"]}
        self.firewalld.tell("source-added", "internal", "203.0.113.0/24")
        self.open()
        self.assertEqual({rule(31338): 30.0}, self.added("internal"))

    def test_reloaded(self) -> None:
        """After a reload, when settings that are not permanent are gone, nothing is relied on."""
        self.open()
        self.firewalld.settings.clear()
        self.firewalld.reload()
        self.assertEqual(["firewalld was reloaded"], self.lost)
        self.successResultOf(self.firewall.restore([makeOpening()]))
        self.assertEqual({rule(31338): 30.0}, self.added())

    def test_away(self) -> None:
        """While firewalld is away, openings fail as always: it may come back with other zones."""
        self.firewalld.change(False)
        self.failureResultOf(self.firewall.open(makeOpening()), FirewallError)
        self.firewalld.change(True)
        self.open()
        self.assertEqual({}, self.added())

    def test_panic(self) -> None:
        """In panic mode openings fail, and nothing is lost; after it, nothing is missing."""
        self.open()
        self.firewalld.isPanicking = True
        self.firewalld.tell("panic-mode-enabled")
        opening = makeOpening("192.0.2.7")
        self.failureResultOf(self.firewall.open(opening), FirewallError)
        self.firewalld.isPanicking = False
        self.firewalld.tell("panic-mode-disabled")
        self.successResultOf(self.firewall.open(opening))
        self.assertEqual(({}, []), (self.added(), self.lost))

    def test_panicAndClosed(self) -> None:
        """If the zone was closed meanwhile, the openings from before need rules after it."""
        self.open()
        self.firewalld.isPanicking = True
        self.firewalld.tell("panic-mode-enabled")
        self.set(FakeZoneSettings(), "service-removed")
        self.assertEqual([], self.lost)
        self.firewalld.isPanicking = False
        self.firewalld.tell("panic-mode-disabled")
        self.assertEqual(["firewalld's zones were changed"], self.lost)

    def test_trusted(self) -> None:
        """What a door trusts needs no rule, either, until the zone is closed."""
        trusted = parseTrustedList("198.51.100.0/24")
        self.doors = (makeDoor(trusted=trusted),)
        self.firewall.setDoors(self.doors)
        self.successResultOf(self.firewall.restore([]))
        self.assertEqual({}, self.added())
        self.set(FakeZoneSettings(), "service-removed")
        self.successResultOf(self.firewall.restore([]))
        self.assertEqual(1, len(self.added()))

    def test_trustedAskOnce(self) -> None:
        """However many networks are trusted, firewalld is asked for its zones as often."""
        asked = []
        for count in (1, 64):
            networks = [f"198.51.{third}.0/24" for third in range(count)]
            self.firewall.setDoors((makeDoor(trusted=parseTrustedList(",".join(networks))),))
            self.firewalld.asked.clear()
            self.successResultOf(self.firewall.restore([]))
            asked.append([method for method in self.firewalld.asked if method in QUESTIONS])
        self.assertEqual(asked[0], asked[1])


class AdmittedKnocksTests(FirewalldTestCase):
    """
    Tests with knock ports that the zone lets everybody reach.
    """

    def setUp(self) -> None:
        """Have a zone that lets them through."""
        super().setUp()
        ports = [("17001-17203", "udp"), ("17404", "udp")]
        self.firewalld.settings["public"] = FakeZoneSettings(ports=ports)
        self.start()
        self.successResultOf(self.firewall.restore([]))

    def test_noRules(self) -> None:
        """They need no rules."""
        self.assertEqual({STRANGERS: 0}, self.firewalld.present())

    def test_closedLater(self) -> None:
        """If the zone closes one of them, it gets its rule."""
        ports = [("17001-17203", "udp")]
        self.firewalld.settings["public"] = FakeZoneSettings(ports=ports)
        self.firewalld.tell("port-removed", "public", "17404", "udp")
        self.assertEqual(["firewalld's zones were changed"], self.lost)
        self.successResultOf(self.firewall.restore([]))
        self.assertEqual({STRANGERS: 0, knockRule(17404): 0}, self.firewalld.present())

    def test_openedLater(self) -> None:
        """Rules that are not needed any more go with the next restoration."""
        self.test_closedLater()
        self.firewalld.settings["public"] = FakeZoneSettings(protocols=["udp"])
        self.firewalld.tell("protocol-added", "public", "udp")
        self.successResultOf(self.firewall.restore([]))
        self.test_noRules()


class AdmittedZoneTests(FirewalldTestCase):
    """
    Tests of C{--zone} with a zone that lets everybody reach the ports.
    """

    zone = "internal"

    def test_zoneAlone(self) -> None:
        """Only the given zone counts."""
        self.firewalld.settings["public"] = SSH
        self.start()
        for settings, rules in ((FakeZoneSettings(), 1), (SSH, 0)):
            self.firewalld.settings["internal"] = settings
            self.firewalld.tell("zone-updated", "internal", {})
            self.successResultOf(self.firewall.restore([makeOpening()]))
            openings = [each for each in self.firewalld.present("internal") if "source" in each]
            self.assertEqual(rules, len(openings))
