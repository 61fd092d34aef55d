"""Tests of L{pkdoors.firewall.guard._rules}."""

import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard._rules import BASE_CHAINS, rulesFor
from pkdoors.firewall.guard.limits import limitSets
from pkdoors.firewall.guard.sets import MAPS, setsFor, setsOf
from pkdoors.model.doors import Door
from tests.fakes.doors import makeDoor
from tests.lab.properties import PROPERTY

NEXT = (1, 2, 3, 4, 5)
F4 = "ip saddr . ip daddr . tcp sport . tcp dport"
F6 = "ip6 saddr . ip6 daddr . tcp sport . tcp dport"
U4 = "ip saddr . ip daddr . udp sport . udp dport"
U6 = "ip6 saddr . ip6 daddr . udp sport . udp dport"

ANSWERED = "tcp flags & (syn|rst|ack) == ack ct state established,untracked"
GRACE = [f"meta nfproto ipv{v} udp dport @grace{v} accept" for v in (4, 6)]
RESET = (
    r"tcp flags & rst == rst tcp sport @tcp_ports ip6? daddr \. .* tcp sport @(\w+) "
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
tcp_in tcp dport @tcp_ports counter drop
tcp_in goto tcp_dnat
tcp_dnat ct status dnat ct direction original meta l4proto tcp ct original proto-dst vmap @tcp_doors
tcp_dnat ct status dnat ct direction original meta l4proto tcp ct original proto-dst @tcp_ports \
counter drop
udp_in udp dport vmap @udp_doors
udp_in udp dport @udp_ports counter drop
udp_in goto udp_dnat
udp_dnat ct status dnat ct direction original meta l4proto udp ct original proto-dst vmap @udp_doors
udp_dnat ct status dnat ct direction original meta l4proto udp ct original proto-dst @udp_ports \
counter drop
"""


def rules(*doors: Door) -> list[str]:
    """Return the rules of some doors."""
    return list(rulesFor(iter(doors)))


def chain(name: str, found: list[str]) -> list[str]:
    """Return the rules of one chain."""
    return [rule[len(name) + 1 :] for rule in found if rule.startswith(f"{name} ")]


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
        self.assertEqual(8, len(found))
        for rule in found:
            self.assertTrue(rule.startswith('oif != "lo" '), rule)
            self.assertNotIn("accept", rule)
            begins = "tcp flags & (syn|ack) == syn tcp sport @tcp_ports update @spared" in rule
            self.assertTrue(begins or re.search(GRACED, rule) or re.search(RESET, rule), rule)

    def test_keep(self) -> None:
        """
        A TCP door lets in the clients that it is open for, and remembers them; anything else must
        be going on already.
        """
        self.assertEqual(
            [
                "ip saddr @default_open4 goto let_in",
                "ip6 saddr @default_open6 goto let_in",
                "jump going_on",
                "counter drop",
            ],
            chain("default_tcp", rules(makeDoor())),
        )

    def test_cut(self) -> None:
        """
        A door that cuts sessions remembers no flow, ignores those of other doors, and resets both
        ends.
        """
        found = rules(makeDoor(cutSessions=True))
        self.assertEqual(
            [
                "ip saddr @default_open4 accept",
                "ip6 saddr @default_open6 accept",
                "jump spared",
                "goto cut_off",
            ],
            chain("default_tcp", found),
        )
        self.assertEqual(
            [
                "tcp flags & (syn|ack) == syn counter drop",
                "ct state established tcp flags & rst == rst accept",
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
        found = rules(makeDoor(ports="53/udp"))
        own = [
            f"{f} @default_udpmost{v} {f} @default_udp{v} update @default_udp{v} {{ {f} }} accept"
            for v, f in ((4, U4), (6, U6))
        ]
        answered = [
            f"{f} @default_udpnew{v} ct state established,untracked "
            f"update @default_udpmost{v} {{ {f} }} "
            f"update @default_udpmost{v} {{ {f} timeout 43020s }} "
            f"update @default_udp{v} {{ {f} }} accept"
            for v, f in ((4, U4), (6, U6))
        ]
        self.assertEqual(
            [
                "ip saddr @default_open4 goto default_letin",
                "ip6 saddr @default_open6 goto default_letin",
                "ct direction reply accept",
                spared()[0],
                own[0],
                spared()[1],
                own[1],
                *answered,
                *GRACE,
                "counter drop",
            ],
            chain("default_udp", found),
        )
        letIn = chain("default_letin", found)
        for v, f in ((4, U4), (6, U6)):
            both = f"update @default_udpmost{v} {{ {f} }} update @default_udp{v} {{ {f} }} accept"
            self.assertIn(f"ct state established,untracked {both}", letIn)
            self.assertIn(f"update @default_udpnew{v} {{ {f} }} accept", letIn)
        self.assertEqual("accept", letIn[-1])

    def test_udpWithoutSessions(self) -> None:
        """If UDP sessions end with the opening, no flow is remembered."""
        for door in (
            makeDoor(ports="53/udp", udpMax=0.0),
            makeDoor(ports="53/udp", cutSessions=True),
        ):
            found = rules(door)
            self.assertEqual(
                [
                    "ip saddr @default_open4 accept",
                    "ip6 saddr @default_open6 accept",
                    "ct direction reply accept",
                    *spared(),
                    *GRACE,
                    "counter drop",
                ],
                chain("default_udp", found),
            )
            self.assertNotIn("default_letin", "\n".join(found))

    def test_bothProtocols(self) -> None:
        """A door of both protocols has a chain for each, and the same openings."""
        found = rules(makeDoor(ports="22,53/udp"))
        for name in ("default_tcp", "default_udp"):
            self.assertIn("ip saddr @default_open4 ", "\n".join(chain(name, found)))

    def test_shared(self) -> None:
        """
        Ports of several doors are open if one of them is; each door keeps its own UDP sessions.
        """
        doors = (
            makeDoor(ports="22,53/udp", name="a"),
            makeDoor(NEXT, "22-23,53-54/udp", name="b"),
        )
        found = rules(*doors)
        opens = [
            (f"{ip} saddr @{door}_open{v} goto", door)
            for door in ("a", "b")
            for v, ip in ((4, "ip"), (6, "ip6"))
        ]
        letIn = [f"{match} let_in" for match, _ in opens]
        self.assertEqual([*letIn, "jump going_on", "counter drop"], chain("Doors1_tcp", found))
        udp = chain("Doors1_udp", found)
        self.assertEqual([f"{match} {door}_letin" for match, door in opens], udp[:4])
        for door in "ab":
            self.assertEqual(2, sum(f"@{door}_udpnew" in rule for rule in udp))
            self.assertEqual(4, sum(f"@{door}_udpmost" in rule for rule in udp))
        self.assertEqual([], chain("a_tcp", found))
        self.assertEqual(letIn[2:], chain("b_tcp", found)[:2])

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
        No negated set decides what is let in. Every chain of a door ends with a drop, and lets a
        packet in only by an opening, a remembered flow, UDP's answers or the grace.
        """

        @PROPERTY
        @given(doorLists())
        def check(doors: list[Door]) -> None:
            found = rules(*doors)
            negated = [rule for rule in found if "!= @" in rule]
            self.assertEqual(["knock_ports udp dport != @knocks accept"], negated)
            lets = re.compile(
                r"ip6? saddr @[\w-]+_open[46] (accept|goto ([\w-]+_letin|let_in))|"
                r"ct direction reply accept|jump (going_on|spared)|"
                r"meta nfproto ipv[46] udp dport @grace[46] accept|"
                r"ip6? saddr \. .* @[\w-]+ .* @[\w-]+ update @[\w-]+ \{ .* \} accept|"
                r"ip6? saddr \. .* @[\w-]+_udpnew[46] ct state established,untracked "
                r"update .* accept"
            )
            judges = {rule.partition(" ")[0] for rule in found if re.match(r"\S+ ip saddr @", rule)}
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
            common = len(setsFor([])) + len(limitSets(doors))
            own = sum(len(setsOf(door)) for door in doors)
            self.assertEqual(common + own, len(setsFor(doors)))
            chains = {rule.partition(" ")[0] for rule in found} | set(BASE_CHAINS)
            text = "\n".join(found)
            self.assertEqual(set(), set(re.findall(r"@([\w-]+)", text)) - sets)
            self.assertEqual(set(), set(re.findall(r"(?:goto|jump) ([\w-]+)", text)) - chains)

        check()

    def test_manyDoors(self) -> None:
        """The number of chains that a packet passes does not grow with the number of doors."""

        def general(number: int) -> list[str]:
            doors = [
                makeDoor(ports=f"{n + 1},{n + 1}/udp", name=f"d{n}", knockRate=0)
                for n in range(number)
            ]
            names = ("input", "forward", "tcp_in", "udp_in", "tcp_dnat", "udp_dnat", "going_on")
            return [rule for rule in rules(*doors) if rule.partition(" ")[0] in names]

        self.assertEqual(general(1), general(50))
