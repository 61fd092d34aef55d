"""Tests of L{pkdoors.doctor._ownership}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor._ownership import GuardState, guard
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding

RUNS = Daemon(77, "`start`")
STOPPED = Daemon(None, "`start`")


class GuardTests(SynchronousTestCase):
    """
    Tests of L{guard}.
    """

    def one(self, daemon: Daemon = RUNS, **state: bool) -> Finding:
        """The only thing that is found."""
        (found,) = guard(GuardState(**state), daemon)
        self.assertEqual("guard", found.subject)
        self.assertEqual(found.level == OK, not found.remedy)
        return found

    def test_absent(self) -> None:
        """If there is no table, the ports tell of that."""
        for daemon in (RUNS, STOPPED):
            state = GuardState(isThere=False, isOurs=False, isOfThisBoot=False)
            self.assertEqual([], list(guard(state, daemon)))

    def test_owned(self) -> None:
        """A guard that the daemon owns is well."""
        found = self.one(isOwned=True, isLasting=True, canBeOwned=True)
        self.assertEqual(OK, found.level)
        self.assertIn("no other program can flush", found.text)

    def test_classic(self) -> None:
        """One that has no owner can be flushed; it says what would prevent that."""
        found = self.one()
        self.assertEqual(INFO, found.level)
        self.assertIn("opens the protected ports for some milliseconds", found.text)
        self.assertIn("Linux 6.9 and nft 1.1", found.remedy)

    def test_couldBeOwned(self) -> None:
        """If it could have one, the daemon must be restarted."""
        for found in (self.one(canBeOwned=True), self.one(isLasting=True)):
            self.assertEqual(WARNING, found.level)
            self.assertEqual("restart the daemon: `kill 77`, then `start`", found.remedy)

    def test_orphan(self) -> None:
        """Without a daemon the next flush takes it away, owned before or not."""
        for isLasting in (True, False):
            found = self.one(STOPPED, isLasting=isLasting, canBeOwned=True)
            self.assertEqual(WARNING, found.level)
            self.assertIn("only until a program flushes", found.text)
            self.assertEqual("start the daemon: `start`", found.remedy)

    def test_ownedByAnother(self) -> None:
        """Another process than the daemon may own it."""
        found = self.one(STOPPED, isOwned=True, isLasting=True)
        self.assertEqual(WARNING, found.level)
        self.assertIn("another process than the daemon owns", found.text)

    def test_otherVersion(self) -> None:
        """A table of another version is to be replaced."""
        found = self.one(isOurs=False, isOfThisBoot=False)
        self.assertEqual(WARNING, found.level)
        self.assertIn("made by another version", found.text)
        service = Daemon(77, isService=True)
        found = self.one(service, isOurs=False)
        self.assertEqual("restart the daemon: `systemctl restart pkdoors`", found.remedy)

    def test_otherBoot(self) -> None:
        """One of another boot has openings that nobody was granted in this one."""
        found = self.one(STOPPED, isOfThisBoot=False)
        self.assertEqual(ERROR, found.level)
        self.assertIn("loaded from a saved ruleset", found.text)

    def test_handover(self) -> None:
        """The table of a replacement that never ended is found, and how it is removed."""
        for state, remedy in (
            ({"isOwned": True}, "`nft delete table inet pkdoors_handover`"),
            ({"isThere": False}, "`pkdoors reload`"),
        ):
            *_, found = guard(GuardState(isHandingOver=True, **state), Daemon(77, conf="/x"))
            self.assertEqual((WARNING, remedy), (found.level, found.remedy))
            self.assertIn("pkdoors_handover", found.text)
