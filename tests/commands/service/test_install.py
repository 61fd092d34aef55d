"""Tests of L{pkdoors.commands.service.install}."""

import os
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from sysconfig import get_path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.cli import main
from pkdoors.host import systemd
from pkdoors.install import installer, sharing, unitfiles
from pkdoors.install.unitfiles import PACKAGE, ServiceFiles


class OptionsTests(SynchronousTestCase):
    """
    Tests of C{pkdoors install-service} on the command line.
    """

    def run_(self, *arguments: str) -> tuple[object, str, str]:
        """Return the status, and both outputs."""
        status: object = 0
        with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
            try:
                main(["install-service", *arguments], {})
            except SystemExit as end:
                status = end.code
        return status, stdout.getvalue(), stderr.getvalue()

    def test_root(self) -> None:
        """C{--root} needs no privilege, and prints only what it did."""
        self.patch(os, "geteuid", lambda: 1000)
        folder = self.mktemp()
        status, stdout, stderr = self.run_("--root", folder)
        self.assertEqual((0, 8, ""), (status, stdout.count(f"wrote      {folder}/etc/"), stderr))
        self.assertEqual(8, stdout.count("\n"))
        status, stdout, _ = self.run_("--root", folder, "--uninstall")
        self.assertEqual((0, 8), (status, stdout.count(f"removed    {folder}/etc/")))

    def test_notRoot(self) -> None:
        """Without C{--root}, the command needs root."""
        self.patch(os, "geteuid", lambda: 1000)
        for options in ((), ("--uninstall",)):
            expected = (
                "pkdoors install-service: only root can install or uninstall a service: run it as "
                "root\n"
            )
            self.assertEqual((1, "", expected), self.run_(*options))

    def test_package(self) -> None:
        """C{--package} writes for a package; the programs can be elsewhere than here."""
        folder = Path(self.mktemp())
        options = ("--root", str(folder), "--package", "--scripts", "/usr/lib/pkdoors/bin")
        status, stdout, stderr = self.run_(*options)
        self.assertEqual((0, 8, ""), (status, stdout.count(f"wrote      {folder}/"), stderr))
        unit = folder / str(systemd.PACKAGE_UNIT).lstrip("/")
        self.assertIn('"/usr/lib/pkdoors/bin/', unit.read_text())
        for option in options[2:3], options[3:]:
            status, _, stderr = self.run_(*option)
            self.assertEqual(2, status)
            self.assertIn("--package and --scripts need --root", stderr)

    def packaged(self, scripts: Path) -> Path:
        """Install the service as a package would; return its unit."""
        folder = Path(self.mktemp()).absolute()
        list(ServiceFiles(folder, scripts, PACKAGE).place())
        unit = folder / PACKAGE.places["pkdoors.service"]
        places = {name: str(folder / place) for name, place in PACKAGE.places.items()}
        self.patch(unitfiles, "PACKAGE", PACKAGE._replace(places=places))
        self.patch(systemd, "PACKAGE_UNIT", unit)
        self.patch(sharing, "CONFS", (str(folder / "pkdoors.toml"),))
        self.ran: list[str] = []
        self.patch(installer, "runCommand", lambda *argv: self.ran.append(" ".join(argv)))
        self.patch(os, "geteuid", lambda: 0)
        return unit

    def test_packaged(self) -> None:
        """If a package has installed the service, it says so, and writes nothing."""
        unit = self.packaged(Path(get_path("scripts")))
        before = unit.stat().st_mtime_ns
        status, stdout, stderr = self.run_()
        self.assertEqual((0, ""), (status, stderr))
        first, *rest = stdout.splitlines()
        self.assertEqual(f"unchanged  {unit}, which the package has installed", first)
        self.assertIn("Start it without a trial: systemctl enable --now pkdoors", rest)
        tmpfiles = unitfiles.PACKAGE.places["pkdoors.tmpfiles"]
        self.assertEqual([f"systemd-tmpfiles --create {tmpfiles}"], self.ran)
        self.assertEqual(before, unit.stat().st_mtime_ns)

    def test_packagedUninstall(self) -> None:
        """What a package has installed, the package manager removes."""
        unit = self.packaged(Path(get_path("scripts")))
        status, stdout, stderr = self.run_("--uninstall")
        self.assertEqual((1, "", 1), (status, stdout, stderr.count("\n")))
        self.assertIn("remove that package instead (`apt remove pkdoors`)", stderr)
        self.assertTrue(unit.exists())

    def test_packagedElsewhere(self) -> None:
        """Another installation does not take the service from a package."""
        self.packaged(Path("/usr/lib/pkdoors/bin"))
        status, stdout, stderr = self.run_()
        self.assertEqual((1, "", 1), (status, stdout, stderr.count("\n")))
        self.assertIn("remove that package first (`apt remove pkdoors`)", stderr)

    def test_cannot(self) -> None:
        """An error is one line, and status 1."""
        folder = Path(self.mktemp())
        folder.write_text("in the way")
        status, stdout, stderr = self.run_("--root", str(folder))
        self.assertEqual((1, "", 1), (status, stdout, stderr.count("\n")))
        self.assertTrue(stderr.startswith(f"pkdoors install-service: cannot write {folder}/etc"))
