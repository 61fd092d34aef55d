"""Tests of L{pkdoors.host.systemd}."""

import os
import pwd
import subprocess
import sys
from pathlib import Path
from tempfile import NamedTemporaryFile

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.host import systemd
from pkdoors.host.systemd import (
    PACKAGE_UNIT,
    UNIT,
    isFleetOn,
    isInstalled,
    isOn,
    isPackaged,
    mayService,
    readNftablesFiles,
)
from pkdoors.install.unitfiles import LOCAL, PACKAGE

NOBODY = "nobody"
RUN = subprocess.run


class SystemctlTests(SynchronousTestCase):
    """
    Tests of L{isOn} and L{readNftablesFiles}.
    """

    def systemctl(self, script: str) -> None:
        """Put this program in the place of systemctl, or none."""
        folder = Path(self.mktemp())
        folder.mkdir()
        if script:
            (folder / "systemctl").write_text(f"#!/bin/sh\n{script}\n")
            (folder / "systemctl").chmod(0o755)

        def run(argv: list[str], **options: object) -> object:
            return RUN([str(folder / argv[0]), *argv[1:]], **options)  # type: ignore[call-overload]

        self.patch(subprocess, "run", run)

    def test_isOn(self) -> None:
        """A service is on if it is started, or enabled."""
        for question in ("is-active", "is-enabled"):
            self.systemctl(f'test "$2 $3" = "{question} nftables.service"')
            self.assertTrue(isOn("nftables.service"), question)

    def test_isOff(self) -> None:
        """It is off if it is neither, or if there is no systemd."""
        for script in ("exit 4", ""):
            self.systemctl(script)
            self.assertFalse(isOn("nftables.service"))

    def test_hangs(self) -> None:
        """A systemd that hangs is given up."""
        self.patch(systemd, "TIMEOUT", 0.05)
        self.systemctl(f"exec {sys.executable} -c 'import time; time.sleep(60)'")
        self.assertRaises(subprocess.TimeoutExpired, isOn, "nftables.service")

    def test_files(self) -> None:
        """The files of the nftables service that exist are read."""
        there, missing = Path(self.mktemp()), Path(self.mktemp())
        there.write_text("flush ruleset\n")
        self.patch(systemd, "_NFTABLES_FILES", (there, missing))
        self.assertEqual([(str(there), "flush ruleset\n")], readNftablesFiles())


class MayServiceTests(SynchronousTestCase):
    """
    Tests of L{mayService}, and of the unit's place.
    """

    def setUp(self) -> None:
        """Let another user be the service's."""
        self.patch(systemd, "NAME", NOBODY)
        self.patch(systemd, "findServiceGroup", lambda: pwd.getpwnam(NOBODY).pw_gid)

    def test_unit(self) -> None:
        """The unit is looked for at the places where it is installed."""
        self.assertEqual(Path("/", LOCAL.places["pkdoors.service"]), UNIT)
        self.assertEqual(Path("/", PACKAGE.places["pkdoors.service"]), PACKAGE_UNIT)

    def test_isFleetOn(self) -> None:
        """Without systemd it is unknown whether it would start the fleet's process."""
        for isRunning, wanted in ((False, None), (True, True)):
            self.patch(systemd, "isRunning", lambda isRunning=isRunning: isRunning)
            self.patch(systemd, "isOn", lambda service: service == "pkdoors-fleet.service")
            self.assertEqual(wanted, isFleetOn())

    def test_isInstalled(self) -> None:
        """The service is installed by either way; only one of them is a package's."""
        for unit, isPackage in (("UNIT", False), ("PACKAGE_UNIT", True)):
            self.patch(systemd, "UNIT", Path("/nowhere"))
            self.patch(systemd, "PACKAGE_UNIT", Path("/nowhere"))
            self.assertFalse(isInstalled())
            self.patch(systemd, unit, Path("/etc/passwd"))
            self.assertEqual((True, isPackage), (isInstalled(), isPackaged()))

    def test_may(self) -> None:
        """The service's user may use what the kernel lets it use."""
        for mode, access, isAllowed in (
            (0o644, "-r", True),
            (0o600, "-r", False),
            (0o644, "-x", False),
            (0o755, "-x", True),
            (0o644, "-w", False),
        ):
            # Everybody may enter the folder of this file.
            with NamedTemporaryFile() as file:
                os.chmod(file.name, mode)
                expected = isAllowed or os.geteuid() != 0
                self.assertEqual(expected, mayService(access, file.name), (oct(mode), access))

    def test_noService(self) -> None:
        """Nothing is forbidden if the service has no user; nor is a file that does not exist."""
        self.assertTrue(mayService("-r", "/nowhere"))
        self.patch(systemd, "findServiceGroup", lambda: None)
        path = Path(self.mktemp())
        path.touch(0o600)
        self.assertTrue(mayService("-r", str(path)))
