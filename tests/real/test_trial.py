"""Tests of C{pkdoors trial} and C{pkdoors keep} with a real systemd."""

import time

from pkdoors.commands.service.release import AT_BOOT
from tests.lab.case import PORT
from tests.lab.hosts import SERVER4, eventually
from tests.lab.terminal import Terminal
from tests.real.test_service import PKDOORS, ServiceTestCase


class ServiceTrialTests(ServiceTestCase):
    """The service on trial."""

    def setUp(self) -> None:
        """Write a configuration as C{pkdoors init} does."""
        super().setUp()
        self.machine.run(PKDOORS, "init", "--plain", "--ports", str(PORT), "--host", SERVER4)

    def assertTakenBack(self) -> None:
        """Assert that everything is as it was, and that nothing starts at boot."""
        self.assertTrue(self.client.comesToReach(PORT), self.machine.log())
        self.assertTrue(eventually(lambda: self.machine.show("ActiveState") == "inactive"))
        self.assertNotEqual(0, self.machine.status("nft", "list table inet pkdoors")[0])
        self.assertEqual("disabled", self.machine.show("UnitFileState"))
        ended = "no trial is running: `pkdoors trial` begins one\n"
        self.assertTrue(eventually(lambda: self.machine.status(PKDOORS, "keep")[1].endswith(ended)))

    def test_takenBack(self) -> None:
        """
        The port closes, and opens again when the time is over, although the command has been
        killed, and its terminal is gone.
        """
        enter = ("nsenter", f"--target={self.machine._pid()}", "--all", "--root", "--wd")
        with self.server.inside():
            terminal = Terminal(*enter, PKDOORS, "trial", "15s")
        self.assertTrue(terminal.shows("The trial ends in "), terminal.screen())
        terminal.close()
        self.assertFalse(self.client.reaches(PORT))
        status, output = self.machine.status(PKDOORS, "trial", "10m")
        self.assertEqual(1, status)
        self.assertIn("a trial is running, for ", output)
        self.assertTakenBack()

    def test_kept(self) -> None:
        """What is kept stays after the time is over, and starts at boot."""
        began = time.monotonic()
        output = self.machine.run(PKDOORS, "trial", "6s")
        self.assertIn(f"This closes {PORT}/tcp for 6s.", output)
        self.assertIn("a rule that you remove does not come back", output)
        self.assertEqual("disabled", self.machine.show("UnitFileState"))
        self.assertIn("`pkdoors keep`", self.machine.status(PKDOORS, "check")[1])
        self.assertEqual(
            "kept: the service goes on, and starts at each boot\n",
            self.machine.run(PKDOORS, "keep"),
        )
        self.assertTrue(eventually(lambda: time.monotonic() > began + 8))
        self.assertFalse(self.client.reaches(PORT))
        self.assertEqual("enabled", self.machine.show("UnitFileState"))
        self.assertEqual("inactive", self.machine.show("ActiveState", "pkdoors-trial.timer"))
        _, output = self.machine.status(PKDOORS, "trial")
        self.assertIn("already running", output)
        self.assertIn(f"{AT_BOOT}\n", self.machine.run(PKDOORS, "release"))
        self.assertTrue(self.client.reaches(PORT))
        self.machine.run("systemctl", "disable", "--quiet", "pkdoors")
        self.assertNotIn(AT_BOOT, self.machine.run(PKDOORS, "release"))

    def test_ended(self) -> None:
        """
        It can be ended before, with nothing left to be done at its time. A service that would start
        at boot does not do that during the trial, nor after it.
        """
        self.machine.run("systemctl", "enable", "--quiet", "pkdoors")
        self.machine.run(PKDOORS, "trial", "10m")
        self.assertFalse(self.client.reaches(PORT))
        self.assertEqual("disabled", self.machine.show("UnitFileState"))
        self.machine.run("systemctl", "enable", "--quiet", "pkdoors")
        output = self.machine.run(PKDOORS, "trial", "--end")
        self.assertIn("the ports are as open as the rules of other firewalls leave them", output)
        self.assertEqual("inactive", self.machine.show("ActiveState", "pkdoors-trial.timer"))
        self.assertTakenBack()

    def test_cannotStart(self) -> None:
        """If the daemon cannot start, the reason is said, and the port stays open."""
        conf = self.file("/etc/pkdoors/pkdoors.toml")
        text = conf.read_text()
        conf.write_text(f"{text}\ncolour = 1\n")
        status, output = self.machine.status(PKDOORS, "trial")
        self.assertEqual((1, 1), (status, output.count("\n")), output)
        self.assertIn("unknown key 'colour'", output)
        conf.write_text(text)
        self.machine.run("sh", "-c", "echo '[Service]\nExecStart=\nExecStart=false' >/run/x.conf")
        self.machine.run("mkdir", "/run/systemd/system/pkdoors.service.d")
        self.machine.run("mv", "/run/x.conf", "/run/systemd/system/pkdoors.service.d")
        self.machine.run("systemctl", "daemon-reload")
        status, output = self.machine.status(PKDOORS, "trial")
        self.assertEqual(1, status)
        self.assertIn("systemctl start pkdoors.service", output)
        self.assertTakenBack()
        self.machine.run("systemctl", "enable", "--quiet", "pkdoors")
        self.assertEqual(1, self.machine.status(PKDOORS, "trial")[0])
        self.assertEqual("enabled", self.machine.show("UnitFileState"))
