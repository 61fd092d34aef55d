"""Tests of L{pkdoors.doctor._tracking}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor._tracking import judgeCookies, judgeUntracked
from pkdoors.doctor.findings import INFO, WARNING, Finding
from pkdoors.doctor.packetfilter.ruleset import readRuleset
from pkdoors.model.ports import PortRange, parsePortRange, parsePortRanges
from tests.fakes.rulesets import ACCEPT, condition, joinListings, makeListing

NOTRACK: dict[str, Any] = {"notrack": None}
OF_IPTABLES: dict[str, Any] = {"xt": {"type": "target", "name": "CT"}}
SSH = condition("tcp dport", 22)


class CookiesTests(SynchronousTestCase):
    """
    Tests of L{judgeCookies}.
    """

    def test_value(self) -> None:
        """Only the value 2 is a warning, and only if there is a TCP port."""
        tcp, udp = parsePortRanges("22"), parsePortRanges("53/udp")
        for value, ports, count in ((0, tcp, 0), (1, tcp, 0), (2, tcp, 1), (2, udp, 0)):
            self.assertEqual(count, len(list(judgeCookies(value, ports))), (value, ports))

    def test_warning(self) -> None:
        """The warning says why, and what to do."""
        (found,) = judgeCookies(2, parsePortRanges("22"))
        self.assertEqual(WARNING, found.level)
        self.assertIn("begin a connection for a minute or two after its door", found.text)
        self.assertIn("`sysctl -w net.ipv4.tcp_syncookies=1`", found.remedy)


class UntrackedTests(SynchronousTestCase):
    """
    Tests of L{judgeUntracked}.
    """

    def look(
        self,
        *rules: list[Any],
        ports: str = "22",
        cut: tuple[PortRange, ...] = (),
        isForwarded: bool = False,
        priority: int = -300,
        **table: Any,
    ) -> list[Finding]:
        """Return what is found about one table."""
        listing = makeListing(*rules, **{"chain": "inet other pre", "hook": "prerouting", **table})
        for item in listing["nftables"]:
            if item.get("chain", {}).get("hook"):
                item["chain"]["prio"] = priority
        ruleset = readRuleset(joinListings(listing))
        return list(judgeUntracked(ruleset, parsePortRange(ports), (4, 6), cut, isForwarded))

    def test_tcp(self) -> None:
        """Sessions of TCP live on, so there is no warning."""
        (found,) = self.look([SSH, NOTRACK])
        self.assertEqual((INFO, "22/tcp"), (found.level, found.subject))
        self.assertIn("a notrack rule (inet other pre) takes it", found.text)
        self.assertIn("sessions live on", found.text)
        self.assertIn("`nft list chain inet other pre`", found.remedy)

    def test_udp(self) -> None:
        """With UDP, answers are dropped."""
        (found,) = self.look([condition("udp dport", 53), NOTRACK], ports="53/udp")
        self.assertEqual(WARNING, found.level)
        self.assertIn("drops answers to requests from this port", found.text)

    def test_cut(self) -> None:
        """Sessions that are cut get no reset, if the port is one of those."""
        for cut, level in ((("20-30",), WARNING), (("23", "22/udp"), INFO)):
            (found,) = self.look([SSH, NOTRACK], cut=tuple(map(parsePortRange, cut)))
            self.assertEqual(level, found.level)
            self.assertEqual(level == WARNING, "get no reset" in found.text)

    def test_cutUdp(self) -> None:
        """UDP has no resets."""
        cut = parsePortRanges("53/udp")
        (found,) = self.look([condition("udp dport", 53), NOTRACK], ports="53/udp", cut=cut)
        self.assertNotIn("get no reset", found.text)

    def test_range(self) -> None:
        """The first and the last port stand for all of a range."""
        for port in (20, 22):
            rule = [condition("tcp dport", port), NOTRACK]
            self.assertEqual(1, len(self.look(rule, ports="20-22")))

    def test_forwarded(self) -> None:
        """Without tracking, a port is not forwarded."""
        (found,) = self.look([SSH, NOTRACK], isForwarded=True)
        self.assertEqual(WARNING, found.level)
        self.assertIn("the port is not forwarded", found.text)

    def test_answers(self) -> None:
        """One direction is enough."""
        (found,) = self.look([condition("tcp sport", 22), NOTRACK], hook="output")
        self.assertEqual(INFO, found.level)
        self.assertEqual([], self.look([condition("tcp sport", 22), NOTRACK]))

    def test_others(self) -> None:
        """Other ports, packets that are let in before, and later chains do not matter."""
        for rules in (
            [[condition("tcp dport", 80), NOTRACK]],
            [[condition("udp dport", 22), NOTRACK]],
            [[SSH, ACCEPT], [NOTRACK]],
            [[condition("meta iif", "lo"), NOTRACK]],
        ):
            self.assertEqual([], self.look(*rules), rules)
        self.assertEqual([], self.look([NOTRACK], priority=-150))
        self.assertEqual([], self.look([NOTRACK], hook="input"))

    def test_called(self) -> None:
        """A chain that only others call counts as far as packets get there."""
        jump = {"jump": {"target": "free"}}
        for port, count in ((22, 1), (80, 0)):
            rules = [condition("tcp dport", port), jump]
            self.assertEqual(count, len(self.look(rules, chains={"free": [[NOTRACK]]})), port)

    def test_iptables(self) -> None:
        """
        iptables' target has other uses, so it may take the port; the command is iptables' own.
        """
        (found,) = self.look([SSH, OF_IPTABLES], chain="ip raw PREROUTING")
        self.assertIn("may take it", found.text)
        self.assertIn("`iptables -t raw -S PREROUTING`", found.remedy)
        (found,) = self.look([SSH, OF_IPTABLES], chain="ip6 raw PREROUTING")
        self.assertIn("`ip6tables -t raw -S PREROUTING`", found.remedy)
