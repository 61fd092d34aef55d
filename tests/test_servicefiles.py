"""Tests of L{pkdoors.servicefiles}."""

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import InstallError
from pkdoors.servicefiles import PLACES, ServiceFiles


class ServiceFilesTests(SynchronousTestCase):
    """
    Tests of L{ServiceFiles}.
    """

    def setUp(self) -> None:
        """Have a root."""
        self.root = Path(self.mktemp())
        self.files = ServiceFiles(self.root, Path("/opt/pkdoors/bin"))
        self.unit = self.root / "etc/systemd/system/pkdoors.service"

    def lines(self, word: str) -> list[str]:
        """A line for each file."""
        return [f"{word}  {self.root / place}" for place in PLACES.values()]

    def test_place(self) -> None:
        """All are placed, readable to all; the second time there is nothing to do."""
        self.assertEqual(self.lines("wrote    "), list(self.files.place()))
        modes = {path.stat().st_mode & 0o7777 for path in self.root.rglob("*") if path.is_file()}
        self.assertEqual({0o644}, modes)
        self.assertEqual(self.lines("unchanged"), list(self.files.place()))
        self.assertEqual(5, sum(path.is_file() for path in self.root.rglob("*")))

    def test_scripts(self) -> None:
        """The unit runs the programs of this installation."""
        list(self.files.place())
        text = self.unit.read_text()
        self.assertIn('ExecStart="/opt/pkdoors/bin/twistd" --nodaemon --pidfile= pkdoors\n', text)
        self.assertIn('ExecReload="/opt/pkdoors/bin/pkdoors" reload\n', text)
        self.assertNotIn("{bin}", text)

    def test_specialCharacters(self) -> None:
        """What is special in a unit is written so that it is not."""
        list(ServiceFiles(self.root, Path('/a b/50%/$x/"\\')).place())
        self.assertIn('"/a b/50%%/$$x/\\"\\\\/twistd"', self.unit.read_text())

    def test_update(self) -> None:
        """An older one of ours is replaced."""
        list(self.files.place())
        self.unit.write_text("# Made by `pkdoors install-service`, long ago\n")
        done = list(self.files.place())
        self.assertEqual(f"wrote      {self.unit}", done[-1])
        self.assertEqual(1, len([line for line in done if line.startswith("wrote")]))

    def test_strange(self) -> None:
        """One that is not ours is left alone, and then nothing else is done either."""
        self.unit.parent.mkdir(parents=True)
        self.unit.write_text("[Service]\n")
        for work in (self.files.place, self.files.remove):
            error = self.assertRaises(InstallError, list, work())
            self.assertEqual(
                f"{self.unit} is not of `pkdoors install-service`, and is left alone: "
                "move it away, then try again",
                str(error),
            )
        (only,) = (path for path in self.root.rglob("*") if path.is_file())
        self.assertEqual("[Service]\n", only.read_text())

    def test_remove(self) -> None:
        """All are removed, and nothing else; the second time there is nothing to do."""
        list(self.files.place())
        other = self.unit.with_name("ssh.service")
        other.write_text("")
        self.assertEqual(self.lines("removed  "), list(self.files.remove()))
        self.assertEqual([other], [path for path in self.root.rglob("*") if path.is_file()])
        self.assertEqual(self.lines("not there"), list(self.files.remove()))

    def test_cannotWrite(self) -> None:
        """Where one cannot be written that is a sentence."""
        self.root.mkdir()
        (self.root / "etc").write_text("in the way")
        error = self.assertRaises(InstallError, list, self.files.place())
        path = self.root / PLACES["pkdoors.sysusers"]
        self.assertEqual(f"cannot write {path}: Not a directory: run it as root", str(error))

    def test_cannotRead(self) -> None:
        """Where one cannot be read, so it is."""
        self.unit.mkdir(parents=True)
        error = self.assertRaises(InstallError, list, self.files.place())
        self.assertEqual(f"cannot read {self.unit}: Is a directory: run it as root", str(error))
