"""Starting C{twistd pkdoors}: its output, and how it ends if it cannot start."""

import fcntl
import os
import pty
import signal
import subprocess
import termios
import time
from pathlib import Path

from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase
from tests.lab.firewalld import Firewalld
from tests.lab.hosts import BIN, PATIENCE, Daemon, eventually, heedSignals

TWISTD = str(BIN / "twistd")
GOOD = ("-m", KNOCKS, "-p", str(PORT))
WITHOUT_NET_ADMIN = ("setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin")


class StartTests(RealTestCase):
    """The daemon in the foreground."""

    def fails(
        self, *options: str, before: tuple[str, ...] = (), wanted: int = 1, **environment: str
    ) -> str:
        """
        Start the daemon, which must fail with one line, a status and no change. Return the line.
        """
        rules = self.server.run("nft", "list", "ruleset")
        command = (*before, TWISTD, "-n", "--pidfile=", "pkdoors", *options)
        status, output = self.server.status(*command, **environment)
        self.assertEqual((status, output.count("\n")), (wanted, 1), output)
        self.assertEqual(self.server.run("nft", "list", "ruleset"), rules)
        return output

    def test_badValues(self) -> None:
        """A bad value gives one line with the option, the value and what is allowed."""
        for options, *words in (
            (("-m", "1,2,3,4", "-p", "22"), "--magic-seq", "it has 4 ports", "5 to 20"),
            (("-m", KNOCKS, "-p", "22x"), "--ports", "'22x'", "1 to 65535"),
            (("-m", KNOCKS, "-p", "17001/udp"), "--ports", "a knock port"),
            ((*GOOD, "-t", "-5"), "--open-for", "'-5'", "1h30m"),
            ((*GOOD, "-f", "iptables"), "--firewall", "'iptables'", "nftables"),
            (("-p", "22"), "--magic-seq", "missing", "KNOCKER_SEQ"),
        ):
            with self.subTest(options):
                output = self.fails(*options, wanted=2)
                self.assertTrue(all(word in output for word in words), output)

    def test_badVariable(self) -> None:
        """So does a bad environment variable, which counts if the option is absent."""
        line = self.fails("-p", "22", wanted=2, KNOCKER_SEQ="x,1")
        self.assertIn("KNOCKER_SEQ: item 1: it is not a port", line)
        line = self.fails("-m", KNOCKS, wanted=2, KNOCKER_PORTS="0")
        self.assertIn("KNOCKER_PORTS: '0'", line)

    def test_firstLine(self) -> None:
        """The first line of the log names pkdoors, and no line names twistd."""
        daemon = Daemon(self.server, *GOOD)
        first = daemon.log().partition("\n")[0]
        self.assertRegex(first, r"\[pkdoors#info\] pkdoors \d+\S* starts \(Python 3\.")
        self.assertNotIn("twistd", daemon.log())

    def test_variables(self) -> None:
        """With both variables no option is needed."""
        daemon = Daemon(self.server, KNOCKER_SEQ=KNOCKS, KNOCKER_PORTS="22,80")
        self.assertIn("guarding door default (22/tcp,80/tcp) with nftables", daemon.log())

    def test_secondDaemon(self) -> None:
        """A second daemon, which would take the first one's guard away, says so and ends."""
        first = Daemon(self.server, *GOOD)
        pid = first.process.popen.pid
        for options in (GOOD, ("-m", "18001,18203,18005,18404,18002,18009", "-p", "80")):
            output = self.fails(*options)
            self.assertIn(f"pkdoors is already running here (process {pid})", output)

    def test_otherPorts(self) -> None:
        """
        A daemon that does not protect the ports of an earlier one says that they are open now.
        """
        self.server.serve(PORT)
        Daemon(self.server, *GOOD).stop()
        self.assertFalse(self.client.reaches(PORT))
        daemon = Daemon(self.server, "-m", KNOCKS, "-p", "80")
        self.assertIn(f"{PORT}/tcp: an earlier daemon kept this closed", daemon.log())
        self.assertTrue(self.client.reaches(PORT))

    def test_uid(self) -> None:
        """The daemon does not start if it would lose the privilege to open doors."""
        command = (TWISTD, "-n", "--pidfile=", "--uid=65534", "pkdoors", *GOOD)
        status, output = self.server.status(*command)
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn("twistd's --uid would take from the daemon the right", output)

    def test_noPrivilege(self) -> None:
        """Without the privilege to change the firewall it says which capability is missing."""
        output = self.fails(*GOOD, before=WITHOUT_NET_ADMIN)
        self.assertIn("no privilege to change the firewall (nftables): run as root", output)

    def test_noLibnftables(self) -> None:
        """Without the Python bindings of libnftables it names their package."""
        output = self.fails(*GOOD, "-f", "nftables", PYTHONPATH=self.without("nftables"))
        self.assertIn("install python3-nftables", output)

    def test_noPythonFirewall(self) -> None:
        """Without python-firewall it names its package."""
        output = self.fails(*GOOD, "-f", "firewalld", PYTHONPATH=self.without("firewall"))
        self.assertIn("install python3-firewall", output)

    def without(self, module: str) -> str:
        """Return a folder for C{PYTHONPATH} with which a module cannot be imported."""
        folder = self.folder / f"without-{module}"
        folder.mkdir()
        (folder / f"{module}.py").write_text(f"raise ImportError('no {module}')\n")
        return str(folder)

    def test_noFirewalld(self) -> None:
        """If firewalld is requested and does not run, the daemon says so."""
        bus = f"unix:path={self.folder}/nothing"
        output = self.fails(*GOOD, "-f", "firewalld", DBUS_SYSTEM_BUS_ADDRESS=bus)
        self.assertIn("firewalld is not running: start it", output)

    def test_dryRun(self) -> None:
        """C{dry-run} says what it would do, and does nothing."""
        before = self.server.run("nft", "list", "ruleset")
        self.server.serve(PORT)
        daemon = Daemon(self.server, *GOOD, "-f", "dry-run", "-t", "1s")
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says(f"dry run: would open door default ({PORT}/tcp) for 10.9.1.2"))
        self.assertTrue(daemon.says(f"dry run: would close door default ({PORT}/tcp)"))
        self.assertTrue(self.client.reaches(PORT))
        self.assertEqual(self.server.run("nft", "list", "ruleset"), before)

    def test_weakSequence(self) -> None:
        """A weak sequence gives a warning, and works."""
        daemon = Daemon(self.server, "-m", "1001,1002,1003,1004,1005", "-p", str(PORT))
        self.assertTrue(daemon.says("the sequence is in ascending order"))
        self.assertTrue(daemon.says("in only 24 tries"))

    def test_secretStaysSecret(self) -> None:
        """The log shows no knock port."""
        daemon = self.start(openFor="2s")
        self.client.send(SEQUENCE)
        self.assertTrue(daemon.says("closed door"))
        daemon.stop()
        self.assertFalse([port for port in SEQUENCE if str(port) in daemon.log()], daemon.log())

    def test_logsKnocks(self) -> None:
        """Datagrams are logged only on request, and quoted."""
        daemon = self.start("--log-knocks")
        self.client.send(SEQUENCE[:1], b"\x1b[31mred\n")
        self.assertTrue(daemon.says(r"datagram from 10.9.1.2, 9 bytes, b'\x1b[31mred\n'"))

    def test_version(self) -> None:
        """C{-V} prints pkdoors' own version."""
        status, output = self.server.status(TWISTD, "pkdoors", "-V")
        self.assertEqual((status, output.split()[0]), (0, "pkdoors"))

    def test_endsInOrder(self) -> None:
        """Every request to end is obeyed, and leaves a line."""
        for end in (signal.SIGTERM, signal.SIGINT):
            daemon = Daemon(self.server, *GOOD)
            daemon.stop(end)
            self.assertIn(f"stopped; door default ({PORT}/tcp) stays closed", daemon.log())

    def inTerminal(self, *before: str) -> tuple[int, Path, subprocess.Popen[bytes]]:
        """
        Start a daemon in a terminal's foreground. Return the terminal, the log and the process.
        """
        master, slave = pty.openpty()
        log = self.folder / "log"

        def own() -> None:
            heedSignals()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        with self.server.inside(), log.open("wb") as output:
            process = subprocess.Popen(
                [*before, TWISTD, "-n", "--pidfile=", "pkdoors", *GOOD, "--admin", "off"],
                stdin=slave,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=own,
            )
        os.close(slave)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        self.assertTrue(eventually(lambda: "guarding door" in log.read_text()), log.read_text())
        return master, log, process

    def test_terminalGone(self) -> None:
        """If its terminal goes away, the daemon ends in order; before that, SIGHUP only reloads."""
        master, log, process = self.inTerminal()
        process.send_signal(signal.SIGHUP)
        self.assertTrue(eventually(lambda: "reloaded: nothing has changed" in log.read_text()))
        os.close(master)
        self.assertEqual(process.wait(PATIENCE), 0)
        self.assertIn(f"stopped; door default ({PORT}/tcp) stays closed", log.read_text())

    def test_nohup(self) -> None:
        """Under nohup it keeps running without its terminal."""
        master, log, process = self.inTerminal("nohup")
        os.close(master)
        self.assertTrue(eventually(lambda: "reloaded: nothing has changed" in log.read_text()))
        self.assertIsNone(process.poll())


class DaemonTests(RealTestCase):
    """The daemon in the background."""

    def daemonise(self, *options: str) -> tuple[int, str]:
        """Start it. Return the status and output that a terminal sees."""
        self.pidfile, self.logfile = self.folder / "twistd.pid", self.folder / "twistd.log"
        self.addCleanup(self.end)
        return self.server.status(
            TWISTD, f"--pidfile={self.pidfile}", f"--logfile={self.logfile}", "pkdoors", *options
        )

    def end(self) -> None:
        """End it, and wait for the end."""
        if self.pidfile.exists():
            pid = int(self.pidfile.read_text())
            os.kill(pid, signal.SIGTERM)
            eventually(lambda: not Path(f"/proc/{pid}").exists())

    def test_works(self) -> None:
        """It goes to the background, writes its log, opens doors, and ends on request."""
        self.server.serve(PORT)
        self.assertEqual(self.daemonise(*GOOD), (0, ""))
        self.assertFalse(self.client.reaches(PORT))
        os.kill(int(self.pidfile.read_text()), signal.SIGHUP)  # reloads, and does not end it
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.end()
        self.assertIn("opened door default", self.logfile.read_text())
        self.assertFalse(self.pidfile.exists())

    def test_worksWithFirewalld(self) -> None:
        """The thread for firewalld begins after the fork."""
        Firewalld(self.server)
        self.server.serve(PORT)
        self.assertEqual(self.daemonise(*GOOD), (0, ""))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))

    def test_second(self) -> None:
        """A second daemon names the process that is in the background."""
        self.daemonise(*GOOD)
        pid = self.pidfile.read_text()
        status, output = self.server.status(
            TWISTD, "-n", "--pidfile=", "pkdoors", "-m", "1,2,3,4,5", "-p", "22"
        )
        self.assertEqual(status, 1)
        self.assertIn(f"(process {pid})", output)

    def test_fails(self) -> None:
        """An error at the start is shown on the terminal, with a status that is not 0."""
        for options, wanted, words in (
            (("-m", "1,2,3,4,5", "-p", "22", "-f", "firewalld"), 1, "firewalld is not running"),
            (("-m", "1,2", "-p", "22"), 2, "--magic-seq"),
        ):
            with self.subTest(options):
                status, output = self.daemonise(*options)
                self.assertEqual((status, output.count("\n")), (wanted, 1), output)
                self.assertIn(words, output)

    def test_unknownZone(self) -> None:
        """An error that only firewalld knows is shown there, too, before anything changes."""
        Firewalld(self.server)
        status, output = self.daemonise(*GOOD, "--zone", "nowhere")
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn("firewalld has no zone 'nowhere'", output)
        self.assertNotIn("pkdoors", self.server.run("nft", "list", "ruleset"))


class LogTests(RealTestCase):
    """The log's lines about those who try."""

    def test_refusalsAreLimited(self) -> None:
        """However fast a source knocks wrongly, it gets about one line a second."""
        daemon = self.start("--penalty", "0")
        began = time.monotonic()
        while time.monotonic() < began + 2.5:
            self.client.send(SEQUENCE[:1] + SEQUENCE[2:], pause=0.0005)
        self.assertTrue(daemon.says("refused"))
        self.assertIn(daemon.log().count("refused door"), range(2, 6))
        self.assertIn("more lines like this left out", daemon.log())


class InterruptTests(RealTestCase):
    """Ctrl-C, and other signals, while the daemon starts."""

    MOMENTS = 20
    """The number of moments to test, evenly spread over the start."""

    def run_(self, moment: int, number: signal.Signals) -> tuple[int | None, str]:
        """
        Start a daemon that gets a signal at a certain call of a function after it began to handle
        signals; 0 for never.

        @return: its exit status, L{None} if it keeps running, and its output.
        """
        script = self.folder / "interrupted.py"
        script.write_text(_INTERRUPTED)
        process = self.server.spawn(
            str(BIN / "python"),
            str(script),
            str(moment),
            str(int(number)),
            "-n",
            "--pidfile=",
            "pkdoors",
            *GOOD,
            "--admin",
            "off",
        )
        ended = eventually(lambda: process.popen.poll() is not None or "ready" in process.log())
        self.assertTrue(ended, process.log())
        if "ready" not in process.log():
            return process.popen.wait(), process.log()
        if not moment:
            process.stop()
            return None, process.log()
        return process.popen.wait(PATIENCE), process.log()

    def test_anyMoment(self) -> None:
        """Whenever the signal comes, it ends the daemon, without a traceback."""
        _, log = self.run_(0, signal.SIGINT)
        count = int(log.partition("ready after ")[2].split()[0])
        for number in (signal.SIGINT, signal.SIGTERM):
            for step in range(self.MOMENTS):
                moment = 1 + step * (count - 1) // (self.MOMENTS - 1)
                status, log = self.run_(moment, number)
                self.assertEqual(-number, status, (moment, log))
                self.assertNotIn("Traceback", log)
                self.assertTrue("pkdoors: " in log or "Received SIG" in log, (moment, log))
        self.server.run("nft", "list", "ruleset")


_INTERRUPTED = """
import os, signal, sys

moment, number = int(sys.argv.pop(1)), int(sys.argv.pop(1))
signal.signal(signal.SIGINT, signal.default_int_handler)
calls = 0

def look(frame, event, argument):
    global calls
    name = frame.f_code.co_name
    if event != "call" or not (calls or name == "takeReactor"):
        return
    calls += 1
    if calls == moment:
        os.kill(os.getpid(), number)
    if name == "_ready":
        print("ready after", calls, flush=True)
        if calls > moment:
            sys.setprofile(None)

sys.setprofile(look)
from twisted.scripts.twistd import run
run()
"""
"""Runs twistd, and sends itself a signal at one moment. To find that moment it counts all calls."""
