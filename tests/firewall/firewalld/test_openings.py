"""Tests of L{pkdoors.firewall.firewalld.firewall}: openings, and C{--zone}."""

from dataclasses import replace

from pkdoors.errors import DeadlinePassed, FirewallError
from pkdoors.firewall.firewalld.richrules import MAX_DOORS
from tests.fakes.doors import makeDoor, makeOpening
from tests.firewall.firewalld.case import KNOCKS, STRANGERS, FirewalldTestCase, rule


class OpeningTests(FirewalldTestCase):
    """
    Tests of L{FirewalldFirewall.open} and L{FirewalldFirewall.close}.
    """

    def open(self, source: str = "203.0.113.9", deadline: float = 30.0, **door: str) -> None:
        """Open a door, and check that it succeeds."""
        opening = makeOpening(source, deadline, **door)
        self.assertIsNone(self.successResultOf(self.firewall.open(opening)))

    def test_open(self) -> None:
        """An opening is a rule for its source, with firewalld's own timeout."""
        self.start()
        self.clock.advance(10)
        self.open(deadline=40.0)
        self.assertEqual({rule(31338): 30.0}, self.added())

    def test_openIPv6(self) -> None:
        """An opening over IPv6 is a rule of its family."""
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
        for last, left in enumerate((29.2, 29.7, 29.75, 30.0)):
            source = f"203.0.113.{last}"
            self.open(source, self.clock.seconds() + left)
            self.assertLessEqual(left, self.firewalld.present()[rule(31338, source=source)])

    def test_neverForEver(self) -> None:
        """The timeout is at least a second: 0 would mean for ever."""
        self.start()
        self.clock.advance(29.999)
        self.open(deadline=30.0)
        self.assertLess(0, self.firewalld.present()[rule(31338)])

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
        """The rule is added to the zone to which firewalld assigns the client's packets."""
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

    def test_moreDoorsThanPriorities(self) -> None:
        """
        Doors that have one priority share the rules of their openings: these stay until the last
        one is closed, for the longest time.
        """
        self.doors = tuple(makeDoor(name=f"d{number}") for number in range(MAX_DOORS + 1))
        self.start()
        first = replace(makeOpening(deadline=60.0), door=self.doors[0])
        last = replace(makeOpening(deadline=30.0), door=self.doors[-1])
        for opening in (first, last):
            self.successResultOf(self.firewall.open(opening))
        self.assertEqual({rule(31338): 60.0}, self.added())
        self.successResultOf(self.firewall.close(last))
        self.assertEqual({rule(31338): 60.0}, self.added())
        self.successResultOf(self.firewall.close(first))
        self.assertEqual({}, self.added())

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
        """An opening that firewalld has just ended by itself can be extended."""
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
        """If that happens in an extension, the first is removed, and the old rules stay."""
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
        """An opening that firewalld has ended by itself can be closed."""
        self.start()
        self.open()
        self.clock.advance(30)
        self.successResultOf(self.firewall.close(makeOpening()))

    def test_closeTwice(self) -> None:
        """Closing again, or closing a door that was never open, is not an error."""
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


class ZoneTests(FirewalldTestCase):
    """
    Tests of C{--zone}.
    """

    zone = "internal"

    def test_everything(self) -> None:
        """The given zone gets the knock rules and the openings; no other does."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening()))
        self.assertEqual({STRANGERS: 0}, self.firewalld.present("public"))
        self.assertEqual({**KNOCKS, rule(31338): 30.0}, self.present("internal"))

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
        self.assertEqual({**KNOCKS, rule(31338): 30.0}, self.present("internal"))


class NoZoneTests(FirewalldTestCase):
    """
    Tests of C{--zone} with a zone that does not exist.
    """

    zone = "nowhere"

    def test_prepare(self) -> None:
        """The zone is refused before the daemon forks; no thread or connection is left."""
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
