"""
Replacing the guard opens nothing, not for a microsecond.

Under 30,000 SYNs a second the stranger gets no SYN/ACK, however often the guard is replaced. Set
C{PKDOORS_REPLACEMENTS=300} in the environment for that many replacements of each kind.
"""

import json
import os
import re
import signal
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from tests.lab.adminclient import AdminClient
from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import SSH, WEB, WEB_SEQUENCE, ControlledTestCase, door
from tests.lab.flows import drain
from tests.lab.hosts import CLIENT4, CLIENT6, SERVER4, SERVER6, Daemon, eventually
from tests.lab.synflood import RATE, Answers, SynFlood

OLD = Path(__file__).with_name("old-guard.nft")
NEIGHBOURS = 'trusted = ["10.9.0.0/23", "10.9.3.0/24", "fd09:1::/64", "fd09:3::/64", "eth9"]\n'
"""Trusted networks around the stranger's, and an interface that does not exist."""
WEB_DOOR = door("web", WEB_SEQUENCE, WEB)
CONFIGURATIONS = (
    (door("ssh", more="knock_rate = 9000\n"),),
    (door("ssh"), WEB_DOOR),
    (door("ssh", more='sessions = "cut"\n'),),
    (door("ssh", more=NEIGHBOURS),),
    (door("ssh"),),
)
"""Doors whose guard differs from that of their neighbours in this list."""
STRANGE = "somebody else's"
"""The comment of rules that are not ours."""


def rounds(usual: int) -> int:
    """Return how often to replace something."""
    return int(os.environ.get("PKDOORS_REPLACEMENTS", usual))


class _ReplacedCase(ControlledTestCase):
    """A sender of SYNs, and a client for whom the door is open, and other clients."""

    others = 0

    def setUp(self) -> None:
        """Find the addresses that are let in."""
        super().setUp()
        numbers = range(self.others)
        self.sources = {CLIENT4, CLIENT6, *(f"10.{7 + n // 250}.{n % 250}.9" for n in numbers)}

    def flooded(self, replace: Callable[[], object]) -> Answers:
        """Return the stranger's answers from the protected port while something is done."""
        drain(self.listeners[PORT])
        flood = SynFlood(self.network)
        began = time.monotonic()
        try:
            replace()
        finally:
            seconds = time.monotonic() - began
            answers = flood.stop()
        self.assertGreater(answers.sent / seconds, RATE / 6, "the machine is too slow for this")
        return answers

    def assertNobodyGetsIn(self, answers: Answers) -> None:
        """None of many SYNs was answered; the client that was let in still is, and nobody else."""
        self.assertEqual((answers.answered, answers.lost), (0, 0), f"of {answers.sent} SYNs")
        drain(self.listeners[PORT])
        for target in (SERVER4, SERVER6):
            self.assertTrue(self.client.comesToReach(PORT, target))
            self.assertFalse(self.stranger.reaches(PORT, target))
        self.assertEqual({source for _, source in self.openings()}, self.sources)


class SenderTests(_ReplacedCase):
    """The sender itself works, so its silence means something."""

    def test_hears(self) -> None:
        """It gets an answer to each SYN to a port that is not protected, over both families."""
        self.controlled(door("ssh"))
        self.server.run("sysctl", "-qw", "net.ipv4.tcp_max_syn_backlog=65536")
        flood = SynFlood(self.network, WEB, 1000)
        time.sleep(0.5)
        answers = flood.stop()
        heard = answers.answered + answers.lost
        self.assertGreater(answers.sent, 100)
        self.assertGreater(heard, answers.sent * 0.9)


class _TodaysCase(_ReplacedCase):
    """A guard of this version."""

    def setUp(self) -> None:
        """Start the daemon, and open the door."""
        super().setUp()
        self.running = self.controlled(*CONFIGURATIONS[-1])
        self.admin = AdminClient(self.socket)
        self.addCleanup(self.admin.close)
        for source in self.sources:
            self.admin.post("/openings", {"source": source, "door": "ssh", "seconds": 600})

    def reloadAll(self) -> None:
        """A reload changes the doors, or how they are guarded."""
        for doors in islice(cycle(CONFIGURATIONS), rounds(60 if self.others else 300)):
            self.write(*doors)
            self.assertTrue(self.admin.post("/reload")["changes"])

    def takeOver(self) -> None:
        """The daemon is killed, or ends, and the next one takes the guard over."""
        for end in islice(cycle((signal.SIGKILL, signal.SIGTERM)), rounds(3 if self.others else 6)):
            self.running.stop(end)
            self.running = self.controlled(*CONFIGURATIONS[-1])
        self.admin.close()
        self.assertIn("took over", self.running.log())

    def heal(self) -> None:
        """
        Somebody changes the guard without letting anybody in, and the daemon restores it; or nobody
        else can change it.
        """
        chains = self.chains()
        for number, (name, isApart) in zip(
            range(rounds(10 if self.others else 20)), cycle(chains), strict=False
        ):
            if isApart and number % 2:
                self.change(f"flush chain inet pkdoors {name}")
            else:
                verb = "add" if number % 3 else "insert"
                self.change(f'{verb} rule inet pkdoors {name} counter comment "{STRANGE}"')

    def openNetworks(self) -> None:
        """Networks of many lengths are opened, which adds sets, and go with a reload."""
        lengths = [("10.9.1.0", length) for length in range(24, 31)]
        lengths += [("fd09:1::", length) for length in range(64, 127)]
        for source, length in islice(cycle(lengths), rounds(150)):
            self.admin.post(
                "/openings", {"source": f"{source}/{length}", "door": "ssh", "seconds": 1}
            )
            if length % 10 == 0:
                self.write(*CONFIGURATIONS[length // 10 % 2])
                self.assertTrue(self.admin.post("/reload"))
        self.assertTrue(
            eventually(lambda: {source for _, source in self.openings()} == self.sources)
        )

    def listed(self, kind: str) -> list[dict[str, Any]]:
        """Return the guard's chains or rules."""
        status, text = self.server.status("nft", "-j", "-t", "list", "table", "inet", "pkdoors")
        listing = json.loads(text)["nftables"] if status == 0 else []
        return [each[kind] for each in listing if kind in each]

    def chains(self) -> list[tuple[str, bool]]:
        """Return the guard's chains, and whether a chain sees no packet to a protected port."""
        return [
            (each["name"], each.get("hook") == "output" or each.get("prio", 0) < -250)
            for each in self.listed("chain")
        ]

    def rules(self) -> list[str]:
        """Return the guard's rules, without their counters."""
        counted = re.compile(r'"(packets|bytes)": [0-9]+')
        rules = (
            {key: each.get(key) for key in ("chain", "comment", "expr")}
            for each in self.listed("rule")
        )
        return [counted.sub("", json.dumps(each)) for each in rules]

    def change(self, command: str) -> None:
        """Change something as somebody else would, and wait until it is as it was."""
        before = self.rules()
        status, output = self.server.status("nft", command)
        if status:
            self.assertIn("not permitted", output)
            return
        self.assertTrue(eventually(lambda: self.rules() == before), f"{command}: it stays")


class ReplacedTests(_TodaysCase):
    """No openings but the client's."""

    def test_reload(self) -> None:
        """Nobody gets in during a reload."""
        self.assertNobodyGetsIn(self.flooded(self.reloadAll))

    def test_takeOver(self) -> None:
        """Nor when one daemon takes over from another."""
        self.assertNobodyGetsIn(self.flooded(self.takeOver))

    def test_healing(self) -> None:
        """Nor when the guard is healed."""
        self.assertNobodyGetsIn(self.flooded(self.heal))

    def test_networks(self) -> None:
        """Nor when sets for networks come and go."""
        self.assertNobodyGetsIn(self.flooded(self.openNetworks))


class ManyReplacedTests(_TodaysCase):
    """Thousands of openings."""

    others = 4000

    def test_all(self) -> None:
        """Nobody gets in, however the guard is replaced."""
        ways = (self.reloadAll, self.takeOver, self.heal)
        answers = {each.__name__: self.flooded(each) for each in ways}
        got = {name: each.answered + each.lost for name, each in answers.items()}
        self.assertEqual(got, dict.fromkeys(got, 0))
        self.assertNobodyGetsIn(answers["heal"])


class UpgradeTests(_ReplacedCase):
    """The table of an older version, which is replaced as a whole."""

    def test_upgrade(self) -> None:
        """
        A daemon of this version takes it over, and nobody gets in meanwhile; at the end there is
        one table, which opens to knocks.
        """
        elements = ", ".join(f"{each} timeout 600s" for each in self.sources if "." in each)
        table = self.folder / "old-guard.nft"
        table.write_text(OLD.read_text() + f"add element inet pkdoors ssh_open4 {{ {elements} }}\n")
        for _ in range(rounds(2 if self.others else 4)):
            self.server.run("nft", "-f", str(table))
            started: list[Daemon] = []
            answers = self.flooded(lambda: started.append(self.controlled(SSH)))  # noqa: B023
            self.assertEqual((answers.answered, answers.lost), (0, 0), f"of {answers.sent} SYNs")
            self.assertFalse(self.stranger.reaches(PORT))
            self.assertTrue(eventually(lambda: self.tables() == "table inet pkdoors\n"))
            rules = self.server.run("nft", "-t", "list", "ruleset")
            self.assertNotIn("!= @protected accept", rules)
            started[0].stop(signal.SIGKILL)
            self.server.run("nft", "delete table inet pkdoors")  # or it may keep flags of ours
        daemon = self.controlled(SSH)
        self.ask("/openings", "-X", "DELETE")
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT)))
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertFalse(self.stranger.reaches(PORT))

    def tables(self) -> str:
        """Return all tables."""
        return self.server.run("nft", "list", "tables")


class ManyUpgradeTests(UpgradeTests):
    """Thousands of openings."""

    others = 4000
