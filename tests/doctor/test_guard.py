"""Tests of L{pkdoors.doctor._guard}."""

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor._guard import (
    GuardState,
    judgeClosed,
    judgeGuard,
)
from pkdoors.doctor.findings import ERROR, INFO, OK, WARNING, Finding
from pkdoors.firewall.firewalld.zones import Exposure, Zone
from pkdoors.model.ports import PortRange

SSH = PortRange("tcp", 22, 22)
RUNS = Daemon(77, "`start`")
STOPPED = Daemon(None, "`start`")


class GuardTests(SynchronousTestCase):
    """
    Tests of L{judgeGuard}.
    """

    def one(self, daemon: Daemon = RUNS, **state: Any) -> Finding:
        """Return the only finding."""
        (found,) = judgeGuard(GuardState(**state), daemon)
        self.assertEqual("guard", found.subject)
        self.assertEqual(found.level == OK, not found.remedy)
        return found

    def test_absent(self) -> None:
        """If there is no table, the findings about the ports say so."""
        for daemon in (RUNS, STOPPED):
            state = GuardState(isThere=False, isOurs=False, isOfThisBoot=False)
            self.assertEqual([], list(judgeGuard(state, daemon)))

    def test_owned(self) -> None:
        """A guard that the daemon owns is good."""
        found = self.one(isOwned=True, isLasting=True, canBeOwned=True)
        self.assertEqual(OK, found.level)
        self.assertIn("no other program can flush", found.text)

    def test_classic(self) -> None:
        """Others can flush a guard without an owner; the finding says what would prevent that."""
        found = self.one()
        self.assertEqual(INFO, found.level)
        self.assertIn("opens the protected ports for some milliseconds", found.text)
        self.assertIn("Linux 6.9 and nft 1.1", found.remedy)

    def test_couldBeOwned(self) -> None:
        """If the guard could have an owner, the remedy is to restart the daemon."""
        for found in (self.one(canBeOwned=True), self.one(isLasting=True)):
            self.assertEqual(WARNING, found.level)
            self.assertEqual("restart the daemon: `kill 77`, then `start`", found.remedy)

    def test_orphan(self) -> None:
        """Without a daemon the next flush removes the guard, whether it had an owner or not."""
        for isLasting in (True, False):
            found = self.one(STOPPED, isLasting=isLasting, canBeOwned=True)
            self.assertEqual(WARNING, found.level)
            self.assertIn("only until a program flushes", found.text)
            self.assertEqual("start the daemon: `start`", found.remedy)

    def test_ownedByAnother(self) -> None:
        """A process that is not the daemon may own the guard."""
        found = self.one(STOPPED, isOwned=True, isLasting=True)
        self.assertEqual(WARNING, found.level)
        self.assertIn("a process that is not the daemon owns", found.text)

    def test_otherVersion(self) -> None:
        """The remedy replaces a table of another version."""
        found = self.one(isOurs=False, isOfThisBoot=False)
        self.assertEqual(WARNING, found.level)
        self.assertIn("another version of pkdoors, or another program, made", found.text)
        service = Daemon(77, isService=True)
        found = self.one(service, isOurs=False)
        self.assertEqual("restart the daemon: `systemctl restart pkdoors`", found.remedy)

    def test_otherBoot(self) -> None:
        """A table of another boot has openings that nobody was granted in this one."""
        found = self.one(STOPPED, isOfThisBoot=False)
        self.assertEqual(ERROR, found.level)
        self.assertIn("loaded from a saved ruleset", found.text)

    def test_handover(self) -> None:
        """The table of a replacement that never ended is found; a command removes it."""
        cases: tuple[tuple[dict[str, Any], str], ...] = (
            ({"isOwned": True}, "`nft delete table inet pkdoors_handover`"),
            ({"isThere": False}, "`pkdoors reload`"),
        )
        for state, remedy in cases:
            *_, found = judgeGuard(GuardState(isHandingOver=True, **state), Daemon(77, conf="/x"))
            self.assertEqual((WARNING, remedy), (found.level, found.remedy))
            self.assertIn("pkdoors_handover", found.text)


class ClosedTests(SynchronousTestCase):
    """
    Tests of L{judgeClosed}.
    """

    exposing = Zone("home", "default", (Exposure(SSH, "service ssh", "`this`"),))

    def closed(
        self,
        isGuarded: bool = False,
        isLost: bool = False,
        zones: list[Zone] | None = None,
        daemon: int | None = None,
    ) -> Finding:
        """Return what is found about a port."""
        return judgeClosed(SSH, isGuarded, isLost, zones, Daemon(daemon))

    def test_guarded(self) -> None:
        """A guarded port is good."""
        found = self.closed(isGuarded=True)
        self.assertEqual((OK, "22/tcp"), (found.level, found.subject))

    def test_forwards(self) -> None:
        """A port that is guarded, but not behind DNAT, is an error."""
        found = judgeClosed(SSH, True, False, None, Daemon(77), isForwardGuarded=False)
        self.assertEqual(ERROR, found.level)
        self.assertIn("(DNAT)", found.text)
        self.assertIn("restart the daemon: `kill 77`", found.remedy)

    def test_open(self) -> None:
        """A port that nothing closes is an error; the remedy is to start the daemon."""
        found = self.closed()
        self.assertEqual(ERROR, found.level)
        self.assertIn("start the daemon", found.remedy)
        self.assertNotIn("kill", found.remedy)

    def test_otherOptions(self) -> None:
        """If a daemon runs and does not close it, the remedy is to start it again."""
        found = self.closed(daemon=77)
        self.assertIn("`kill 77`", found.remedy)

    def test_others(self) -> None:
        """A port that others close is a warning."""
        for found in (self.closed(isLost=True), self.closed(zones=[Zone("home", "default")])):
            self.assertEqual(WARNING, found.level)

    def test_friends(self) -> None:
        """A port that others close for all but some addresses is not open to everybody."""
        found = judgeClosed(SSH, False, True, None, Daemon(None), hasFriends=True)
        self.assertEqual(WARNING, found.level)
        self.assertIn("only other tables keep it closed, except from some addresses:", found.text)

    def test_exposed(self) -> None:
        """The finding names the zone that opens the port."""
        found = self.closed(zones=[self.exposing])
        self.assertEqual(ERROR, found.level)
        self.assertIn("firewalld's zone home (service ssh)", found.text)
