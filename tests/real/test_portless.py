"""Doors without ports, which only run programs, against a real daemon."""

import re
import signal
import textwrap
import time

from tests.lab.case import PORT, SEQUENCE
from tests.lab.controlled import SHARING, SSH, ControlledTestCase
from tests.lab.hosts import BIN, CLIENT4, SERVER6, eventually
from tests.lab.pages import DOCS, block


class PortlessCase(ControlledTestCase):
    """With a door without ports, and the program that it runs."""

    def setUp(self) -> None:
        """Make the program."""
        super().setUp()
        self.ran = self.folder / "ran"
        self.program = self.folder / "program"
        self.program.write_text(
            '#!/bin/sh\necho "$1 $PKDOORS_DOOR $PKDOORS_SOURCE ports=$PKDOORS_PORTS" '
            f">> {self.ran}\n"
        )
        self.program.chmod(0o755)

    def wake(self, openFor: str = "1m", more: str = "", sequence: tuple[int, ...] = SHARING) -> str:
        """Return such a door, as a file has it."""
        return textwrap.dedent(
            f"""
            [doors.wake]
            sequence = {list(sequence)}
            ports = []
            open_for = "{openFor}"
            on_open = ["{self.program}", "open"]
            on_close = ["{self.program}", "close"]
            {more}
            """
        )

    def runs(self) -> list[str]:
        """Return what the program was run for."""
        return self.ran.read_text().splitlines() if self.ran.exists() else []

    def assertRuns(self, *expected: str) -> None:
        """Assert that the program comes to be run for this, and for nothing else."""
        lines = [f"{line} {CLIENT4} ports=" for line in expected]
        self.assertTrue(eventually(lambda: self.runs() == lines), f"{self.runs()} {lines}")

    def pkdoors(self, *arguments: str) -> tuple[int, str]:
        """Run a command that asks the daemon."""
        command, *rest = arguments
        return self.server.status(str(BIN / "pkdoors"), command, "--admin", str(self.socket), *rest)


class FirewalldPortlessTests(PortlessCase):
    """With firewalld before the guard, which has nothing to do with such a door."""

    firewall = "firewalld"

    def test_opens(self) -> None:
        """A knock runs the program once, and its end the other; nothing opens in any firewall."""
        daemon = self.controlled(SSH, self.wake(openFor="3s"))
        self.client.send(SHARING)
        self.assertRuns("open wake")
        self.assertFalse(self.client.reaches(PORT))
        self.client.send(SHARING)
        self.assertTrue(daemon.says(f"extended door wake (no ports) for {CLIENT4}"))
        self.assertRuns("open wake", "close wake")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertRuns("open wake", "close wake")

    def test_restart(self) -> None:
        """
        An opening is taken over by the next daemon: the program is not run again, but what is due
        at the end is run then.
        """
        for signal_ in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signal_):
                self.ran.unlink(missing_ok=True)
                daemon = self.controlled(SSH, self.wake(openFor="10s"))
                self.client.send(SHARING)
                self.assertRuns("open wake")
                daemon.stop(signal_)
                daemon = self.controlled(SSH, self.wake(openFor="10s"))
                self.assertIn(f"took over door wake (no ports) for {CLIENT4}", daemon.log())
                self.assertRuns("open wake")
                self.assertRuns("open wake", "close wake")
                daemon.stop()

    def test_overdue(self) -> None:
        """If no daemon was there at the deadline, the next one runs what was due."""
        for signal_ in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(signal_):
                self.ran.unlink(missing_ok=True)
                daemon = self.controlled(SSH, self.wake(openFor="2s"))
                self.client.send(SHARING)
                self.client.send(SEQUENCE)
                self.assertRuns("open wake")
                daemon.stop(signal_)
                time.sleep(3)
                daemon = self.controlled(SSH, self.wake(openFor="2s"))
                self.assertRuns("open wake", "close wake")
                self.assertTrue(daemon.says(f"closed door wake (no ports) for {CLIENT4}"))
                daemon.stop()
                daemon = self.controlled(SSH, self.wake(openFor="2s"))
                self.assertNotIn("took over door wake", daemon.log())
                daemon.stop()

    def test_reload(self) -> None:
        """A reload adds and removes such a door; the latter runs what is due at its end."""
        daemon = self.controlled(SSH)
        self.write(SSH, self.wake())
        status, line = self.pkdoors("reload")
        self.assertEqual((0, "door wake (no ports) is new\n"), (status, line))
        self.client.send(SHARING)
        self.assertRuns("open wake")
        self.write(SSH, self.wake(openFor="2m"))
        self.assertEqual(0, self.pkdoors("reload")[0])
        self.assertRuns("open wake")
        self.write(SSH)
        self.assertEqual(0, self.pkdoors("reload")[0])
        self.assertRuns("open wake", "close wake")
        self.assertFalse(self.client.reaches(PORT))
        self.assertNotIn("Traceback", daemon.log())

    def test_getsPorts(self) -> None:
        """An opening of a door without ports opens none when the door gets some."""
        self.controlled(SSH, self.wake())
        self.client.send(SHARING)
        self.assertRuns("open wake")
        self.write(SSH, self.wake().replace("ports = []", f"ports = [{PORT}]"))
        self.assertEqual(0, self.pkdoors("reload")[0])
        self.assertFalse(self.client.reaches(PORT))
        self.assertRuns("open wake", "close wake")


class PortlessTests(FirewalldPortlessTests):
    """With nftables alone."""

    firewall = "nftables"

    def test_alone(self) -> None:
        """A daemon whose doors have no ports closes none; status, open, close and check know it."""
        daemon = self.controlled(self.wake(), more=f'listen = "{self.listen}"')
        self.assertTrue(self.client.reaches(PORT))
        self.assertTrue(self.client.reaches(PORT, SERVER6))
        status, line = self.pkdoors("open", CLIENT4)
        self.assertEqual(0, status, line)
        self.assertIn(f"door wake (no ports) is open for {CLIENT4} until ", line)
        self.assertRuns("open wake")
        _, line = self.pkdoors("status")
        self.assertRegex(line, "wake +no ports +sequence +1 address")
        status, line = self.pkdoors("close", CLIENT4)
        self.assertEqual((0, f"closed door wake for {CLIENT4}\n"), (status, line))
        self.assertRuns("open wake", "close wake")
        status, line = self.server.status(
            str(BIN / "pkdoors"), "check", "-c", str(self.file), "--admin", str(self.socket)
        )
        self.assertNotIn("Traceback", line)
        self.assertNotIn("ERROR", line)
        self.assertTrue(self.client.reaches(PORT))
        daemon.stop()
        self.assertIn("stopped; door wake (no ports) stays closed", daemon.log())

    def test_flush(self) -> None:
        """A flush of the firewall changes nothing for such a door."""
        daemon = self.controlled(SSH, self.wake(openFor="6s"))
        self.client.send(SHARING)
        self.assertRuns("open wake")
        for _ in range(3):
            self.server.run("nft", "flush", "ruleset")
            time.sleep(0.2)
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT)))
        self.assertRuns("open wake", "close wake")
        self.client.send(SHARING)
        self.assertRuns("open wake", "close wake", "open wake")
        self.assertNotIn("Traceback", daemon.log())

    def test_release(self) -> None:
        """C{release} leaves nothing."""
        self.controlled(self.wake()).stop()
        self.server.run(str(BIN / "pkdoors"), "release")
        self.assertNotIn("pkdoors", self.server.run("nft", "list", "ruleset"))

    def test_brokenConfiguration(self) -> None:
        """With a broken configuration the guard stays, and what is due waits for its repair."""
        self.controlled(SSH, self.wake(openFor="2s")).stop()
        daemon = self.controlled(SSH, self.wake(openFor="2s"))
        self.client.send(SHARING)
        self.assertRuns("open wake")
        daemon.stop()
        good = self.file.read_text()
        self.file.write_text("broken")
        status, line = self.server.status(
            str(BIN / "twistd"), "-n", "--pidfile=", "pkdoors", "-c", str(self.file)
        )
        self.assertNotEqual(0, status)
        self.assertIn("the guard that is in place stays", line)
        self.file.write_text(good)
        self.controlled(SSH, self.wake(openFor="2s"))
        self.assertRuns("open wake", "close wake")

    def test_examples(self) -> None:
        """The examples of the documentation work, with stand-ins for the programs that they run."""
        page = DOCS / "programs.md"
        for name in ("wakeonlan", "systemctl"):
            stand_in = self.folder / name
            stand_in.write_text(f'#!/bin/sh\necho "${{0##*/}} $*" >> {self.ran}\n')
            stand_in.chmod(0o755)
        script = self.folder / "pkdoors-unban"
        text = block("#!/bin/sh", page)
        self.assertIn("exec systemctl", text)
        script.write_text(text.replace("systemctl", str(self.folder / "systemctl")))
        script.chmod(0o755)
        doors = block("[doors.wake]", page)
        for place in ("/usr/local/bin/", "/usr/bin/"):
            doors = doors.replace(place, f"{self.folder}/")
        self.controlled(doors)
        ran = []
        for name, line in (
            ("wake", "wakeonlan 00:11:22:33:44:55"),
            ("build", "systemctl start build-server.service"),
            ("unban", f"systemctl start pkdoors-unban@{CLIENT4}.service"),
        ):
            (sequence,) = re.findall(rf"\[doors.{name}\]\nsequence = \[(.*)\]", doors)
            self.client.send(map(int, sequence.split(",")))
            ran.append(line)
            self.assertTrue(eventually(lambda: self.runs() == ran), f"{self.runs()} {ran}")
        self.pkdoors("close", CLIENT4, "--door", "build")
        ran.append("systemctl stop build-server.service")
        self.assertTrue(eventually(lambda: self.runs() == ran), f"{self.runs()} {ran}")


class CapturedPortlessTests(PortlessTests):
    """Knocks heard from the packet log."""

    listen = "capture"
