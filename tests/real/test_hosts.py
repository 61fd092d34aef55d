"""The hosts themselves."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import ROOT
from tests.lab.case import RealTestCase
from tests.lab.namespaces import PRIVATE

OTHER = """
import sys
from pathlib import Path
from tests.lab.hosts import Host

name, *folders = sys.argv[1:]
host = Host(name, Path("/"))
with host.inside():
    for folder in map(Path, folders):
        print((folder / f"{name}.ours").exists())
        (folder / f"{name}.theirs").touch()
host.close()
"""


class ApartTests(RealTestCase):
    """What hosts have for themselves."""

    def test_otherRun(self) -> None:
        """Another run, with a host of the same name, does not see our files, nor we its."""
        name = self.server.name
        with self.server.inside():
            for folder in PRIVATE:
                Path(folder, f"{name}.ours").touch()
        argv = [sys.executable, "-c", OTHER, name, *PRIVATE]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
        self.assertEqual(("False\n" * len(PRIVATE), ""), (done.stdout, done.stderr))
        with self.server.inside():
            for folder in PRIVATE:
                self.assertFalse(Path(folder, f"{name}.theirs").exists(), folder)

    def test_otherHost(self) -> None:
        """A file in one of these folders is on one host alone, and not on the machine."""
        for folder in PRIVATE:
            file = Path(folder, f"{self.server.name}.file")
            self.server.run("touch", str(file))
            self.assertEqual(f"{file}\n", self.server.run("ls", str(file)))
            with self.server.inside():
                self.assertTrue(file.exists())
            with self.client.inside():
                self.assertFalse(file.exists())
            self.assertFalse(file.exists())

    def test_machine(self) -> None:
        """A file of the machine's is on no host; the test's own folder is on all of them."""
        with tempfile.NamedTemporaryFile(dir="/tmp") as file:
            self.assertEqual(2, self.server.status("ls", file.name)[0])
        (self.folder / "shared").write_text("here")
        for host in (self.server, self.client):
            self.assertEqual("here", host.run("cat", str(self.folder / "shared")))

    def test_back(self) -> None:
        """A test is where it was after it was on a host, or on one from another."""

        def here() -> list[str]:
            names = ("ns/mnt", "ns/net", "cwd")
            return [os.readlink(f"/proc/thread-self/{name}") for name in names]

        before = here()
        with self.server.inside(), self.client.inside():
            self.assertFalse(set(before[:2]) & set(here()))
            self.assertEqual(before[2], here()[2])
        self.assertEqual(before, here())
