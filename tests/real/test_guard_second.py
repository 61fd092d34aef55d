"""The guard's second version, in which each door had sets of its own, and the upgrade from it."""

import re
import time
from hashlib import sha256
from pathlib import Path

from pkdoors.host.bootid import readBootId
from tests.lab.case import PORT, SEQUENCE
from tests.lab.conntrack import Flow
from tests.lab.controlled import SSH, ControlledTestCase
from tests.lab.flows import Session, drain
from tests.lab.hosts import CLIENT4, SERVER4, eventually
from tests.lab.synflood import SynFlood

SECOND = Path(__file__).with_name("second-guard.nft")


class SecondVersionTests(ControlledTestCase):
    """A table that a daemon of that version left."""

    def leave(self, *, isOfThisBoot: bool = True) -> None:
        """Load the table, with the notes of its daemon, and an opening."""
        self.server.run("nft", "-f", str(SECOND))
        listing = self.server.run("nft", "-a", "list", "table", "inet", "pkdoors")
        handle = re.search(r"table inet pkdoors {.* # handle (\d+)", listing)
        assert handle is not None, listing
        boot = readBootId() if isOfThisBoot else "another"
        ports = sha256(f"{PORT}/tcp".encode()).hexdigest()[:16]
        notes = ("pkdoors guard 2", f"origin {boot} {handle[1]}", f"door ssh {ports}")
        elements = ", ".join(f'{number} comment "{note}"' for number, note in enumerate(notes))
        self.server.run("nft", f"add element inet pkdoors about {{ {elements} }}")
        until = round(time.clock_gettime(time.CLOCK_BOOTTIME)) + 300
        opening = f'{CLIENT4} timeout 1h comment "until={until} anna"'
        self.server.run("nft", f"add element inet pkdoors ssh_open4 {{ {opening} }}")

    def test_takenOver(self) -> None:
        """
        Under many SYNs of a stranger, a daemon of this version takes the table over, with openings
        and sessions; nobody gets in meanwhile.
        """
        self.leave()
        session = Session.begin(
            self.client, self.listeners[PORT], Flow(CLIENT4, 20001, SERVER4, PORT)
        )
        self.addCleanup(session.close)
        self.assertTrue(session.carries())
        drain(self.listeners[PORT])
        flood = SynFlood(self.network)
        try:
            daemon = self.controlled(SSH)
        finally:
            answers = flood.stop()
        self.assertEqual((0, 0), (answers.answered, answers.lost), f"of {answers.sent} SYNs")
        drain(self.listeners[PORT])
        self.assertEqual("table inet pkdoors\n", self.server.run("nft", "list", "tables"))
        (opening,) = self.ask("/status")["openings"]
        self.assertEqual(CLIENT4, opening["source"], opening)
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertTrue(session.carries())
        self.ask("/openings", "-X", "DELETE")
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT)))
        self.assertTrue(session.carries())
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())

    def test_otherBoot(self) -> None:
        """If it is of another boot, nothing in it counts, but the port stays closed."""
        self.leave(isOfThisBoot=False)
        self.controlled(SSH)
        self.assertFalse(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
