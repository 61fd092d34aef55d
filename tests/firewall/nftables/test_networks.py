"""Tests of L{pkdoors.firewall.nftables.firewall}: openings for networks."""

from ipaddress import ip_network

from pkdoors.errors import FirewallError
from pkdoors.firewall.nftables.contents import reader
from pkdoors.model.doors import Opening
from tests.fakes.doors import makeDoor, makeOpening
from tests.firewall.nftables.firewallcase import ANN, NEXT, NftablesTestCase

NET, WIDE, SIX = "203.0.113.0/24", "203.0.0.0/16", "2001:db8::/64"
SETS = {NET: "tcp_open4_24", WIDE: "tcp_open4_16", SIX: "tcp_open6_64"}
FIELDS = {
    NET: "ip saddr & 255.255.255.0",
    WIDE: "ip saddr & 255.255.0.0",
    SIX: "ip6 saddr & ffff:ffff:ffff:ffff::",
}


class NetworkTests(NftablesTestCase):
    """
    Openings for networks.
    """

    def setUp(self) -> None:
        """Start a firewall with one door."""
        super().setUp()
        self.assertEqual([], self.firewall.start(self.doors, self.lost.append))

    def open(self, *sources: str) -> None:
        """Open the door."""
        for source in sources:
            self.successResultOf(self.firewall.open(makeOpening(source, 60.0)))

    def heal(self, *sources: str) -> None:
        """Restore the guard with these openings."""
        openings = [makeOpening(source, 60.0) for source in sources]
        self.successResultOf(self.firewall.restore(openings))

    def assertOpen(self, *sources: str) -> None:
        """Assert that exactly these networks are open, and that the rules look them up."""
        for source in SETS:
            name, first = SETS[source], str(ip_network(source).network_address)
            found = self.tables.sources(name) if name in self.ours().sets else {}
            self.assertEqual([first] if source in sources else [], [*found])
            rule = f"{FIELDS[source]} . tcp dport @{name} goto let_in"
            if source in sources:
                self.assertEqual(1, self.judging().count(rule))

    def test_firstOne(self) -> None:
        """
        The first opening of a length adds a set and its rules; others of that length are one step,
        as those for addresses are.
        """
        before = self.judging()
        self.tables.steps.clear()
        self.open(NET)
        self.assertEqual(["run pkdoors", f"add pkdoors {SETS[NET]} 1"], self.tables.steps)
        after = self.judging()
        rule = f"{FIELDS[NET]} . tcp dport @{SETS[NET]} goto let_in"
        self.assertEqual({*before, rule}, {*after})
        self.tables.steps.clear()
        self.open("198.51.100.0/24")
        self.assertEqual([f"add pkdoors {SETS[NET]} 1"], self.tables.steps)
        self.assertEqual(after, self.judging())

    def test_apart(self) -> None:
        """A network, a wider one and an address in both end each by itself."""
        self.open(NET, WIDE, ANN, SIX)
        self.assertOpen(NET, WIDE, SIX)
        self.successResultOf(self.firewall.close(makeOpening(NET)))
        self.assertOpen(WIDE, SIX)
        self.assertEqual({ANN: 60.0}, self.tables.sources("tcp_open4"))
        self.successResultOf(self.firewall.close(makeOpening(ANN)))
        self.assertOpen(WIDE, SIX)

    def test_firstAddress(self) -> None:
        """A network is not its first address."""
        self.open("203.0.113.0", NET)
        self.successResultOf(self.firewall.close(makeOpening(NET)))
        self.assertEqual({"203.0.113.0": 60.0}, self.tables.sources("tcp_open4"))

    def test_heal(self) -> None:
        """After a flush, the guard is back with its networks, and their rules."""
        self.open(NET, SIX)
        del self.tables.tables["pkdoors"]
        self.failureResultOf(self.firewall.open(makeOpening(WIDE)), FirewallError)
        self.heal(NET, SIX, WIDE)
        self.assertOpen(NET, SIX, WIDE)
        self.assertTrue(self.ours().guards())

    def test_reload(self) -> None:
        """A reload keeps them without a change, and what nothing needs goes."""
        self.open(NET, WIDE)
        self.tables.steps.clear()
        self.firewall.setDoors((*self.doors, makeDoor(NEXT, "443", name="web")))
        self.heal(NET)
        changed = [step for step in self.tables.steps if "open" in step]
        self.assertEqual([f"remove pkdoors {SETS[WIDE]} 1"], changed)  # with its other element
        self.assertOpen(NET)
        self.clock.advance(0)
        self.assertNotIn(SETS[WIDE], self.ours().sets)
        self.open(WIDE)
        self.assertOpen(NET, WIDE)

    def takeOver(self) -> list[Opening]:
        """Start another daemon, on what the first one left when it was killed."""
        self.firewall = self.make()
        return self.firewall.start(self.doors, self.lost.append)

    def test_takenOver(self) -> None:
        """Another daemon takes them over, with what they have left, and keeps their rules."""
        self.open(NET, SIX, ANN)
        self.clock.advance(20)
        found = self.takeOver()
        self.assertEqual({NET, SIX, ANN}, {str(opening.source) for opening in found})
        self.assertEqual({60.0}, {opening.deadline for opening in found})
        self.assertOpen(NET, SIX)
        self.clock.advance(41)
        self.assertEqual([], self.takeOver())
        self.assertNotIn(SETS[NET], self.ours().sets)

    def test_otherBoot(self) -> None:
        """Networks of another boot, or of a door that had other ports, are open no more."""
        for doors, boot in (((makeDoor(ports="22-23"),), "a boot"), (self.doors, "another boot")):
            self.open(NET)
            self.doors = doors
            self.patch(reader, "readBootId", lambda boot=boot: boot)
            self.assertEqual([], self.takeOver())
            self.assertOpen()
            self.open(NET)
            self.assertOpen(NET)

    def test_overflow(self) -> None:
        """After an overflow they count as ours, and a strange one is noticed."""
        self.open(NET)
        self.watch.unsure()
        self.assertEqual([], self.lost)
        self.tables.put(SETS[NET], b"\xc6\x33\x64\x00\0\x16\0\0", 60.0)
        self.watch.unsure()
        self.assertEqual(["somebody changed the guard"], self.lost)

    def test_always(self) -> None:
        """A door that opens for networks has their sets from the start."""
        self.doors = (makeDoor(authorizedKeys="/keys", grant4=24, grant6=64),)
        self.assertEqual([], self.takeOver())
        before = self.judging()
        self.assertIn(f"{FIELDS[NET]} . tcp dport @{SETS[NET]} goto let_in", before)
        self.assertIn(f"{FIELDS[SIX]} . tcp dport @{SETS[SIX]} goto let_in", before)
        self.open(NET, SIX)
        self.assertEqual(before, self.judging())
        self.assertOpen(NET, SIX)
        self.doors = (makeDoor(),)
        self.firewall.setDoors(self.doors)
        self.heal(NET)
        self.clock.advance(0)
        self.assertOpen(NET)
        self.assertNotIn(SETS[SIX], self.ours().sets)

    def test_notFound(self) -> None:
        """If the kernel refuses the set, the opening fails, and can be tried again."""

        def refuse(step: str) -> None:
            if step.startswith("run"):
                raise FirewallError("no")

        self.tables.failing = refuse
        self.failureResultOf(self.firewall.open(makeOpening(NET)), FirewallError)
        self.tables.failing = lambda step: None
        self.open(NET)
        self.assertOpen(NET)

    def test_sameRules(self) -> None:
        """A rule that was added alone is the one that the whole guard has."""
        self.doors = (
            makeDoor(ports="22,53/udp,80"),
            makeDoor(NEXT, "80,53/udp", name="web"),
            makeDoor((*NEXT, 6), "443", name="cut", cutSessions=True),
        )
        self.takeOver()
        names = {"default", "web", "cut"}
        doors = {door.name: door for door in self.doors}

        def opening(name: str) -> Opening:
            network = ip_network(NET)
            return Opening(doors[name], network, 60.0)

        for name in names:
            self.successResultOf(self.firewall.open(opening(name)))
        alone = {chain: {*self.ours().texts(chain)} for chain in self.ours().chains}
        self.successResultOf(self.firewall.restore([opening(name) for name in names]))
        whole = {chain: {*self.ours().texts(chain)} for chain in self.ours().chains}
        self.assertEqual(whole, alone)
        self.assertIn(f"{FIELDS[NET]} . tcp dport @tcp_open4_24 accept", self.judging(443))
        times = "180000ms_43200000ms"
        udp = f"{FIELDS[NET]} . udp dport @udp_open4_24_{times} goto udpletin_{times}"
        self.assertIn(udp, self.judging(53, "udp"))
