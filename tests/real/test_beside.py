"""Beside other programs' rules, which pkdoors leaves as they are."""

import re

from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN

OTHERS = """
# As ufw makes them, through iptables-nft.
table ip filter {
    chain ufw-before-input {
        iifname "lo" counter accept
        ct state related,established counter accept
        ct state invalid counter drop
        ip protocol icmp icmp type echo-request counter accept
        counter jump ufw-user-input
    }
    chain ufw-user-input {
        udp dport 17000-17999 counter accept
        tcp dport 2222 counter accept
    }
    chain ufw-after-logging-input {
        limit rate 3/minute burst 10 packets counter log prefix "[UFW BLOCK] "
    }
    chain INPUT {
        type filter hook input priority filter; policy drop;
        counter jump ufw-before-input
        counter jump ufw-after-logging-input
    }
    chain DOCKER {
        iifname != "docker0" oifname "docker0" ip daddr 172.17.0.2 tcp dport 80 counter accept
    }
    chain DOCKER-USER {
        counter return
    }
    chain FORWARD {
        type filter hook forward priority filter; policy drop;
        counter jump DOCKER-USER
        oifname "docker0" ct state related,established counter accept
        oifname "docker0" counter jump DOCKER
        iifname "docker0" oifname != "docker0" counter accept
    }
}
table ip nat {
    chain DOCKER {
        iifname "docker0" counter return
        iifname != "docker0" tcp dport 8080 counter dnat to 172.17.0.2:80
    }
    chain PREROUTING {
        type nat hook prerouting priority dstnat; policy accept;
        fib daddr type local counter jump DOCKER
    }
    chain POSTROUTING {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr 172.17.0.0/16 oifname != "docker0" counter masquerade
    }
}
# As the distribution's nftables.service loads them.
table inet filter {
    set banned { type ipv4_addr; flags timeout; elements = { 203.0.113.66 timeout 1d } }
    chain input { type filter hook input priority filter; policy accept; ip saddr @banned drop; }
    chain forward { type filter hook forward priority filter; policy accept; }
    chain output { type filter hook output priority filter; policy accept; }
}
"""


class NftablesTests(RealTestCase):
    """With the kernel's nftables alone."""

    def setUp(self) -> None:
        """Load the others' rules."""
        super().setUp()
        rules = self.folder / "others.nft"
        rules.write_text(OTHERS)
        self.server.run("nft", "-f", str(rules))

    def rules(self) -> dict[str, str]:
        """The rules of each table but ours, without counters and times."""
        listing = self.server.run("nft", "--stateless", "list", "ruleset")
        found = re.findall(r"^table (.*?) \{[^\n]*\n(.*?)^\}", listing, re.DOTALL | re.MULTILINE)
        return {
            name: re.sub(r" expires [0-9dhms]+", "", text)
            for name, text in found
            if name != "inet pkdoors"
        }

    def assertSame(self, before: dict[str, str], opened: bool = False) -> None:
        """
        The rules are what they were.

        @param opened: whether a door is open; firewalld's own table has our rules then.
        """
        self.assertEqual(before, self.rules())

    def test_all(self) -> None:
        """Start, opening, healing, closing, stop and release change none of their rules."""
        before = self.rules()
        self.assertLessEqual({"ip filter", "ip nat", "inet filter"}, set(before))
        daemon = self.start(openFor="1h")
        self.assertSame(before, opened=True)
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertSame(before, opened=True)
        self.disturb(daemon, "delete table inet pkdoors")
        self.assertSame(before, opened=True)
        socket = f"{self.folder}/admin.sock"
        self.server.run(str(BIN / "pkdoors"), "close", "--all", "--admin", socket)
        self.assertTrue(daemon.says("closed door"))
        daemon.stop()
        self.assertFalse(self.client.reaches(PORT))
        self.assertSame(before)
        self.server.run(str(BIN / "pkdoors"), "release")
        self.assertSame(before)
        self.assertNotIn("pkdoors", self.server.run("nft", "list", "ruleset"))

    def test_releaseWhileOpen(self) -> None:
        """A release takes an opening out, too, and nothing else."""
        before = self.rules()
        daemon = self.start(openFor="1h")
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        daemon.stop()
        self.server.run(str(BIN / "pkdoors"), "release")
        self.assertSame(before)


class FirewalldTests(NftablesTests):
    """With firewalld, too."""

    firewall = "firewalld"

    def assertSame(self, before: dict[str, str], opened: bool = False) -> None:
        """See L{NftablesTests.assertSame}. All that is firewalld's is there."""
        after = self.rules()
        if opened:
            own, was = after.pop("inet firewalld"), before["inet firewalld"]
            self.assertEqual([], sorted(set(was.splitlines()) - set(own.splitlines())))
            before = {name: text for name, text in before.items() if name != "inet firewalld"}
        self.assertEqual(before, after)
