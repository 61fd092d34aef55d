"""The rules for other firewalls, as C{docs/firewalls.md} shows them."""

import re

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.pages import DOCS
from tests.lab.ufw import Ufw

_DROPS = "table inet mine { chain in { type filter hook input priority 0; policy drop; }; }"
_CLOSED = "-P INPUT DROP"


def readRules(name: str) -> tuple[list[str], str]:
    """Return the rules for the test's knock ports and its port, as the page's table has them."""
    page = (DOCS / "firewalls.md").read_text()
    (row,) = re.findall(rf"^\| {name} \| (.*) \| (.*) \|$", page, re.M)
    knocks, port = (re.findall(r"`([^`]+)`", cell)[0] for cell in row)
    ports = [str(each) for each in SEQUENCE]
    shown = {"17001,17203,17005": KNOCKS, "17001, 17203, 17005": ", ".join(ports)}
    for few, all_ in shown.items():
        knocks = knocks.replace(few, all_)
    one = "17001/udp"
    rules = [knocks.replace(one, f"{each}/udp") for each in ports] if one in knocks else [knocks]
    return rules, re.sub(r"\b22\b", str(PORT), port)


class FirewallRulesTests(RealTestCase):
    """
    Other firewalls that drop everything.
    """

    listen = "sockets"

    def assertNeeded(self, *commands: str) -> None:
        """With these commands knocks open the door, and only for the client."""
        self.start()
        self.client.send(SEQUENCE)
        self.assertFalse(self.client.reaches(PORT))
        for command in commands:
            self.server.run("sh", "-c", command)
        self.assertOpens()

    def assertOpens(self) -> None:
        """Knocks open the door, and only for the client."""
        self.assertFalse(self.client.reaches(PORT))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertFalse(self.stranger.reaches(PORT))

    def test_nftables(self) -> None:
        """Rules in a table of nftables."""
        knocks, port = readRules("your own nftables rules")
        self.server.run("nft", _DROPS)
        self.assertNeeded(*(f"nft 'add rule inet mine in {rule}'" for rule in (*knocks, port)))

    def test_iptables(self) -> None:
        """Rules of iptables."""
        knocks, port = readRules("iptables")
        self.server.run("iptables", *_CLOSED.split())
        self.assertNeeded(*knocks, port)

    def test_ufw(self) -> None:
        """Rules of ufw."""
        knocks, port = readRules("ufw")
        Ufw(self.server).run("ufw default deny incoming", *knocks, port, "ufw --force enable")
        self.start()
        self.assertOpens()
