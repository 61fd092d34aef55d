"""The tables for those who come from another program agree with C{pkdoors init}."""

import re

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.foreign.fwknop import readFwknop
from pkdoors.config.foreign.knockd import readKnockd
from pkdoors.config.parser import parseSeed
from tests.fakes.doors import PORTS
from tests.lab.pages import DOCS


def readKeys(head: str) -> list[str]:
    """Return the keys in the first column of a table of the page."""
    text = (DOCS / "moving.md").read_text()
    table = text.partition(f"| {head} | now ")[2].partition("\n\n")[0]
    cells = [line.split(" | ")[0] for line in table.splitlines()[2:]]
    return [key for cell in cells for key in re.findall("`([^`]+)`", cell)]


class TableTests(SynchronousTestCase):
    """
    The three tables.
    """

    def test_seed(self) -> None:
        """Each key of port-knocking-doors is taken, or said not to be needed."""
        keys = readKeys("key of port-knocking-doors")
        self.assertEqual(7, len(keys))
        values = {"ports_to_controls": "[22]", "opening_sequence": f"{[*PORTS]}"}
        _, lines = parseSeed("".join(f"{key} = {values.get(key, 9)}\n" for key in keys), "f")
        for key in keys:
            self.assertTrue([line for line in lines if key in line], (key, lines))

    def test_knockd(self) -> None:
        """Each key of knockd is known, and so is what becomes of it."""
        keys = readKeys("knockd.conf")
        self.assertEqual("[openSSH]", keys[0])
        self.assertGreater(len(keys), 8)
        values = {
            "command": "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT",
            "start_command": "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT",
            "stop_command": "iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT",
        }
        lines = (f"{key} = {values.get(key, 9)}\n" for key in keys[1:])
        foreign = readKnockd(f"{keys[0]}\n{''.join(lines)}")
        self.assertEqual(["openssh"], [door.name for door in foreign.doors])
        self.assertFates(keys[1:], dict(foreign.fates), "openSSH.")

    def test_fwknop(self) -> None:
        """Each key of fwknop is known."""
        keys = readKeys("access.conf")
        self.assertEqual("SOURCE", keys[0])
        self.assertGreater(len(keys), 9)
        values = {"SOURCE": "ANY", "OPEN_PORTS": "tcp/22"}
        foreign = readFwknop("".join(f"{key} {values.get(key, 9)}\n" for key in keys))
        self.assertFates(keys, dict(foreign.fates), "stanza 1 ")

    def assertFates(self, keys: list[str], fates: dict[str, str], prefix: str) -> None:
        """What became of each key is said, and none is unknown."""
        for key in keys:
            self.assertIn(f"{prefix}{key}", fates)
            self.assertNotIn("unknown", fates[f"{prefix}{key}"], key)
