"""Tests of L{pkdoors.config.foreign.rules} and L{pkdoors.config.foreign.commands}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.foreign.commands import Meaning, readCommand


def read(text: str) -> Meaning:
    """Return what a command means."""
    return readCommand(text)


class RuleTests(SynchronousTestCase):
    """Commands that open ports, as people have them in their files."""

    def test_opens(self) -> None:
        """The ports of a door are recognized."""
        for text, ports in (
            ("/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "22/tcp"),
            ("iptables -I INPUT 1 -s %IP% -p tcp -m tcp --dport ssh --syn -j ACCEPT", "22/tcp"),
            ("sudo /usr/sbin/iptables -A INPUT -s %IP% --dport 22 -j ACCEPT", "22/tcp"),
            (
                "iptables -w -A IN -p tcp -m multiport --dports 22,80 -s %IP% -j ACCEPT",
                "22/tcp,80/tcp",
            ),
            ("iptables -A INPUT -p udp --dport=6000:6010 --jump=ACCEPT -s %IP%", "6000-6010/udp"),
            ("/sbin/ip6tables-nft -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", "22/tcp"),
            ("ufw insert 1 allow from %IP% to any port 22 proto tcp", "22/tcp"),
            ("/usr/sbin/ufw allow from %IP% to any port 22", "22/tcp"),
            ("ufw --force allow 1194/udp", "1194/udp"),
            ("ufw allow proto udp from %IP% to any port 53", "53/udp"),
            ("ufw limit ssh", "22/tcp"),
            ("nft add rule inet filter input ip saddr %IP% tcp dport 22 accept", "22/tcp"),
            (
                "nft insert rule ip f i ip saddr %IP% tcp dport { 22, 443 } counter accept",
                "22/tcp,443/tcp",
            ),
            ("nft 'add rule inet f i tcp dport {22,80} accept'", "22/tcp,80/tcp"),
            ("nft add rule inet f i udp dport 60000-61000 accept", "60000-61000/udp"),
            ("firewall-cmd --zone=public --add-port=22/tcp", "22/tcp"),
            ("firewall-cmd --zone public --add-service ssh --timeout 60", "22/tcp"),
            (
                'firewall-cmd --add-rich-rule=\'rule family="ipv4" source address="%IP%" '
                'port port="22" protocol="tcp" accept\'',
                "22/tcp",
            ),
            ("firewall-cmd --add-rich-rule 'rule service name=\"http\" accept'", "80/tcp"),
            (
                "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT; "
                "iptables -A INPUT -s %IP% -p tcp --dport 80 -j ACCEPT",
                "22/tcp,80/tcp",
            ),
        ):
            meaning = read(text)
            self.assertEqual(ports, ",".join(map(str, meaning.ports)), text)
            self.assertEqual((True, False, ()), (meaning.opens, meaning.closes, meaning.hook), text)

    def test_everything(self) -> None:
        """A rule without a port opens all of them."""
        for text in (
            "iptables -A INPUT -s %IP% -p tcp --syn -j ACCEPT",
            "iptables -A INPUT -s %IP% -j ACCEPT",
            "ufw allow from %IP%",
            "nft add rule inet f i ip saddr %IP% accept",
        ):
            self.assertEqual(Meaning(opens=True), read(text), text)

    def test_closes(self) -> None:
        """Commands that take it back are not needed."""
        for text in (
            "/sbin/iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT",
            "ufw delete allow from %IP% to any port 22",
            "ufw --force delete 3",
            "nft delete rule inet filter input handle 7",
            "firewall-cmd --remove-port=22/tcp",
            "iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT && firewall-cmd --reload",
        ):
            self.assertEqual((False, True, ()), read(text)[0:1] + read(text)[2:], text)

    def test_others(self) -> None:
        """What is no such command, or not clearly, is a hook as it was."""
        for text in (
            "/usr/bin/wakeonlan 00:11:22:33:44:55",
            "/etc/init.d/sshd start",
            "iptables -A INPUT -s %IP% -p tcp --dport 22 -j DROP",
            "iptables -t nat -A PREROUTING -s %IP% -p tcp --dport 22 -j DNAT --to 10.0.0.2",
            "iptables -A INPUT ! -s %IP% -p tcp --dport 22 -j ACCEPT",
            "iptables -A INPUT -p tcp --dport nonsense -j ACCEPT",
            "iptables -A INPUT -p icmp -j ACCEPT",
            "iptables -A INPUT -j",
            "ufw deny from %IP%",
            "ufw allow",
            "ufw allow from %IP% port",
            "nft add element inet f clients { %IP% }",
            "nft add rule inet f i th dport 22 accept",
            "firewall-cmd --add-service=unknown-thing",
            "firewall-cmd --add-port=22/tcp --remove-port=80/tcp",
            "firewall-cmd --add-rich-rule='rule source address=\"%IP%\" drop'",
            "ipset add clients %IP%",
            "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT | tee /tmp/x",
            "echo 'iptables",
            "firewall-cmd --reload",
        ):
            meaning = read(text)
            self.assertEqual((False, False), (meaning.opens, meaning.closes), text)
            self.assertTrue(meaning.hook, text)

    def test_elsewhere(self) -> None:
        """What lets clients through to other hosts, or to one address, makes no door."""
        for text in (
            "iptables -A FORWARD -s %IP% -p tcp --dport 22 -j ACCEPT",
            "iptables --append=FORWARD -s %IP% -p tcp --dport 22 -j ACCEPT",
            "iptables -D FORWARD -s %IP% -p tcp --dport 22 -j ACCEPT",
            "iptables -I DOCKER-USER -s %IP% -p tcp --dport 22 -j ACCEPT",
            "iptables -A OUTPUT -p tcp --dport 22 -j ACCEPT",
            "iptables -A INPUT -s %IP% -d 192.0.2.1 -p tcp --dport 22 -j ACCEPT",
            "iptables -D INPUT -s %IP% --destination 192.0.2.1 -p tcp --dport 22 -j ACCEPT",
            "iptables -A IN -s %IP% -o eth1 -j ACCEPT",
            "ufw allow from %IP% to 192.0.2.1 port 22",
            "ufw route allow from %IP% to any port 22",
            "ufw delete allow from %IP% to 192.0.2.1 port 22",
            "nft add rule inet filter forward ip saddr %IP% tcp dport 22 accept",
            "nft add rule filter FORWARD ip saddr %IP% tcp dport 22 accept",
            "nft delete rule inet filter forward handle 7",
            "nft add rule inet filter input ip daddr 192.0.2.1 tcp dport 22 accept",
            "nft add rule inet filter c ip saddr %IP% oifname eth1 tcp dport 22 accept",
            'firewall-cmd --add-rich-rule=\'rule destination address="192.0.2.1" '
            'service name="ssh" accept\'',
        ):
            meaning = read(text)
            self.assertEqual((False, False), (meaning.opens, meaning.closes), text)
            self.assertTrue(meaning.hook, text)
        for text in (
            "ufw allow from %IP% to any port 22",
            "nft add rule inet forward input tcp dport 22 accept",
        ):
            self.assertTrue(read(text).opens, text)

    def test_both(self) -> None:
        """Of a line that also does something else, only that is a hook."""
        meaning = read(
            "iptables -I INPUT -s %IP% -p tcp --dport 22 -j ACCEPT; /bin/tell %IP% 'a b'"
        )
        self.assertEqual("22/tcp", str(meaning.ports[0]))
        self.assertEqual(("/bin/sh", "-c", "/bin/tell \"${PKDOORS_SOURCE}\" 'a b'"), meaning.hook)
        self.assertEqual(
            "opens 22/tcp, which the door protects; the rest of it is now the hook on_open",
            meaning.describe("on_open"),
        )
        self.assertEqual(Meaning(), read("  "))
