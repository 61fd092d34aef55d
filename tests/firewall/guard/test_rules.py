"""Tests of L{pkdoors.firewall.guard._rules}."""

import re
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard._grouprules import directChain
from pkdoors.firewall.guard._rules import BASE_CHAINS, rulesFor
from pkdoors.firewall.guard.portgroups import portGroups
from pkdoors.firewall.guard.sets import MAPS, setsFor
from pkdoors.model.doors import Door
from tests.fakes.doors import makeDoor
from tests.lab.properties import PROPERTY

NEXT = (1, 2, 3, 4, 5)
TIMES = "180000ms_43200000ms"
F4 = "ip saddr . ip daddr . tcp sport . tcp dport"
F6 = "ip6 saddr . ip6 daddr . tcp sport . tcp dport"
U4 = "ip saddr . ip daddr . udp sport . udp dport"
U6 = "ip6 saddr . ip6 daddr . udp sport . udp dport"

ANSWERED = "tcp flags & (syn|rst|ack) == ack ct state established,untracked"
GRACE = [f"meta nfproto ipv{v} udp dport @grace{v} accept" for v in (4, 6)]
RESET = (
    r"tcp flags & rst == rst tcp sport @tcp_(?:ports|ranges) ip6? daddr \. .* tcp sport @(\w+) "
    r"update @\1 \{ .* timeout 120s \}$"
)
GRACED = r"meta nfproto ipv([46]) udp sport @grace\1 update @sparedmost\1"

GENERAL = """\
knock_ports meta l4proto != udp accept
knock_ports udp dport != @knocks accept
knock_ports fib daddr type unicast accept
knock_ports iif "lo" goto knock_local
knock_ports notrack
knock_local fib saddr type != local drop
knock_local notrack
forward tcp flags & (syn|ack) == syn ip saddr . meta l4proto . tcp sport @inside4 \
fib saddr . iif oif exists update @spared4 { ip daddr . ip saddr . tcp dport . tcp sport } \
update @spared4 { ip daddr . ip saddr . tcp dport . tcp sport timeout 120s }
forward tcp flags & (syn|ack) == syn ip6 saddr . meta l4proto . tcp sport @inside6 \
fib saddr . iif oif exists update @spared6 { ip6 daddr . ip6 saddr . tcp dport . tcp sport } \
update @spared6 { ip6 daddr . ip6 saddr . tcp dport . tcp sport timeout 120s }
input iif "lo" accept
input meta l4proto tcp goto tcp_in
input meta l4proto udp goto udp_in
input meta l4proto != 255 accept
input frag frag-off 0 counter drop
forward meta l4proto tcp jump tcp_dnat
forward meta l4proto udp jump udp_dnat
forward meta iifkind "bridge" fib daddr . iif oif exists accept
forward ip daddr . meta l4proto . th dport vmap @direct4
forward ip6 daddr . meta l4proto . th dport vmap @direct6
forward meta l4proto != 255 accept
forward frag frag-off 0 counter drop
tcp_in tcp dport vmap @tcp_doors
tcp_in tcp dport vmap @tcp_spans
tcp_in tcp dport @tcp_ports counter drop
tcp_in tcp dport @tcp_ranges counter drop
tcp_in goto tcp_dnat
tcp_dnat {dnat} tcp ct original proto-dst vmap @tcp_doors_dnat
tcp_dnat {dnat} tcp ct original proto-dst vmap @tcp_spans_dnat
tcp_dnat {dnat} tcp ct original proto-dst @tcp_ports counter drop
tcp_dnat {dnat} tcp ct original proto-dst @tcp_ranges counter drop
udp_in udp dport vmap @udp_doors
udp_in udp dport vmap @udp_spans
udp_in udp dport @udp_ports counter drop
udp_in udp dport @udp_ranges counter drop
udp_in goto udp_dnat
udp_dnat {dnat} udp ct original proto-dst vmap @udp_doors_dnat
udp_dnat {dnat} udp ct original proto-dst vmap @udp_spans_dnat
udp_dnat {dnat} udp ct original proto-dst @udp_ports counter drop
udp_dnat {dnat} udp ct original proto-dst @udp_ranges counter drop
""".replace("{dnat}", "ct status dnat ct direction original meta l4proto")


def rules(*doors: Door) -> list[str]:
    """Return the rules of some doors."""
    return list(rulesFor(iter(doors)))


def chain(name: str, found: list[str]) -> list[str]:
    """Return the rules of one chain."""
    return [rule[len(name) + 1 :] for rule in found if rule.startswith(f"{name} ")]


def judging(protocol: str, *doors: Door, kind: str = "") -> list[str]:
    """
    Return the rules that judge packets to the ports of some doors, which are one group.

    @param kind: the ending of the chain's name.
    """
    (group,) = portGroups(doors, protocol)
    return chain(group.name + kind, rules(*doors))


def spared() -> list[str]:
    """Return the rules for UDP flows that existed before the guard, IPv4's first."""
    return [
        f"{f} @sparedmost{v} {f} @sparedudp{v} update @sparedudp{v} {{ {f} }} accept"
        for v, f in ((4, U4), (6, U6))
    ]


class RulesTests(SynchronousTestCase):
    """
    The rules, for each kind of door.
    """

    def test_withoutDoors(self) -> None:
        """
        The ways in are the same for all doors; packets that go on are judged in chains of their
        own.
        """
        found = rules()
        self.assertEqual(GENERAL.splitlines(), found[: len(GENERAL.splitlines())])
        more = {rule.partition(" ")[0] for rule in found[len(GENERAL.splitlines()) :]}
        expected = {"going_on", "spared", "let_in", "session", "answers", "cut_off"}
        self.assertEqual(expected, more)

    def test_goingOn(self) -> None:
        """A packet that begins a connection never goes on, whatever else the rules check."""
        goingOn, spared = (chain(name, rules()) for name in ("going_on", "spared"))
        for found in (goingOn, spared):
            self.assertEqual("tcp flags & (syn|ack) == syn return", found[0])
        for v, f in ((4, F4), (6, F6)):
            self.assertIn(f"{f} @sessions{v} goto session", goingOn)
            self.assertIn(f"{f} @beginning{v} {ANSWERED} goto session", goingOn)
            self.assertIn(f"{f} @spared{v} update @spared{v} {{ {f} }} accept", spared)
        self.assertEqual("goto spared", goingOn[-1])

    def test_letIn(self) -> None:
        """
        Only an answered flow is remembered as a session: nobody can fill that set in another's
        name. If the set is full, the flow comes in all the same.
        """
        found = chain("let_in", rules())
        for v, f in ((4, F4), (6, F6)):
            begins = f"tcp flags & (syn|ack) == syn update @beginning{v} {{ {f} }} accept"
            self.assertIn(begins, found)
            self.assertIn(f"{f} @sessions{v} goto session", found)
        self.assertEqual([f"{ANSWERED} jump session", "accept"], found[-2:])
        self.assertNotIn("update @sessions", "\n".join(found))

    def test_session(self) -> None:
        """
        A flow gets the timeout of its set before that is shortened; otherwise the saved rules would
        not load.
        """
        found = chain("session", rules())
        for v, f in ((4, F4), (6, F6)):
            self.assertIn(
                f"ct expiration <= 120s update @sessions{v} {{ {f} }} "
                f"update @sessions{v} {{ {f} timeout 120s }} accept",
                found,
            )

    def test_answers(self) -> None:
        """
        Only this host's own SYN from a protected port makes a flow, and its answers during the
        grace. Its own reset shortens an existing flow.
        """
        found = chain("answers", rules())
        self.assertEqual(14, len(found))
        for rule in found:
            self.assertTrue(rule.startswith('oif != "lo" '), rule)
            self.assertNotIn("accept", rule)
            begins = "tcp flags & (syn|ack) == syn tcp sport @tcp_" in rule and "@spared" in rule
            self.assertTrue(begins or re.search(GRACED, rule) or re.search(RESET, rule), rule)

    def test_keep(self) -> None:
        """
        A TCP door lets in the clients that it is open for, and remembers them; anything else must
        be going on already.
        """
        self.assertEqual(
            [
                "ip saddr . tcp dport @tcp_open4 goto let_in",
                "ip6 saddr . tcp dport @tcp_open6 goto let_in",
                "jump going_on",
                "counter drop",
            ],
            judging("tcp", makeDoor()),
        )

    def test_forwarded(self) -> None:
        """After DNAT, the port that the client asked for is looked up."""
        port = "ct original proto-dst"
        for protocol, verdict in (("tcp", "goto let_in"), ("udp", "accept")):
            door = makeDoor(ports=f"22/{protocol}", udpMax=0.0)
            self.assertEqual(
                [
                    f"meta l4proto {protocol} {ip} saddr . {port} @{protocol}_open{v} {verdict}"
                    for ip, v in (("ip", 4), ("ip6", 6))
                ],
                judging(protocol, door, kind="_dnat")[:2],
            )

    def test_blocks(self) -> None:
        """In a range, the first bits of a port are looked up."""
        (rule, *_) = judging("tcp", makeDoor(ports="16-31"))
        self.assertEqual("ip saddr . tcp dport & 0xfff0 @tcp_open4_by16 goto let_in", rule)

    def test_direct(self) -> None:
        """
        On a direct way to a container, the packet does not show the protected port: it is a
        constant.
        """
        door = makeDoor(ports="80-95")
        (group,) = portGroups([door], "tcp")
        found = directChain(group, 93)
        self.assertEqual(f"{group.name}_way80", found.name)
        self.assertEqual(found.name, directChain(group, 80).name)
        direct = chain(found.name, list(rulesFor([door], direct=[found])))
        self.assertEqual("ip saddr . tcp dport & 0 ^ 80 @tcp_open4_by16 goto let_in", direct[0])
        self.assertEqual(judging("tcp", door)[2:], direct[2:])

    def test_cut(self) -> None:
        """
        A door that cuts sessions remembers no flow, ignores those of other doors, and resets both
        ends.
        """
        found = rules(makeDoor(cutSessions=True))
        self.assertEqual(
            [
                "ip saddr . tcp dport @tcp_open4 accept",
                "ip6 saddr . tcp dport @tcp_open6 accept",
                "jump spared",
                "goto cut_off",
            ],
            judging("tcp", makeDoor(cutSessions=True)),
        )
        self.assertEqual(
            [
                "tcp flags & (syn|ack) == syn counter drop",
                "ct state established tcp flags & rst == rst accept",
                "meta nfproto != @complete counter drop",
                "ct state established meta l4proto tcp counter reject with tcp reset",
                "counter drop",
            ],
            chain("cut_off", found),
        )

    def test_udp(self) -> None:
        """
        A UDP door remembers answered flows, for an idle time and for the longest time; the latter
        is not refreshed. Unanswered flows count apart, and towards the longest time.
        """
        door = makeDoor(ports="53/udp")
        own = [
            f"{f} @udpmost{v}_{TIMES} {f} @udpidle{v}_{TIMES} "
            f"update @udpidle{v}_{TIMES} {{ {f} }} accept"
            for v, f in ((4, U4), (6, U6))
        ]
        answered = [
            f"{f} @udpnew{v}_{TIMES} ct state established,untracked "
            f"update @udpmost{v}_{TIMES} {{ {f} }} "
            f"update @udpmost{v}_{TIMES} {{ {f} timeout 43020s }} "
            f"update @udpidle{v}_{TIMES} {{ {f} }} accept"
            for v, f in ((4, U4), (6, U6))
        ]
        self.assertEqual(
            [
                f"ip saddr . udp dport @udp_open4_{TIMES} goto udpletin_{TIMES}",
                f"ip6 saddr . udp dport @udp_open6_{TIMES} goto udpletin_{TIMES}",
                "ct direction reply accept",
                spared()[0],
                own[0],
                spared()[1],
                own[1],
                *answered,
                *GRACE,
                "counter drop",
            ],
            judging("udp", door),
        )
        letIn = chain(f"udpletin_{TIMES}", rules(door))
        for v, f in ((4, U4), (6, U6)):
            most, idle = (f"update @udp{kind}{v}_{TIMES} {{ {f} }}" for kind in ("most", "idle"))
            self.assertIn(f"ct state established,untracked {most} {idle} accept", letIn)
            self.assertIn(f"update @udpnew{v}_{TIMES} {{ {f} }} accept", letIn)
        self.assertEqual("accept", letIn[-1])

    def test_udpWithoutSessions(self) -> None:
        """If UDP sessions end with the opening, no flow is remembered."""
        for door in (
            makeDoor(ports="53/udp", udpMax=0.0),
            makeDoor(ports="53/udp", cutSessions=True),
        ):
            self.assertEqual(
                [
                    "ip saddr . udp dport @udp_open4 accept",
                    "ip6 saddr . udp dport @udp_open6 accept",
                    "ct direction reply accept",
                    *spared(),
                    *GRACE,
                    "counter drop",
                ],
                judging("udp", door),
            )
            self.assertNotIn("udpletin", "\n".join(rules(door)))

    def test_shared(self) -> None:
        """
        Ports of several doors are looked up once, whoever opened; UDP sessions once for the times
        of each door.
        """
        doors = (
            makeDoor(ports="22,53/udp", name="a"),
            makeDoor(NEXT, "22,53/udp", name="b"),
        )
        for protocol in ("tcp", "udp"):
            self.assertEqual(judging(protocol, doors[0]), judging(protocol, *doors))
        slow = replace(doors[1], udpIdle=7.0)
        self.assertEqual(judging("tcp", doors[0]), judging("tcp", doors[0], slow))
        udp = judging("udp", doors[0], slow)
        for times in (TIMES, "7000ms_43200000ms"):
            self.assertEqual(2, sum(f"_open{v}_{times} " in rule for rule in udp for v in (4, 6)))
            self.assertEqual(4, sum(f"@udpmost{v}_{times}" in rule for rule in udp for v in (4, 6)))

    def test_limit(self) -> None:
        """A knock port leads to the limit of its door."""
        found = rules(makeDoor(knockRate=7, knockBurst=9))
        self.assertEqual(
            ["udp dport vmap @KnockLimits", "notrack"], chain("knock_ports", found)[-2:]
        )
        self.assertEqual(2, len(chain("knock_limit_7_9", found)))

    def test_noLimit(self) -> None:
        """A door without a limit counts nothing, but its knocks are not tracked either."""
        found = rules(makeDoor(knockRate=0))
        self.assertNotIn("knock_limit", "\n".join(found))
        self.assertIn("knock_ports notrack", found)

    def test_tellsNoOrder(self) -> None:
        """The rules contain no knock port."""
        ports = (17001, 17203, 17005, 17404, 17002)
        self.assertEqual(rules(makeDoor(ports)), rules(makeDoor(tuple(reversed(ports)))))
        self.assertFalse([port for port in ports if str(port) in "\n".join(rules(makeDoor()))])


def doorLists() -> st.SearchStrategy[list[Door]]:
    """Return doors of all kinds, which may share ports."""
    kinds: dict[str, Any] = {
        "knockRate": st.sampled_from((0, 5)),
        "udpMax": st.sampled_from((0.0, 600.0)),
        "ports": st.sampled_from(("22", "22-30,53/udp", "53-60/udp", "25,1/udp", "80")),
    }
    fields = st.lists(st.fixed_dictionaries(kinds), min_size=1, max_size=4)
    return st.builds(
        lambda doors, cuts: [
            makeDoor(name=name, cutSessions=cuts, **door)
            for name, door in zip(("a", "a_tcp", "b-1", "tcp"), doors, strict=False)
        ],
        fields,
        st.booleans(),
    )


class ShapeTests(SynchronousTestCase):
    """
    Properties that hold for all doors.
    """

    def test_closed(self) -> None:
        """
        No negated set decides what is let in; one only drops sooner. Every chain of a door ends
        with a drop, and lets a packet in only by an opening, a remembered flow, UDP's answers or
        the grace.
        """

        @PROPERTY
        @given(doorLists())
        def check(doors: list[Door]) -> None:
            found = rules(*doors)
            negated = [rule for rule in found if "!= @" in rule and not rule.endswith(" drop")]
            self.assertEqual(["knock_ports udp dport != @knocks accept"], negated)
            lets = re.compile(
                r"(meta l4proto (tcp|udp) )?ip6? saddr \. ((tcp|udp) dport|ct original proto-dst)"
                r"( & 0x[0-9a-f]+)? @(tcp|udp)_open[46]\w* (accept|goto (udpletin_\w+|let_in))|"
                r"ct direction reply accept|jump (going_on|spared)|"
                r"meta nfproto ipv[46] udp dport @grace[46] accept|"
                r"ip6? saddr \. .* @[\w-]+ .* @[\w-]+ update @[\w-]+ \{ .* \} accept|"
                r"ip6? saddr \. .* @udpnew[46]_\w+ ct state established,untracked "
                r"update .* accept"
            )
            judges = {rule.partition(" ")[0] for rule in found if "_open4" in rule}
            self.assertTrue(judges)
            for name in judges:
                *inner, last = chain(name, found)
                self.assertIn(last, ("counter drop", "goto cut_off"))
                self.assertEqual([], [rule for rule in inner if not lets.fullmatch(rule)])

        check()

    def test_noSetsWithoutNames(self) -> None:
        """
        No rule uses an anonymous set: that goes with its rule, so for a packet that still passes
        the old rule while the new ones take effect it is empty, and the packet passes.
        """

        @PROPERTY
        @given(doorLists())
        def check(doors: list[Door]) -> None:
            braces = [rule for rule in rules(*doors) if re.search(r"(?<!update @)\{", rule)]
            strange = [re.sub(r"update @[\w-]+ \{[^}]*\}", "", rule) for rule in braces]
            self.assertEqual([], [rule for rule in strange if "{" in rule])

        check()

    def test_names(self) -> None:
        """
        All names that are used exist, and no two things have one name, whatever the doors' names.
        """

        @PROPERTY
        @given(doorLists())
        def check(doors: list[Door]) -> None:
            found = rules(*doors)
            sets = {*setsFor(doors), *MAPS}
            chains = {rule.partition(" ")[0] for rule in found} | set(BASE_CHAINS)
            text = "\n".join(found)
            self.assertEqual(set(), set(re.findall(r"@([\w-]+)", text)) - sets)
            self.assertEqual(set(), set(re.findall(r"(?:goto|jump) ([\w-]+)", text)) - chains)

        check()

    def test_manyDoors(self) -> None:
        """A thousand doors have the rules of one, whether they share ports or not."""
        for shared in (False, True):

            def make(count: int, shared: bool = shared) -> list[Door]:
                ports = [20 if shared else n for n in range(1, count + 1)]
                return [
                    makeDoor(ports=f"{n},{n}/udp", name=f"d{number}", knockRate=0)
                    for number, n in enumerate(ports)
                ]

            self.assertEqual(rules(*make(1)), rules(*make(1000)))
