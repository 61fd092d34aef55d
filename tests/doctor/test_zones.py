"""Tests of L{pkdoors.doctor._zones}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor._zones import judgeExposure, judgeKnockRules, judgeZonesBeside
from pkdoors.doctor.findings import ERROR
from pkdoors.firewall.firewalld.richrules import knockRule
from pkdoors.firewall.firewalld.zones import Exposure, Zone
from pkdoors.model.ports import PortRange

SSH = PortRange("tcp", 22, 22)
KNOCKS = (17003, 17001)


def opening(*ports: PortRange | None) -> tuple[Exposure, ...]:
    """Return exposures that open some ports to all."""
    return tuple(Exposure(exposed, "a port", "`this`") for exposed in ports)


KNOCKED = Zone("home", "default", rules=tuple(map(knockRule, KNOCKS)))
SHUT = Zone("public", "default")


class ZoningTests(SynchronousTestCase):
    """
    Tests of what zones do with ports.
    """

    def test_exposed(self) -> None:
        """Each exposure of the port is reported, with the zone; those of other ports are not."""
        zones = [Zone("a", "default", opening(SSH, PortRange("udp", 22, 22))), SHUT]
        (found,) = judgeExposure(SSH, zones)
        self.assertIn("zone a (a port)", found.text)
        self.assertIn("between boot and the start of the daemon", found.text)
        self.assertEqual("`this`, unless you trust all of that zone", found.remedy)

    def test_knocksLetIn(self) -> None:
        """While the daemon runs its rules must be there, or the zone let knocks in anyway."""
        self.assertEqual([], list(judgeKnockRules(KNOCKS, [KNOCKED], Daemon(77))))
        self.assertEqual(
            [], list(judgeKnockRules(KNOCKS, [Zone("t", "ACCEPT", opening(None))], Daemon(77)))
        )
        self.assertEqual([], list(judgeKnockRules(KNOCKS, [SHUT], Daemon())))

    def test_knocksShutOut(self) -> None:
        """If rules are missing the remedy is a restart: a reload would not add them."""
        some = Zone("work", "default", rules=(knockRule(17001),))
        partly, wholly = judgeKnockRules(KNOCKS, [KNOCKED, some, SHUT], Daemon(77, "`start`"))
        for found in (partly, wholly):
            self.assertEqual((ERROR, "knock ports"), (found.level, found.subject))
            self.assertEqual("restart the daemon: `kill 77`, then `start`", found.remedy)
        text = "firewalld's zone work lacks the daemon's rules for 1 of 2 knock ports"
        self.assertEqual(text, partly.text)
        self.assertIn("zone public lacks the daemon's rules for 2 of 2", wholly.text)
        self.assertIn("was probably started before firewalld", wholly.text)

    def test_beside(self) -> None:
        """A daemon on nftables needs zones that let all in: there is one command for knocks."""
        knocks, ssh = judgeZonesBeside(KNOCKS, [SSH], [SHUT])
        self.assertEqual(["knock ports", "22/tcp"], [knocks.subject, ssh.subject])
        self.assertIn("does not let everybody reach 2 of them", knocks.text)
        for found, options in (
            (knocks, "--add-port=17001/udp --add-port=17003/udp"),
            (ssh, "--add-port=22/tcp"),
        ):
            command = f"firewall-cmd --zone=public {options}"
            self.assertTrue(
                found.remedy.startswith(f"`{command}`, and permanently `"), found.remedy
            )
        (found,) = judgeZonesBeside(KNOCKS[:1], [], [SHUT])
        self.assertEqual("17003/udp", found.subject)

    def test_besideNotKept(self) -> None:
        """Before somebody keeps the daemon, no rule that lets a port in may outlive the guard."""
        guards: tuple[tuple[PortRange, ...], ...] = ((), (SSH,))
        for guarded in guards:
            found = judgeZonesBeside(KNOCKS, [SSH], [SHUT], False, guarded.__contains__)
            for finding, isLater in zip(found, (False, not guarded), strict=True):
                self.assertIn("`, and only once you keep pkdoors, permanently `", finding.remedy)
                self.assertEqual(isLater, finding.remedy.startswith("once the daemon runs, "))

    def test_besideOpen(self) -> None:
        """Zones that let all in are no fault."""
        ports = opening(SSH, *(PortRange("udp", port, port) for port in KNOCKS))
        self.assertEqual([], list(judgeZonesBeside(KNOCKS, [SSH], [Zone("a", "default", ports)])))
        (found,) = judgeZonesBeside(KNOCKS, [SSH], [KNOCKED])
        self.assertEqual("22/tcp", found.subject)
