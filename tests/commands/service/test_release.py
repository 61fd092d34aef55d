"""Tests of L{pkdoors.commands.service.release}."""

import subprocess
from contextlib import redirect_stdout
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.cli import main
from pkdoors.commands.service.release import AT_BOOT
from pkdoors.host import systemd
from pkdoors.install import release


class ReleaseTests(SynchronousTestCase):
    """Tests of what C{pkdoors release} prints."""

    def run_(self, *lines: str) -> list[str]:
        """Return what it prints if a release does this."""
        self.patch(release, "releaseAll", lambda force: [*lines])
        with redirect_stdout(StringIO()) as stdout:
            main(["release"], {})
        return stdout.getvalue().splitlines()

    def test_atBoot(self) -> None:
        """If the service starts at boot, the ports do not stay open, and it says so."""
        for answer, expected in ((True, [AT_BOOT]), (False, []), (None, [])):
            self.patch(systemd, "startsAtBoot", lambda answer=answer: answer)
            self.assertEqual(["removed it", *expected], self.run_("removed it"))

    def test_nothing(self) -> None:
        """It says so if there was nothing, also if systemd does not answer."""

        def hang() -> None:
            raise subprocess.TimeoutExpired("systemctl", 3.0)

        self.patch(systemd, "startsAtBoot", hang)
        self.assertEqual(["there is nothing of pkdoors in the firewall"], self.run_())
