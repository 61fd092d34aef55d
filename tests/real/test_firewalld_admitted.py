"""firewalld whose zones let everybody reach the protected port, so only the guard closes it."""

import signal

from pkdoors.adminclient.client import AdminClient
from pkdoors.errors import AskError
from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import CLIENT4, STRANGER4, Daemon, eventually

CHANGED = "firewalld's zones were changed: restored the rules of pkdoors"


class AdmittedTests(RealTestCase):
    """The zone lets everybody reach the port."""

    firewall = "firewalld"

    def setUp(self) -> None:
        """Make it so."""
        super().setUp()
        self.firewalld.cmd(f"--add-port={PORT}/tcp")

    def rules(self, zone: str = "public") -> str:
        """Return the rich rules of a zone."""
        return self.firewalld.cmd(f"--zone={zone}", "--list-rich-rules")

    def open(self) -> Daemon:
        """Start the daemon, and knock."""
        daemon = self.start()
        self.knock(daemon)
        return daemon

    def knock(self, daemon: Daemon) -> None:
        """Knock, and check that this lets in the client, and nobody else."""
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"), daemon.log())
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())
        self.assertFalse(self.stranger.reaches(PORT))

    def hasRule(self, zone: str = "public") -> bool:
        """Wait until a zone has a rule for the client; return whether it has."""
        return bool(eventually(lambda: CLIENT4 in self.rules(zone)))

    def lacksRule(self) -> bool:
        """Wait until the zone has no rule for the client; return whether it has none."""
        return bool(eventually(lambda: CLIENT4 not in self.rules()))

    def test_noRule(self) -> None:
        """An opening needs no rule. The port is closed without it, and again after it."""
        daemon = self.open()
        self.assertNotIn(CLIENT4, self.rules())
        AdminClient(f"{self.folder}/admin.sock").close(CLIENT4)
        self.assertTrue(daemon.says("closed door"), daemon.log())
        self.assertFalse(self.client.reaches(PORT))

    def test_zoneCloses(self) -> None:
        """If the zone closes the port, the opening gets a rule at once, and lasts as long."""
        daemon = self.open()
        self.firewalld.cmd(f"--remove-port={PORT}/tcp")
        self.assertTrue(daemon.says(CHANGED), daemon.log())
        self.assertTrue(self.hasRule())
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertFalse(self.stranger.reaches(PORT))

    def test_zoneClosesByItself(self) -> None:
        """So does a port that the zone lets through only for some seconds."""
        self.firewalld.cmd(f"--remove-port={PORT}/tcp")
        self.firewalld.cmd(f"--add-port={PORT}/tcp", "--timeout=4")
        self.open()
        self.assertTrue(self.hasRule())
        self.assertTrue(self.client.comesToReach(PORT))

    def test_zoneOpens(self) -> None:
        """If the zone opens the port later, no opening gets a rule any more."""
        self.firewalld.cmd(f"--remove-port={PORT}/tcp")
        daemon = self.open()
        self.assertTrue(self.hasRule())
        self.firewalld.cmd(f"--add-port={PORT}/tcp")
        self.assertFalse(self.stranger.reaches(PORT))
        AdminClient(f"{self.folder}/admin.sock").close(CLIENT4)
        self.assertTrue(daemon.says("closed door"), daemon.log())
        self.assertTrue(self.lacksRule())
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertNotIn(CLIENT4, self.rules())

    def test_reload(self) -> None:
        """
        A reload forgets what is not permanent: then the opening gets a rule. If the zone opens the
        port permanently, it needs none.
        """
        self.listen = "sockets"  # with rules for knocks, which show when all is restored
        daemon = self.open()
        self.firewalld.cmd("--reload")
        self.assertTrue(self.hasRule(), daemon.log())
        self.assertTrue(self.client.comesToReach(PORT))
        self.firewalld.cmd("--permanent", f"--add-port={PORT}/tcp")
        self.firewalld.cmd("--reload")
        self.assertTrue(eventually(lambda: str(max(SEQUENCE)) in self.rules()), daemon.log())
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertNotIn(CLIENT4, self.rules())

    def test_zoneOfTheClient(self) -> None:
        """If the client moves to a zone that keeps the port closed, its opening gets a rule."""
        daemon = self.open()
        self.firewalld.cmd("--zone=work", "--add-source=10.9.1.0/24")
        self.assertTrue(daemon.says(CHANGED), daemon.log())
        self.assertTrue(self.hasRule("work"))
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertNotIn(CLIENT4, self.rules())

    def test_suspended(self) -> None:
        """A firewalld that hangs holds up nobody."""
        daemon = self.start()
        self.knock(daemon)
        hanging = self.firewalld.process.popen
        self.addCleanup(hanging.send_signal, signal.SIGCONT)  # otherwise nothing would end it
        hanging.send_signal(signal.SIGSTOP)
        self.stranger.send(SEQUENCE)
        self.assertTrue(self.stranger.comesToReach(PORT))
        self.assertEqual(2, daemon.log().count("opened door"), daemon.log())
        self.assertNotIn("cannot open", daemon.log())

    def test_banCounts(self) -> None:
        """A client whom the operator bans in firewalld stays out."""
        rule = f"rule family=ipv4 source address={CLIENT4} port port={PORT} protocol=tcp drop"
        self.firewalld.cmd("--add-rich-rule", rule)
        daemon = self.start()
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"))
        self.assertFalse(self.client.reaches(PORT))

    def test_panic(self) -> None:
        """In panic mode nobody gets in, and the log says why; after it, the opening is there."""
        daemon = self.open()
        self.firewalld.cmd("--panic-on")
        self.assertFalse(self.client.reaches(PORT))
        asking = AdminClient(f"{self.folder}/admin.sock")
        refusal = self.assertRaises(AskError, asking.open, STRANGER4)
        self.assertIn("PANIC_MODE", str(refusal))
        self.assertTrue(daemon.says("cannot open door"), daemon.log())
        self.firewalld.cmd("--panic-off")
        for host in (self.client, self.stranger):
            self.assertTrue(host.comesToReach(PORT), daemon.log())

    def test_takenOver(self) -> None:
        """The next daemon takes over an opening without a rule, and adds none."""
        daemon = self.open()
        daemon.stop(signal.SIGKILL)
        self.assertTrue(self.client.reaches(PORT))
        daemon = self.daemon()
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertNotIn(CLIENT4, self.rules())


class GuardAwayTests(RealTestCase):
    """What is left if somebody removes the guard while no daemon is there to restore it."""

    firewall = "firewalld"

    def removeGuard(self) -> None:
        """Open a door, kill the daemon, and delete its table."""
        daemon = self.start()
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("opened door"), daemon.log())
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())
        daemon.stop(signal.SIGKILL)
        self.server.run("nft", "delete table inet pkdoors")

    def test_closedZone(self) -> None:
        """A zone that keeps the port closed lets in the clients with openings, and nobody else."""
        self.removeGuard()
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))

    def test_openZone(self) -> None:
        """A zone that lets everybody reach the port does just that, as its operator set it."""
        self.firewalld.cmd(f"--add-port={PORT}/tcp")
        self.removeGuard()
        self.assertTrue(self.stranger.reaches(PORT))
