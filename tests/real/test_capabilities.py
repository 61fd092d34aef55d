"""The daemon as a user of its own, with two capabilities and nothing else."""

from pkdoors.daemon.notes.replayfile import seenPath
from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN, SERVER4, Process
from tests.lab.sealing import leaveNotes

USER = "61234"
"""Nobody's number; it has no name either."""
NUMBERS = {"net_admin": 12, "net_bind_service": 10}
"""What the kernel calls the capabilities."""
TWISTD = f"{BIN}/twistd -n --pidfile= pkdoors"
LOW = (17001, 203, 17005, 404, 17002, 17009)


class CapabilitiesTests(RealTestCase):
    """
    With C{setpriv}, and folders for it in a mount namespace of its own.

    @cvar capabilities: all that it has.
    """

    capabilities: tuple[str, ...] = ("net_admin", "net_bind_service")

    def setUp(self) -> None:
        """Have something behind the door, and a place for the folders."""
        super().setUp()
        self.server.serve(PORT)
        for name in ("run", "lib"):
            (self.folder / name).mkdir()
            self.server.run("chown", USER, str(self.folder / name))

    def alone(self, *options: str) -> Process:
        """Start the daemon as this user."""
        names = ",".join(["-all", *(f"+{name}" for name in self.capabilities)])
        alone = (
            "setpriv",
            f"--reuid={USER}",
            f"--regid={USER}",
            "--clear-groups",
            "--no-new-privs",
            f"--bounding-set={names}",
            f"--inh-caps={names}",
            f"--ambient-caps={names}",
        )
        options = ("--listen", self.listen, *options)
        script = f"""
            mkdir -p /run/pkdoors /var/lib/pkdoors
            mount --bind {self.folder}/run /run/pkdoors
            mount --bind {self.folder}/lib /var/lib/pkdoors
            exec {" ".join(alone)} {TWISTD} -p {PORT} -t 1h {" ".join(options)}"""
        return self.server.spawn("unshare", "--mount", "sh", "-euc", script)

    def begin(self, *options: str) -> Process:
        """Start it, and wait until it has closed the door."""
        daemon = self.alone(*options)
        self.assertTrue(daemon.says("guarding door"), daemon.log())
        return daemon

    def test_plain(self) -> None:
        """Knocks open; after a flush all is there again; the next daemon takes over."""
        daemon = self.begin("-m", KNOCKS)
        self.assertFalse(self.client.reaches(PORT))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())
        self.disturb(daemon, "flush ruleset")
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        daemon.stop()
        daemon = self.begin("-m", KNOCKS)
        self.assertIn("took over door default", daemon.log())
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))

    def test_closes(self) -> None:
        """An opening ends, and sessions that are cut end with it."""
        daemon = self.begin("-m", KNOCKS, "-t", "1s", "--sessions", "cut")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())
        session = self.client.connect(PORT)
        self.addCleanup(session.close)
        self.assertTrue(daemon.says("closed door"), daemon.log())
        self.assertFalse(self.client.reaches(PORT))

    def test_nothingElse(self) -> None:
        """It has these two capabilities, and can get no others."""
        daemon = self.begin("-m", KNOCKS)
        with open(f"/proc/{daemon.popen.pid}/status") as file:
            status = dict(line.rstrip("\n").split(":\t") for line in file)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            expected = sum(1 << NUMBERS[capability] for capability in self.capabilities)
            self.assertEqual(expected, int(status[name], 16), name)
        self.assertEqual([USER] * 4, status["Uid"].split("\t"))
        self.assertEqual([USER] * 4, status["Gid"].split("\t"))
        self.assertEqual(("", "1"), (status["Groups"].strip(), status["NoNewPrivs"]))

    def test_lowPorts(self) -> None:
        """Knock ports below 1024 are heard."""
        daemon = self.begin("-m", ",".join(map(str, LOW)))
        self.client.send(LOW)
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())

    def test_sealed(self) -> None:
        """Sealed knocks open, with a file of keys that is root's; and they are noted."""
        key = self.folder / "key"
        self.server.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        self.server.run("chmod", "o+x", str(self.folder))
        notes = self.folder / "lib" / seenPath(f"{key}.pub").name
        leaveNotes(notes)
        self.server.run("chown", USER, str(notes))
        daemon = self.begin("-m", KNOCKS, "-k", f"{key}.pub")
        self.client.send(SEQUENCE)
        self.assertFalse(self.client.reaches(PORT))
        self.client.run(str(BIN / "pkdoors"), "knock", SERVER4, "-m", KNOCKS, "-i", str(key))
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())
        self.assertEqual(1, notes.read_text().count(" seen "))

    def test_keysOfRoot(self) -> None:
        """With a file of keys that it may not read it guards, and one line says what to do."""
        keys = self.folder / "keys"
        keys.touch(0o600)
        self.server.run("chmod", "o+x", str(self.folder))
        daemon = self.alone("-m", KNOCKS, "-k", str(keys))
        self.assertTrue(
            daemon.says("pkdoors install-service` lets the service read it"), daemon.log()
        )
        self.assertTrue(daemon.says("guarding door"), daemon.log())
        self.assertEqual(1, daemon.log().count("nobody may knock with a key"), daemon.log())
        self.assertFalse(self.client.reaches(PORT))


class CapturedCapabilitiesTests(CapabilitiesTests):
    """If knocks are captured, CAP_NET_ADMIN is enough, also for low ports."""

    listen = "capture"
    capabilities = ("net_admin",)
