"""Tests of L{pkdoors.firewall.firewalld.firewall}: restorations, also for other doors."""

from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld.connection import FirewalldTimeout
from pkdoors.firewall.firewalld.richrules import knockRule
from pkdoors.model.doors import Opening
from pkdoors.model.trusted import parseTrustedList
from tests.fakes.doors import PORTS, makeDoor, makeOpening
from tests.firewall.firewalld.case import KNOCKS, QUESTIONS, STRANGERS, FirewalldTestCase, rule


class RestoreTests(FirewalldTestCase):
    """
    Tests of L{FirewalldFirewall.restore}, after the start.
    """

    def setUp(self) -> None:
        """Start the firewall."""
        super().setUp()
        self.start()

    def open(self, *openings: Opening) -> None:
        """Open doors, and forget the calls."""
        for opening in openings:
            self.successResultOf(self.firewall.open(opening))
        self.firewalld.calls.clear()

    def leave(self, *rules: str, zone: str = "public", end: float = 30.0) -> None:
        """Add rules, as if an earlier daemon had left them."""
        self.firewalld.rules[zone].update(dict.fromkeys(rules, end))

    def restore(self, *openings: Opening) -> list[str]:
        """Restore openings, and return the calls that change something."""
        self.firewalld.calls.clear()
        self.assertIsNone(self.successResultOf(self.firewall.restore(iter(openings))))
        return self.firewalld.calls

    def failed(self, *openings: Opening) -> FirewallError:
        """Restore openings, and return the error."""
        error = self.failureResultOf(self.firewall.restore(openings), FirewallError).value
        assert isinstance(error, FirewallError)
        return error

    def refuseAll(self) -> None:
        """
        Make firewalld refuse every change, even to add an existing rule or to remove a missing one.
        """
        for method in ("addRichRule", "removeRichRule", "removePermanentRule"):
            self.firewalld.refuse(method, "", "INVALID_RULE: no")

    def hang(self, method: str, part: str = "") -> None:
        """Make firewalld leave a question unanswered from now on."""
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
        Such an opening can be extended as usual: the rule at the other priority is added before
        this one is removed.
        """
        self.leave(rule(31338))
        self.restore(makeOpening())
        self.open(makeOpening(deadline=50.0))
        self.assertEqual({rule(31338): 50.0}, self.added())

    def test_closesEarlier(self) -> None:
        """Such an opening can be closed."""
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
        present = self.present(zone)
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
        self.assertEqual({STRANGERS: 0, **KNOCKS, rule(31338): 30.0}, self.present())

    def test_bothPriorities(self) -> None:
        """Rules that exist at both priorities exist once afterwards, with the right deadline."""
        self.leave(rule(31338), rule(31339))
        self.restore(makeOpening())
        self.assertEqual({rule(31339): 30.0}, self.added())

    def test_knockRefused(self) -> None:
        """If firewalld refuses a knock rule, the rest is restored, and the refusal is reported."""
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
        """When firewalld accepts the opening, it is added, and the others are not touched."""
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
        Whichever call firewalld did not answer, the deadlines of its rules are still known, so an
        opening that must be extended is.
        """
        for number, method in enumerate(QUESTIONS, 1):
            self.open(makeOpening(deadline=30.0 * number))
            self.hang(method)
            self.failed(makeOpening(deadline=30.0 * number))
            self.firewalld.refusals.clear()
            self.restore(makeOpening(deadline=30.0 * number + 15))
            self.assertEqual([30.0 * number + 15], list(self.added().values()), method)

    def test_stopAfterSilence(self) -> None:
        """The zones that let knocks in are still known, too: the stop removes those rules."""
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
        """The end of the bus is reported, and calls fail until it is back."""
        self.firewalld.disconnect()
        self.assertEqual(["the system's D-Bus went away"], self.lost)
        self.assertIsInstance(self.failed(makeOpening()), FirewalldTimeout)
        self.failureResultOf(self.firewall.open(makeOpening()), FirewalldTimeout)

    def test_busIsBack(self) -> None:
        """When the bus is back, and firewalld has lost all rules, they are added."""
        self.open(makeOpening())
        self.firewalld.disconnect()
        self.failed(makeOpening())
        self.firewalld.rules["public"].clear()
        self.firewalld.isOnBus = True
        self.restore(makeOpening())
        self.assertEqual({**KNOCKS, rule(31338): 30.0}, self.present())


class KeepTests(FirewalldTestCase):
    """
    Tests of L{FirewalldFirewall.setDoors}, after the start with three doors that have one port.
    """

    def setUp(self) -> None:
        """Start the firewall."""
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


class TrustedTests(FirewalldTestCase):
    """
    The rules for trusted networks and interfaces.
    """

    NETWORK = (
        'rule priority="32338" family="ipv4" source address="192.168.1.0/24" '
        'port port="22" protocol="tcp" accept'
    )
    EVERYBODY = 'rule priority="32338" port port="22" protocol="tcp" accept'

    def setUp(self) -> None:
        """Trust a network and an interface, which are in several zones."""
        super().setUp()
        self.firewalld.rules.update({"home": {}, "work": {}})
        self.firewalld.active["home"] = {"interfaces": ["wg0"]}
        self.firewalld.active["work"] = {"interfaces": ["eth1"]}
        self.doors = (makeDoor(trusted=parseTrustedList("192.168.1.0/24,wg0")),)
        self.start()
        self.atStart = self.trusted()
        self.successResultOf(self.firewall.restore([]))
        self.firewalld.calls.clear()

    def trusted(self) -> dict[str, list[str]]:
        """Return the rules for what is trusted, by zones."""
        zones = ("public", "home", "work")
        return {
            zone: [rule for rule in self.firewalld.rules[zone] if "32338" in rule] for zone in zones
        }

    def test_atStart(self) -> None:
        """The start itself adds no such rules: it has a time limit."""
        self.assertEqual({"public": [], "home": [], "work": []}, self.atStart)

    def test_restore(self) -> None:
        """A network is let through in each zone that judges packets, and for an interface
        everybody, in its own zone alone. These rules have no end."""
        expected = {"public": [self.NETWORK], "work": [self.NETWORK]}
        self.assertEqual({**expected, "home": [self.NETWORK, self.EVERYBODY]}, self.trusted())
        self.assertEqual(0, self.firewalld.rules["public"][self.NETWORK])

    def test_restored(self) -> None:
        """What firewalld has forgotten is added again, what is there is not touched, and openings
        come and go without it."""
        expected = self.trusted()
        self.successResultOf(self.firewall.restore([makeOpening()]))
        self.successResultOf(self.firewall.restore([]))
        self.assertNotIn("32338", "".join(self.firewalld.calls))
        del self.firewalld.rules["home"][self.EVERYBODY]
        self.firewalld.tell("richrule-removed", "home", self.EVERYBODY)
        self.assertEqual(["firewalld ended a rule of pkdoors"], self.lost)
        self.successResultOf(self.firewall.restore([]))
        self.assertEqual(expected, self.trusted())

    def test_last(self) -> None:
        """However many networks are trusted, a start and the openings do not wait for them."""
        trusted = ",".join(f"10.{number}.0.0/16" for number in range(64))
        self.firewall.setDoors((makeDoor(trusted=parseTrustedList(trusted)),))
        self.firewalld.calls.clear()
        self.successResultOf(self.firewall.restore([makeOpening()]))
        added = [call for call in self.firewalld.calls if call.startswith("add ")]
        self.assertIn("203.0.113.9", added[0])
        self.assertEqual(64 * 3, len(added[1:]))

    def test_moved(self) -> None:
        """If the interface gets another zone, the rule follows it."""
        self.firewalld.active["home"] = {"interfaces": ["eth2"]}
        self.successResultOf(self.firewall.restore([]))
        both = [self.NETWORK, self.EVERYBODY]
        self.assertEqual({"work": both[:1], "public": both, "home": both[:1]}, self.trusted())

    def test_removed(self) -> None:
        """What is no longer trusted goes, and so does what an earlier daemon left."""
        self.firewall.setDoors((makeDoor(trusted=parseTrustedList("wg0")),))
        self.successResultOf(self.firewall.restore([]))
        self.assertEqual({"public": [], "work": [], "home": [self.EVERYBODY]}, self.trusted())

    def test_stop(self) -> None:
        """When the daemon stops, knocks are no longer let in; trust stays, as it does in the
        guard."""
        before = self.trusted()
        self.successResultOf(self.firewall.stop())
        self.assertEqual(before, self.trusted())
        self.assertNotIn("31337", str(self.firewalld.rules))


class TrustedZoneTests(FirewalldTestCase):
    """
    The same with a zone for all rules.
    """

    zone = "public"

    def test_start(self) -> None:
        """The zone has the rules, and no other has any."""
        self.firewalld.rules["home"] = {}
        self.firewalld.active["home"] = {"interfaces": ["wg0"]}
        self.doors = (makeDoor(trusted=parseTrustedList("192.168.1.0/24,wg0")),)
        self.start()
        self.successResultOf(self.firewall.restore([]))
        both = {TrustedTests.NETWORK, TrustedTests.EVERYBODY}
        self.assertLessEqual(both, {*self.firewalld.rules["public"]})
        self.assertEqual({}, self.firewalld.rules["home"])
