"""Tests of L{pkdoors.firewall.guard.limits}."""

import re

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.guard.limits import (
    DROPPED,
    LIMIT_MAPS,
    KnockLimit,
    limitChains,
    limitRules,
    limitSets,
    limitsOf,
    localRules,
)
from pkdoors.model.doors import Door
from pkdoors.model.knockports import KnockPort, TcpPort
from tests.fakes.doors import makeDoor
from tests.lab.properties import PROPERTY

PREFIX = "ffff:ffff:ffff:ffff::"


def rules(*doors: Door) -> list[str]:
    """Return the rules of some doors."""
    return list(limitRules(doors, "knock_ports", "drop"))


class LimitTests(SynchronousTestCase):
    """
    Tests of the rules that limit knocks.
    """

    def test_one(self) -> None:
        """Sources are counted by address; over IPv6, by network."""
        found = rules(makeDoor(knockRate=7, knockBurst=9))
        expected = [
            f"knock_limit_7_9 update @KnockRate{v}_7_9 {{ {source} limit rate over 7/second "
            f"burst 9 packets }} counter name {DROPPED} drop"
            for v, source in ((4, "ip saddr"), (6, f"ip6 saddr & {PREFIX}"))
        ]
        self.assertEqual(["knock_ports udp dport vmap @KnockLimits", *expected], found)

    def test_many(self) -> None:
        """A thousand doors have as many rules and sets as one, if they have the same limit."""
        doors = [makeDoor(tuple(range(n, n + 5)), name=f"d{n}") for n in range(1, 1001)]
        self.assertEqual(rules(doors[0]), rules(*doors))
        self.assertEqual(limitSets(doors[:1]), limitSets(doors))
        self.assertEqual(1004, len(limitChains(doors)["KnockLimits"]))

    def test_none(self) -> None:
        """Doors without a limit have neither rules nor sets."""
        doors = (makeDoor(knockRate=0),)
        self.assertEqual([], rules(*doors))
        self.assertEqual(({}, ()), (limitSets(doors), limitsOf(doors)))
        self.assertEqual({"KnockLimits": {}, "TcpKnockLimits": {}}, limitChains(doors))

    def test_local(self) -> None:
        """Knocks from this host itself have one limit together, and an address of its own."""
        known = "knock_local fib saddr type != local drop"
        most = "limit rate over 1000/second burst 1000 packets"
        limited = f"knock_local {most} counter name {DROPPED} drop"
        doors = (makeDoor(knockRate=0), makeDoor(knockRate=7))
        self.assertEqual([known, limited], list(localRules(doors, "drop")))
        self.assertEqual([known], list(localRules(doors[:1], "drop")))

    def test_shared(self) -> None:
        """At a port of doors with different limits, all of these apply."""
        slow = makeDoor((1, 2, 3, 4, 5), name="slow", knockRate=100, knockBurst=200)
        fast = makeDoor((5, 6, 7, 8, 9), name="fast")
        chains = limitChains([slow, fast])["KnockLimits"]
        self.assertEqual("knock_limit_100_200", chains[1])
        self.assertEqual("knock_limit_10000_10000", chains[6])
        self.assertEqual("knock_limit_100_200_10000_10000", chains[5])
        both = [rule for rule in rules(slow, fast) if rule.startswith(f"{chains[5]} ")]
        self.assertEqual(
            ["KnockRate4_100_200", "KnockRate6_100_200"],
            [name for name in re.findall(r"@(\S+)", "".join(both)) if "100_200" in name],
        )
        self.assertEqual(4, len(both))

    def test_protocols(self) -> None:
        """Knocks over TCP and UDP count together, but ports have a map for each."""
        ports: tuple[KnockPort, ...] = (1, TcpPort(7), 3, TcpPort(2), 5)
        door = makeDoor(ports)
        chains = limitChains([door])
        self.assertEqual([1, 3, 5], list(chains["KnockLimits"]))
        self.assertEqual([2, 7], list(chains["TcpKnockLimits"]))
        ways = [f"knock_ports {p} dport vmap @{LIMIT_MAPS[p]}" for p in ("udp", "tcp")]
        self.assertEqual(ways, [rule for rule in rules(door) if "vmap" in rule])
        self.assertEqual(2, sum("update" in rule for rule in rules(door)))

    def test_whole(self) -> None:
        """Each port leads to a chain that exists and applies exactly the limits of its doors."""
        doors = st.lists(
            st.tuples(
                st.sampled_from((0, 100, 200)), st.permutations(range(1, 8)).map(lambda p: p[:5])
            ),
            max_size=5,
        )

        @PROPERTY
        @given(doors)
        def check(wanted: list[tuple[int, list[int]]]) -> None:
            doors = [
                makeDoor(tuple(ports), name=f"d{n}", knockRate=rate, knockBurst=rate + 5)
                for n, (rate, ports) in enumerate(wanted)
            ]
            found = rules(*doors)
            for port, name in limitChains(doors)["KnockLimits"].items():
                limits = {rate for rate, ports in wanted if port in ports and rate}
                ours = [rule for rule in found if rule.startswith(f"{name} ")]
                for version in (4, 6):
                    sets = {KnockLimit(rate, rate + 5).setName(version) for rate in limits}
                    there = {rule.split()[2][1:] for rule in ours if f"KnockRate{version}" in rule}
                    self.assertEqual(sets, there)
            counted = {port for rate, ports in wanted if rate for port in ports}
            self.assertEqual(counted, set(limitChains(doors)["KnockLimits"]))

        check()
