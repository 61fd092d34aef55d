"""A host for tests of the installation."""

import os
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import InstallError
from pkdoors.host import systemd
from pkdoors.install import installer, sharing
from pkdoors.install.installer import (
    installService,
)
from pkdoors.install.unitfiles import ServiceFiles

CODE = (Path("/bin/sh"), Path("/etc/passwd"))
"""Files that any service can read."""


class InstallTestCase(SynchronousTestCase):
    """
    With a root folder of its own, and commands that are only noted.
    """

    def setUp(self) -> None:
        """Make a root with systemd, not started, and without a configuration."""
        self.root = Path(mkdtemp())
        self.addCleanup(rmtree, self.root)
        self.files = ServiceFiles(self.root, Path("/opt/pkdoors/bin"))
        self.addCleanup(os.umask, os.umask(0o022))
        self.conf = self.root / "pkdoors.toml"
        self.seed = self.root / "port_knocker.toml"
        self.patch(sharing, "CONFS", (str(self.conf), str(self.seed)))
        self.programs = {"systemctl", "systemd-sysusers"}
        self.patch(installer, "which", lambda name: name if name in self.programs else None)
        self.patch(systemd, "RUNNING", str(self.root / "running"))
        self.group: int | None = None
        for module in (installer, sharing):
            self.patch(module, "findServiceGroup", lambda: self.group)
        self.fleetGroup: int | None = None
        self.patch(installer, "findFleetGroup", lambda: self.fleetGroup)
        self.patch(sharing, "letRead", self.letRead)
        self.readable: list[str] = []
        self.ran: list[str] = []

    def letRead(self, descriptor: int) -> bool:
        """Note which file the service may read now."""
        self.readable.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        os.fchmod(descriptor, 0o640)
        return True

    def run_(self, *argv: str) -> None:
        """Note a command."""
        self.ran.append(" ".join(argv).replace(str(self.root), ""))

    def install(self, *code: Path) -> list[str]:
        """Return the lines that the installation prints."""
        return [
            line.replace(str(self.root), "")
            for line in installService(self.files, code or CODE, self.run_)
        ]

    def refused(self, *code: Path) -> str:
        """Return the one line of the error; nothing is written."""
        line = str(self.assertRaises(InstallError, self.install, *code))
        self.assertNotIn("\n", line)
        self.assertFalse((self.root / "etc").exists())
        return line
