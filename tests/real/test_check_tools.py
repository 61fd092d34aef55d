"""
C{pkdoors check} beside the firewalls that administrators use: on a healthy host it reports nothing
that counts, and the commands that it prints for a fault work, as they are printed.
"""

import re

from tests.lab.case import PORT, SEQUENCE
from tests.lab.ufw import Ufw
from tests.real.test_check import OPTIONS, CheckTestCase

KNOWN = "-m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
RULES = (
    "-A INPUT -i lo -j ACCEPT",
    f"-A INPUT {KNOWN}",
    "-A INPUT -m conntrack --ctstate INVALID -j DROP",
    "-A INPUT -p icmp -j ACCEPT",
    f"-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport {PORT} -j ACCEPT",
)
"""What many scripts have, apart from rules for knocks; everything else is dropped."""
KNOCKS_NEW = (
    "-A INPUT -p udp -m conntrack --ctstate NEW -m multiport --dports 17000:17999 -j ACCEPT"
)
KNOCKS = "-A INPUT -p udp -m multiport --dports 17000:17999 -j ACCEPT"


class ToolTestCase(CheckTestCase):
    """Checks a server with another firewall."""

    def assertWell(self, *options: str) -> None:
        """Assert that nothing counts, and that the check changes no rule."""
        before = self.rules()
        self.assertEqual((0, ""), self.check("--quiet", *options))
        self.assertEqual(before, self.rules())

    def rules(self) -> str:
        """Return all rules of the server, without what counts packets, or soon goes by itself."""
        text = re.sub(r"packets \d+ bytes \d+", "", self.server.run("nft", "list", "ruleset"))
        text = re.sub(r"[^{},]*\bexpires \w+[^{},]*,?", "", text)
        return re.sub(r"\s*elements = {\s*}", "", text)

    def assertMends(self, *options: str) -> str:
        """Assert that one thing is wrong, that its command works, and return the finding."""
        status, output = self.check("--quiet", *options)
        self.assertEqual(2, status, output)
        self.assertEqual(1, len(re.findall("^(?:ERROR|WARNING)", output, re.MULTILINE)), output)
        (command,) = re.findall("`([^`]*)`", output.replace("\n", " "))
        self.run_(command)
        self.assertWell(*options)
        return " ".join(output.split())

    def run_(self, command: str) -> None:
        """Run a command as the operator would."""
        self.server.run("sh", "-c", command)

    def assertOpens(self) -> None:
        """Assert that the client's knocks open the door."""
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))


class IptablesTestCase(ToolTestCase):
    """
    Checks a server with iptables.

    @cvar kind: C{"nft"} for the one that nft has, or C{"legacy"} for the old one.
    """

    kind = "nft"

    def iptables(self, *rules: str) -> None:
        """Let everything be dropped but what some rules accept, over IPv4 and IPv6."""
        for program in ("iptables", "ip6tables"):
            for rule in rules:
                words = rule.replace("icmp", "ipv6-icmp") if program == "ip6tables" else rule
                self.server.run(f"{program}-{self.kind}", *words.split())
            self.server.run(f"{program}-{self.kind}", "-P", "INPUT", "DROP")
        self.addCleanup(self.flush)

    def flush(self) -> None:
        """Remove all rules; those of the old iptables are not in the listing of nft."""
        for program in ("iptables", "ip6tables"):
            self.server.run(f"{program}-{self.kind}", "-P", "INPUT", "ACCEPT")
            self.server.run(f"{program}-{self.kind}", "-F")

    def assertMendsDropped(self) -> None:
        """Assert that knocks that are dropped are one error, with one command for both families."""
        self.iptables(*RULES)
        self.start()
        found = self.assertMends()
        self.assertIn("the firewall drops datagrams to 6 of 6 knock ports (", found)
        self.assertNotIn("tracked", found)
        self.assertOpens()


class IptablesTests(IptablesTestCase):
    """The iptables that nft has."""

    def test_well(self) -> None:
        """Rules that let knocks and the port in are well, whatever iptables' matches are."""
        self.iptables(*RULES, KNOCKS)
        self.start()
        self.assertWell()
        self.assertOpens()

    def test_dropped(self) -> None:
        """A command lets dropped knocks in."""
        self.assertMendsDropped()

    def test_onlyNew(self) -> None:
        """A rule for new connections does not let knocks in, and the finding says why."""
        self.iptables(*RULES, KNOCKS_NEW)
        self.start()
        self.client.send(SEQUENCE)
        found = self.assertMends()
        self.assertIn("accepts only tracked packets (state NEW)", found)
        self.assertFalse(self.client.reaches(PORT))
        self.assertOpens()

    def test_portDropped(self) -> None:
        """The same for the protected port."""
        self.iptables(*RULES[:-1], KNOCKS)
        self.start()
        self.assertIn(f"ERROR {PORT}/tcp the firewall drops it (", self.assertMends())
        self.assertOpens()

    def test_leftByOther(self) -> None:
        """A rule that another program has left for one client lets nobody else in."""
        left = f"-A INPUT -s 192.0.2.77/32 -p tcp -m tcp --dport {PORT} -j ACCEPT"
        self.iptables(*RULES[:-1], KNOCKS)
        self.server.run("iptables-nft", *left.split())
        output = self.check()[1]
        self.assertIn("only other tables keep it closed, except from some addresses:", output)
        self.assertNotIn("everybody can reach it", output)
        self.assertIn("-> once the daemon runs, but not before, or everybody gets in:", output)
        self.start()
        self.client.send(SEQUENCE)
        found = self.assertMends()
        dropped = f"ERROR {PORT}/tcp the firewall drops it, except from the addresses that its "
        self.assertIn(dropped, found)
        self.assertOpens()


class LegacyTests(IptablesTestCase):
    """The old iptables, of which nft shows nothing."""

    kind = "legacy"

    def test_dropped(self) -> None:
        """A command lets dropped knocks in."""
        self.assertMendsDropped()


class UfwTests(ToolTestCase):
    """ufw, with a copy of its files."""

    def setUp(self) -> None:
        """Make the hosts."""
        super().setUp()
        self.ufw = Ufw(self.server).run

    def run_(self, command: str) -> None:
        """See L{ToolTestCase.run_}."""
        self.ufw(command)

    def test_ufw(self) -> None:
        """An ordinary ufw drops knocks; one command lets them in."""
        self.ufw("ufw default deny incoming", f"ufw limit {PORT}/tcp", "ufw --force enable")
        self.start()
        self.assertIn("`ufw allow 17001,", self.assertMends())
        self.assertOpens()

    def test_capture(self) -> None:
        """If knocks are captured, ufw is well as it is."""
        self.ufw("ufw default deny incoming", f"ufw allow {PORT}/tcp", "ufw --force enable")
        self.listen = "capture"
        self.start()
        self.assertWell("--listen", "capture")
        self.assertOpens()

    def test_portDropped(self) -> None:
        """A protected port that ufw closes is one error, with one command."""
        self.ufw("ufw default deny incoming", "ufw allow 17000:17999/udp", "ufw --force enable")
        self.start()
        self.assertIn(f"`ufw allow {PORT}/tcp`", self.assertMends())
        self.assertOpens()


class FirewalldTests(ToolTestCase):
    """firewalld."""

    firewall = "firewalld"

    def test_well(self) -> None:
        """It is well with the port in a zone, as distributions have it for ssh, and without."""
        self.firewalld.cmd(f"--add-port={PORT}/tcp")
        self.start()
        self.assertWell()
        self.firewalld.cmd(f"--remove-port={PORT}/tcp")
        self.assertWell()
        self.assertOpens()

    def test_nftablesBeside(self) -> None:
        """A daemon on nftables alone gets no knocks; a command lets them in."""
        self.firewalld.cmd(f"--add-port={PORT}/tcp")
        self.firewall = "nftables"
        self.start()
        status, output = self.check("--quiet", "--firewall", "nftables")
        (command,) = re.findall("^ +-> `(firewall-cmd [^`]*)`", output, re.MULTILINE)
        self.assertEqual(2, status, output)
        self.server.run("sh", "-c", command)
        self.assertEqual(1, self.check("--firewall", "nftables")[0])  # which firewall it uses
        self.assertOpens()


class NothingTests(ToolTestCase):
    """No other firewall."""

    def test_well(self) -> None:
        """Nothing is wrong with that."""
        self.start()
        self.assertWell()
        self.assertOpens()

    def test_options(self) -> None:
        """C{--quiet} and C{--json} go together."""
        self.start()
        self.assertEqual((0, "[]\n"), self.check("--quiet", "--json", to=OPTIONS))
