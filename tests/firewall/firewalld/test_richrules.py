"""Tests of L{pkdoors.firewall.firewalld.richrules}."""

from ipaddress import ip_address, ip_network

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.firewalld.richrules import (
    KNOCK_PRIORITY,
    MAX_DOORS,
    isKnockRule,
    isOpeningRule,
    isOurs,
    isTrustedRule,
    knockRule,
    openingPriorities,
    openingRules,
    parseOpenToAll,
    trustedRules,
)
from pkdoors.model.ports import PortRange


class RuleTests(SynchronousTestCase):
    """
    The text of our rules.
    """

    def test_priorities(self) -> None:
        """All priorities differ, and are positive, so others' bans come first."""
        doors = [priority for number in range(MAX_DOORS) for priority in openingPriorities(number)]
        self.assertEqual([31338, 31339, 31340, 31341], doors[:4])
        priorities = {KNOCK_PRIORITY, *doors}
        self.assertEqual(1 + 2 * MAX_DOORS, len(priorities))
        self.assertTrue(all(0 < priority <= 32767 for priority in priorities))

    def test_knockRule(self) -> None:
        """Everybody's knocks on a port are let in."""
        self.assertEqual(
            'rule priority="31337" port port="17001" protocol="udp" accept', knockRule(17001)
        )

    def test_isKnockRule(self) -> None:
        """Our rules for knocks are recognized; others are not, nor our rules for openings."""
        self.assertTrue(isKnockRule(knockRule(17001)))
        opening = openingRules(ip_address("203.0.113.9"), [PortRange("tcp", 22, 22)], 31338)
        for rule in (
            *opening,
            'rule port port="17001" protocol="udp" accept',
            'rule priority="3133" port port="17001" protocol="udp" accept',
            'rule priority="31337" family="ipv4" source address="10.0.0.1" accept',
        ):
            self.assertFalse(isKnockRule(rule), rule)

    def test_isOurs(self) -> None:
        """Our rules are recognized, and distinguished; those of others are not ours."""
        knock, port = knockRule(17001), [PortRange("tcp", 22, 22)]
        self.assertEqual((True, False), (isOurs(knock), isOpeningRule(knock)))
        for priority in (*openingPriorities(MAX_DOORS - 1), *openingPriorities(0)):
            for source in ("203.0.113.9", "2001:db8::7"):
                (opening,) = openingRules(ip_address(source), port, priority)
                self.assertEqual((True, True), (isOurs(opening), isOpeningRule(opening)))
        for rule in (
            opening.replace("31339", "32339"),
            opening.replace("31339", "313390"),
            opening.replace("31339", "-31339"),
            'rule service name="ssh" accept',
        ):
            self.assertEqual((False, False), (isOurs(rule), isOpeningRule(rule)), rule)

    def test_trustedRules(self) -> None:
        """Trusted networks, and everybody in the zone of a trusted interface, are let through by
        rules that are ours, and stay while openings come and go."""
        ports = [PortRange("tcp", 22, 22), PortRange("udp", 6000, 6010)]
        rules = [
            rule
            for text in ("192.168.1.0/24", "2001:db8::7")
            for rule in trustedRules(ip_network(text), ports)
        ]
        rules += trustedRules(None, ports)
        self.assertEqual(
            [
                'rule priority="32338" family="ipv4" source address="192.168.1.0/24" '
                'port port="22" protocol="tcp" accept',
                'rule priority="32338" family="ipv4" source address="192.168.1.0/24" '
                'port port="6000-6010" protocol="udp" accept',
                'rule priority="32338" family="ipv6" source address="2001:db8::7" '
                'port port="22" protocol="tcp" accept',
                'rule priority="32338" family="ipv6" source address="2001:db8::7" '
                'port port="6000-6010" protocol="udp" accept',
                'rule priority="32338" port port="22" protocol="tcp" accept',
                'rule priority="32338" port port="6000-6010" protocol="udp" accept',
            ],
            rules,
        )
        for rule in rules:
            found = (isOurs(rule), isTrustedRule(rule), isOpeningRule(rule), isKnockRule(rule))
            self.assertEqual((True, True, False, False), found)
            self.assertIsNone(parseOpenToAll(rule))

    def test_openingRules(self) -> None:
        """An opening is one rule for each range, for the source alone."""
        ports = [PortRange("tcp", 22, 22), PortRange("udp", 6000, 6010)]
        self.assertEqual(
            (
                'rule priority="31338" family="ipv4" source address="203.0.113.9" '
                'port port="22" protocol="tcp" accept',
                'rule priority="31338" family="ipv4" source address="203.0.113.9" '
                'port port="6000-6010" protocol="udp" accept',
            ),
            openingRules(ip_address("203.0.113.9"), ports, 31338),
        )

    def test_openingRulesIPv6(self) -> None:
        """So it is over IPv6."""
        self.assertEqual(
            (
                'rule priority="31339" family="ipv6" source address="2001:db8::7" '
                'port port="22" protocol="tcp" accept',
            ),
            openingRules(ip_address("2001:db8::7"), [PortRange("tcp", 22, 22)], 31339),
        )


class OpenToAllTests(SynchronousTestCase):
    """
    Tests of L{parseOpenToAll}.
    """

    def test_port(self) -> None:
        """A rule that accepts a port from everybody is found, however it is decorated."""
        for rule in (
            'rule port port="22" protocol="tcp" accept',
            'rule family="ipv4" port port="22" protocol="tcp" accept',
            'rule priority="-5" port port="22" protocol="tcp" accept',
            'rule priority="5" family="ipv6" port port="22" protocol="tcp" accept',
            'rule port port="22" protocol="tcp" log prefix="x" level="info" accept',
            'rule family="ipv4" source address="0.0.0.0/0" port port="22" protocol="tcp" accept',
            'rule family="ipv6" source address="::/0" port port="22" protocol="tcp" accept',
            'rule port port="22" protocol="tcp" accept limit value="1/m"',
        ):
            self.assertEqual(("22", "tcp", ""), parseOpenToAll(rule), rule)

    def test_audited(self) -> None:
        """So it is if the rule is audited as well."""
        rule = 'rule service name="ssh" audit accept'
        self.assertEqual(("", "", "ssh"), parseOpenToAll(rule))

    def test_service(self) -> None:
        """So is a service."""
        self.assertEqual(("", "", "ssh"), parseOpenToAll('rule service name="ssh" accept'))

    def test_protocol(self) -> None:
        """So is a whole protocol, and a rule that opens everything."""
        self.assertEqual(("1-65535", "tcp", ""), parseOpenToAll('rule protocol value="tcp" accept'))
        for rule in ("rule accept", 'rule priority="5" family="ipv6" accept'):
            self.assertEqual(("", "", ""), parseOpenToAll(rule), rule)

    def test_others(self) -> None:
        """A rule that opens nothing, or only to some, is not found."""
        for rule in (
            'rule port port="22" protocol="tcp" reject',
            'rule port port="22" protocol="tcp" drop',
            'rule family="ipv4" source address="10.0.0.0/8" port port="22" protocol="tcp" accept',
            'rule family="ipv4" source address="10.0.0.0/8" service name="ssh" accept',
            'rule family="ipv4" source NOT address="10.0.0.0/8" service name="ssh" accept',
            'rule port port="22" protocol="tcp" log prefix="x"',
            'rule icmp-type name="echo-request" accept',
            'rule protocol value="esp" accept',
            'rule family="ipv4" source address="10.0.0.0/8" accept',
            'rule family="ipv4" destination address="10.0.0.8" accept',
            "",
        ):
            self.assertIsNone(parseOpenToAll(rule), rule)

    def test_ours(self) -> None:
        """The rules that let knocks in are ours."""
        self.assertIsNone(parseOpenToAll(knockRule(17001)))
