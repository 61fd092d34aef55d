"""Tests of L{pkdoors.firewall.firewalld}."""

from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld import FirewalldFirewall
from pkdoors.firewall.zoneclient import ZoneClient
from pkdoors.interfaces import IFirewall
from pkdoors.richrules import knockRule
from tests.fakes import (
    PORTS,
    FakeDBus,
    FakeFirewalld,
    FakeIp,
    FakeZoneSettings,
    Log,
    SyncBusThread,
    makeDoor,
    makeModule,
    makeOpening,
    replaceModule,
)

KNOCKS = {
    'rule priority="31337" port port="17001" protocol="udp" accept': 0,
    'rule priority="31337" port port="17203" protocol="udp" accept': 0,
    'rule priority="31337" port port="17005" protocol="udp" accept': 0,
    'rule priority="31337" port port="17404" protocol="udp" accept': 0,
    'rule priority="31337" port port="17002" protocol="udp" accept': 0,
}
"""The rules of L{PORTS}."""

STRANGERS = 'rule priority="-1" family="ipv4" source address="198.51.100.66" drop'


def rule(
    priority: int, port: str = "22", protocol: str = "tcp", source: str = "203.0.113.9"
) -> str:
    """The rule of an opening."""
    family = "ipv6" if ":" in source else "ipv4"
    return (
        f'rule priority="{priority}" family="{family}" source address="{source}" '
        f'port port="{port}" protocol="{protocol}" accept'
    )


class FirewalldTestCase(SynchronousTestCase):
    """
    With a firewalld whose zone C{public} has the interface that clients come in at.
    """

    zone = ""

    def setUp(self) -> None:
        """Have it, with a rule of somebody else."""
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
            self.clock, self.thread, lambda: ZoneClient(self.zone, lambda: self.firewalld)
        )
        self.doors = (makeDoor(),)
        self.lost: list[str] = []

    def start(self) -> None:
        """Start, and forget how."""
        self.firewall.start(self.doors, self.lost.append)
        self.firewalld.calls.clear()

    def added(self, zone: str = "public") -> dict[str, float]:
        """The rules of a zone, with their time left, but for those that let knocks in."""
        present = self.firewalld.present(zone)
        return {each: left for each, left in present.items() if each not in {*KNOCKS, STRANGERS}}


class StartTests(FirewalldTestCase):
    """
    Tests of L{FirewalldFirewall.prepare} and L{FirewalldFirewall.start}.
    """

    def test_interface(self) -> None:
        """It is an L{IFirewall} called firewalld."""
        verifyObject(IFirewall, self.firewall)
        self.assertEqual("firewalld", self.firewall.name)

    def test_prepare(self) -> None:
        """Preparing touches nothing where firewalld runs; no thread or connection is left."""
        module = makeModule("firewall.client", FirewallClient=object)
        replaceModule(self, "firewall", makeModule("firewall", client=module))
        replaceModule(self, "firewall.client", module)
        self.firewall.prepare(self.doors)
        self.assertEqual([], self.firewalld.calls)
        self.assertEqual((False, 0), (self.thread.isRunning, self.bus.connections))

    def test_notRunning(self) -> None:
        """Where firewalld does not run, the sentence says what to do."""
        module = makeModule("firewall.client", FirewallClient=object)
        replaceModule(self, "firewall", makeModule("firewall", client=module))
        replaceModule(self, "firewall.client", module)
        self.bus.names = ()
        self.assertEqual(
            "firewalld is not running: start it (systemctl start firewalld), "
            "or choose --firewall nftables",
            str(self.assertRaises(FirewallError, self.firewall.prepare, self.doors)),
        )

    def test_missing(self) -> None:
        """Where python-firewall is missing, the sentence names the package."""
        replaceModule(self, "firewall", None)
        replaceModule(self, "firewall.client", None)
        error = self.assertRaises(FirewallError, self.firewall.prepare, self.doors)
        self.assertIn("install python3-firewall", str(error))

    def test_knockPorts(self) -> None:
        """Starting lets knocks in, for good, beside the rules of others."""
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
        """The rules are added in the order of their numbers: the sequence's order is a secret."""
        self.firewall.start((makeDoor((5, 3, 9, 3, 7)),), self.lost.append)
        self.assertEqual(
            [f"add public {knockRule(port)}" for port in (3, 5, 7, 9)], self.firewalld.calls
        )

    def test_staleRules(self) -> None:
        """Knock rules of a daemon that was killed are removed where they are not wanted now."""
        stale = knockRule(999)
        self.firewalld.rules["public"] = {STRANGERS: 0, stale: 0, knockRule(PORTS[0]): 0}
        self.firewall.start(self.doors, self.lost.append)
        self.assertEqual({STRANGERS: 0, **KNOCKS}, self.firewalld.present())
        removed = [call for call in self.firewalld.calls if call.startswith("remove")]
        self.assertEqual([f"remove public {stale}"], removed)

    def test_refused(self) -> None:
        """What firewalld refuses is raised."""
        self.firewalld.refuse("addRichRule", "", "INVALID_RULE: no")
        error = self.assertRaises(FirewallError, self.firewall.start, self.doors, self.lost.append)
        self.assertEqual("firewalld refused: INVALID_RULE: no", str(error))

    def test_refusedHalfway(self) -> None:
        """What was let in before firewalld refused is taken back."""
        self.firewalld.refuse("addRichRule", knockRule(max(PORTS)), "INVALID_RULE: no")
        self.assertRaises(FirewallError, self.firewall.start, self.doors, self.lost.append)
        self.assertIn(f"add public {knockRule(min(PORTS))}", self.firewalld.calls)
        self.assertEqual({STRANGERS: 0}, self.firewalld.present())

    def test_reload(self) -> None:
        """After a reload knocks and openings are put back, with the time that is left."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening(deadline=30.0)))
        before = self.added()
        self.clock.advance(10)
        self.firewalld.reload()
        self.assertEqual(["firewalld was reloaded"], self.lost)
        self.successResultOf(self.firewall.restore([makeOpening(deadline=30.0)]))
        self.assertEqual({rule: 20.0 for rule in before}, self.added())
        self.assertEqual({**KNOCKS, **self.added()}, self.firewalld.present())

    def test_comesAndGoes(self) -> None:
        """That firewalld goes away, or is back, is told."""
        self.start()
        self.firewalld.change(False)
        self.firewalld.change(True)
        self.assertEqual(["firewalld went away", "firewalld is back"], self.lost)

    def test_stuck(self) -> None:
        """A firewalld that does not answer is an error with what to do, and no hang."""
        self.thread.isStuck = True
        self.assertEqual(
            "firewalld did not answer within 30 s: "
            "see what it does (systemctl status firewalld), then start again",
            str(
                self.assertRaises(FirewallError, self.firewall.start, self.doors, self.lost.append)
            ),
        )

    def test_exposure(self) -> None:
        """A protected port that a zone lets everybody reach is a warning."""
        self.firewalld.settings["public"] = FakeZoneSettings(services=["ssh"])
        self.firewall.start(self.doors, self.lost.append)
        self.assertEqual(
            [
                "22/tcp can be reached by everybody in firewalld's zone public "
                "(service ssh), so that its door protects nothing there: close it with "
                "`firewall-cmd --zone=public --remove-service=ssh` and, for good, "
                "`firewall-cmd --zone=public --permanent --remove-service=ssh`, "
                "unless you trust all of that zone"
            ],
            self.log.lines(LogLevel.warn),
        )

    def test_noExposure(self) -> None:
        """What a zone lets everybody reach that is not protected is not warned of."""
        self.firewalld.settings["public"] = FakeZoneSettings(ports=[("80", "tcp")])
        self.firewall.start(self.doors, self.lost.append)
        self.assertEqual([], self.log.lines())

    def test_noPortsLogged(self) -> None:
        """Nothing that is logged at start tells a knock port."""
        self.firewalld.settings["public"] = FakeZoneSettings(
            target="ACCEPT", services=["ssh"], rules=list(KNOCKS)
        )
        self.firewall.start(self.doors, self.lost.append)
        text = "\n".join(self.log.lines())
        self.assertIn("22/tcp", text)
        self.assertFalse([port for port in PORTS if str(port) in text])


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
        """So it is with IPv6."""
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
        """The timeout is at least a second: 0 would be for ever."""
        self.start()
        self.clock.advance(30)
        self.open(deadline=30.0)
        self.assertEqual({rule(31338): 1.0}, self.added())

    def test_zoneOfClient(self) -> None:
        """It is put into the zone that the client's packets are put in."""
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

    def test_extendTwice(self) -> None:
        """The second extension takes the first priority again."""
        self.start()
        for deadline in (30.0, 50.0, 70.0):
            self.open(deadline=deadline)
        self.assertEqual({rule(31338): 70.0}, self.added())

    def test_extendInAnotherZone(self) -> None:
        """Where the client's zone has changed meanwhile, the rule moves."""
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
        """After an extension that failed, closing removes what is there."""
        self.test_failedExtension()
        self.successResultOf(self.firewall.close(makeOpening()))
        self.assertEqual({}, self.added())

    def test_rollback(self) -> None:
        """Where the second rule of an opening fails, the first is taken back."""
        self.start()
        self.firewalld.refuse("addRichRule", 'port="6000-6010"', "INVALID_RULE: no")
        opening = makeOpening(ports="22,6000-6010/udp")
        self.failureResultOf(self.firewall.open(opening), FirewallError)
        self.assertEqual({}, self.added())

    def test_rollbackOfExtension(self) -> None:
        """So it is where that happens in an extension, and the old rules stay."""
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
        """Where an extension cannot remove the old rule, closing still removes the new one."""
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
        """Nor is closing again, or what was never open."""
        self.start()
        self.open()
        for _ in range(2):
            self.successResultOf(self.firewall.close(makeOpening()))
        self.assertEqual({}, self.added())

    def test_failedClose(self) -> None:
        """A closing that fails can be tried again."""
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
        self.start()
        self.open()
        self.open(name="web", ports="80")
        self.successResultOf(self.firewall.close(makeOpening()))
        self.assertEqual({rule(31338, "80"): 30.0}, self.added())


class StopTests(FirewalldTestCase):
    """
    Tests of L{FirewalldFirewall.stop}.
    """

    def test_takesKnockPorts(self) -> None:
        """Stopping takes back the rules that let knocks in, and nobody else's."""
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
        """That the rules are gone already, as after a reload, is no error."""
        self.start()
        self.firewalld.rules["public"].clear()
        self.successResultOf(self.firewall.stop())

    def test_fails(self) -> None:
        """Where firewalld does not answer any more it fails, and the thread ends."""
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
        """The zone that was asked for gets the knock rules and the openings, no other does."""
        self.start()
        self.successResultOf(self.firewall.open(makeOpening()))
        self.assertEqual({STRANGERS: 0}, self.firewalld.present("public"))
        self.assertEqual({**KNOCKS, rule(31338): 30.0}, self.firewalld.present("internal"))


class NoZoneTests(FirewalldTestCase):
    """
    C{--zone} with a zone that does not exist.
    """

    zone = "nowhere"

    def test_unknown(self) -> None:
        """It is refused at start."""
        error = self.assertRaises(FirewallError, self.firewall.start, self.doors, self.lost.append)
        self.assertIn("firewalld has no zone 'nowhere'", str(error))
