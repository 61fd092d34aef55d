"""The client, and knocking without it."""

import signal
import time
from pathlib import Path

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase, SshTestCase
from tests.lab.hosts import BIN, CLIENT4, CLIENT6, SERVER4, SERVER6, Process

PKDOORS = str(BIN / "pkdoors")


class KnockTests(RealTestCase):
    """C{pkdoors knock}."""

    def knock(self, *options: str, **environment: str) -> tuple[int, str]:
        """Run it on the client; return status and output."""
        return self.client.status(PKDOORS, "knock", *options, **environment)

    def test_bothFamilies(self) -> None:
        """A host with IPv4 and IPv6 is knocked on over both."""
        name = f"{self.server.name}.test"
        hosts = self.folder / "hosts"
        hosts.write_text(f"{SERVER4} {name}\n{SERVER6} {name}\n")
        daemon = self.start()
        # A mount namespace of its own leaves the machine's own list of hosts as it is.
        script = f"mount --bind {hosts} /etc/hosts && {PKDOORS} knock {name} -m {KNOCKS}"
        status, output = self.client.status("unshare", "--mount", "sh", "-c", script)
        self.assertEqual(status, 0, output)
        self.assertIn(SERVER4, output)
        self.assertIn(SERVER6, output)
        self.assertTrue(daemon.says(f"for {CLIENT4} until"))
        self.assertTrue(daemon.says(f"for {CLIENT6} until"))

    def test_asksForATime(self) -> None:
        """C{--open-for} reaches the server."""
        daemon = self.start()
        self.assertEqual(self.knock(SERVER4, "-m", KNOCKS, "--open-for", "1m30s")[0], 0)
        self.assertTrue(daemon.says("(1m30s)"))

    def test_variable(self) -> None:
        """C{KNOCKER_SEQ} is used without the option."""
        daemon = self.start()
        self.assertEqual(self.knock(SERVER4, KNOCKER_SEQ=KNOCKS)[0], 0)
        self.assertTrue(daemon.says("opened door"))

    def test_wrongSequence(self) -> None:
        """If the port does not open, that is a sentence, and status 1."""
        self.start()
        wrong = ",".join(map(str, reversed(SEQUENCE)))
        waiting = ("--wait", str(PORT), "--timeout", "300ms", "--tries", "2")
        status, output = self.knock(SERVER4, "-m", wrong, *waiting)
        self.assertEqual(status, 1)
        self.assertIn(
            f"{PORT}/tcp of {SERVER4} did not answer within 300ms (knocked 2 times)", output
        )
        self.assertIn("knocking again (1 left)", output)

    def test_knocksAgain(self) -> None:
        """After a lost knock, the next one opens the door."""
        self.start("--penalty", "100ms")
        self.server.run(
            "nft",
            "table inet loss { chain c { type filter hook prerouting priority -400; "
            "udp dport 17404 numgen inc mod 1000 < 1 drop; }; }",
        )
        waiting = ("--wait", str(PORT), "--timeout", "3s", "--tries", "3")
        status, output = self.knock(SERVER4, "-m", KNOCKS, *waiting)
        self.assertEqual(status, 0, output)
        self.assertIn("knocking again (2 left)", output)

    def test_nothingListens(self) -> None:
        """An open door with nothing behind it is distinguished from a closed one."""
        self.start(ports="2300")
        waiting = ("--wait", "2300", "--timeout", "5s", "--tries", "1")
        status, output = self.knock(SERVER4, "-m", KNOCKS, *waiting)
        self.assertEqual(status, 1)
        self.assertIn("the door is probably open, but nothing listens on that port", output)

    def test_interrupted(self) -> None:
        """An interrupted client has not succeeded: a command after it with C{&&} must not run."""
        self.start()
        waiting = ("--wait", "2300", "--tries", "9", "--timeout", "1s")
        for end in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(end):
                process = self.client.spawn(PKDOORS, "knock", SERVER4, "-m", KNOCKS, *waiting)
                self.assertTrue(process.says("knocking again"))
                self.assertNotEqual(process.stop(end), 0)
                line = "interrupted" if end == signal.SIGINT else "ended by SIGTERM"
                self.assertIn(line, process.log())

    def test_noSuchHost(self) -> None:
        """A host without an address is a sentence, and status 1."""
        status, output = self.knock("nowhere.invalid", "-m", KNOCKS)
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn("no address found for 'nowhere.invalid'", output)

    def test_noRoute(self) -> None:
        """A host that cannot be reached is a sentence, and status 1."""
        self.client.run("ip", "route", "delete", "default")
        status, output = self.knock("192.0.2.9", "-m", KNOCKS)
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn("cannot knock on 192.0.2.9: Network is unreachable", output)

    def test_wrongUsage(self) -> None:
        """Wrong usage is one line, and status 2."""
        for options, word in (
            (("host", "-m", "1,2,3,4"), "5 to 20"),
            (("host", "-m", KNOCKS, "--wait", "0"), "1 to 65535"),
            (("host", "-m", KNOCKS, "--open-for", "soon"), "'soon' is not a time"),
            (("host",), "KNOCKER_SEQ"),
            ((), "HOST"),
        ):
            with self.subTest(options):
                status, output = self.knock(*options)
                self.assertEqual((status, output.count("\n")), (2, 1), output)
                self.assertIn(word, output)

    def test_needsNoRoot(self) -> None:
        """The client needs neither root nor a firewall library."""
        daemon = self.start()
        blocked = self.folder / "blocked"
        blocked.mkdir()
        for module in ("nftables", "firewall", "dbus", "gi"):
            (blocked / f"{module}.py").write_text("raise ImportError('blocked')\n")
        unprivileged = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
        knock = (PKDOORS, "knock", SERVER4, "-m", KNOCKS)
        status, output = self.client.status(*unprivileged, *knock, PYTHONPATH=str(blocked))
        self.assertEqual(status, 0, output)
        self.assertTrue(daemon.says("opened door"))


class OtherToolsTests(SshTestCase):
    """Knocking with what every machine has."""

    def test_bash(self) -> None:
        """Bash alone can knock."""
        self.start()
        ports = " ".join(map(str, SEQUENCE))
        self.client.run(
            "bash",
            "-c",
            f"for port in {ports}; do echo knock > /dev/udp/{SERVER4}/$port; sleep 0.02; done",
        )
        self.assertTrue(self.client.comesToReach(PORT))

    def test_nc(self) -> None:
        """So can C{nc}."""
        self.start()
        for port in SEQUENCE:
            self.client.run("sh", "-c", f"echo knock | nc -u -q0 {SERVER4} {port}")
        self.assertTrue(self.client.comesToReach(PORT))

    def test_ssh(self) -> None:
        """A real ssh gets to a real sshd after the knock, not before, and stays afterwards."""
        self.sshd()
        daemon = self.start(ports="22")
        self.assertTrue(self.isShut())
        status, output = self.client.status(PKDOORS, "knock", SERVER4, "-m", KNOCKS, "--wait", "22")
        self.assertEqual(status, 0, output)
        end = self.folder / "end"
        waiting = f"echo here; until [ -e {end} ]; do sleep 0.1; done; echo still here"
        session = self.client.spawn(*self.sshCommand(waiting))
        self.assertTrue(session.says("here"))
        self.assertEqual(self.ssh("echo hello")[1].splitlines()[-1], "hello")
        self.server.run(PKDOORS, "close", "--all", "--admin", f"{self.folder}/admin.sock")
        self.assertTrue(daemon.says("closed door"))
        self.assertTrue(self.isShut())
        end.touch()
        self.assertTrue(session.says("still here"))


class KeepTests(RealTestCase):
    """C{pkdoors knock --keep}."""

    def keep(self, *options: str, openFor: str = "2s") -> Process:
        """Start it on the client."""
        knock = (PKDOORS, "knock", "--keep", SERVER4, "-m", KNOCKS)
        return self.client.spawn(*knock, "--open-for", openFor, *options)

    def test_renews(self) -> None:
        """The door stays open past its time, and closes after the end."""
        daemon = self.start()
        process = self.keep()
        self.assertTrue(self.client.comesToReach(PORT))
        end = time.monotonic() + 5
        while time.monotonic() < end:
            self.assertTrue(self.client.reaches(PORT), process.log())
            time.sleep(0.1)  # nobody accepts: the backlog is finite
        self.assertEqual(0, process.stop(signal.SIGINT))
        lines = process.log().splitlines()
        self.assertGreaterEqual(len(lines), 4)
        for line in lines[:-1]:
            self.assertRegex(line, "^pkdoors knock: [0-9:]{8} knocked on 10.9.1.1 ")
        self.assertEqual(lines[-1], "stopped knocking on 10.9.1.1: its door closes by itself")
        self.assertEqual(1, daemon.log().count("opened door"), daemon.log())
        self.assertTrue(daemon.says("closed door"))
        self.assertFalse(self.client.reaches(PORT))

    def test_moved(self) -> None:
        """When the client gets another address, the door opens for that address at once."""
        daemon = self.start(openFor="60s")
        process = self.keep(openFor="60s")
        self.assertTrue(daemon.says(f"for {CLIENT4} until"), daemon.log())
        self.client.run("ip", "address", "add", "10.9.1.77/24", "dev", "server")
        self.client.run("ip", "address", "delete", f"{CLIENT4}/24", "dev", "server")
        self.client.run("ip", "address", "replace", "10.9.1.77/24", "dev", "server")
        self.assertTrue(daemon.says("for 10.9.1.77 until"), daemon.log() + process.log())
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertEqual(0, process.stop(signal.SIGTERM))

    def test_networkDown(self) -> None:
        """While the network is down it says so once; when it is back, the door opens."""
        daemon = self.start(openFor="5s")
        self.client.run("ip", "link", "set", "server", "down")
        process = self.keep(openFor="5s")
        self.assertTrue(process.says("cannot knock on 10.9.1.1: Network is unreachable (trying"))
        time.sleep(2)
        self.assertEqual(1, process.log().count("\n"), process.log())
        self.assertIsNone(process.popen.poll())
        self.client.run("ip", "link", "set", "server", "up")
        self.assertTrue(daemon.says(f"for {CLIENT4} until"), process.log())
        self.assertEqual(0, process.stop(signal.SIGINT))

    def test_wait(self) -> None:
        """With C{--wait} it says that the port answers."""
        self.start()
        process = self.keep("--wait", str(PORT))
        self.assertTrue(process.says(f"{PORT}/tcp of {SERVER4} opened"))
        self.assertEqual(0, process.stop(signal.SIGINT))

    def test_idle(self) -> None:
        """It does nothing while nothing happens."""
        self.start(openFor="60s")
        process = self.keep(openFor="60s")
        self.assertTrue(process.says("knocked on"))
        time.sleep(0.5)
        before = self.ticks(process)
        time.sleep(2)
        self.assertLessEqual(self.ticks(process) - before, 2)
        self.assertEqual(0, process.stop(signal.SIGINT))

    def ticks(self, process: Process) -> int:
        """Return the CPU time that a process has used, in hundredths of a second."""
        fields = Path(f"/proc/{process.popen.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    def test_openForIsMissing(self) -> None:
        """Without C{--open-for}, that is wrong usage and one line."""
        status, output = self.client.status(PKDOORS, "knock", "--keep", SERVER4, "-m", KNOCKS)
        self.assertEqual((2, 1), (status, output.count("\n")))
        self.assertIn("--keep needs --open-for", output)
