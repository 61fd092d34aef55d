"""The hosts themselves."""

import subprocess
import sys
from pathlib import Path

from tests import ROOT
from tests.lab.case import RealTestCase

FOLDERS = ("/run", "/var/lib/pkdoors")
OTHER = """
import sys
from pathlib import Path
from tests.lab.hosts import Host

name, *folders = sys.argv[1:]
host = Host(name, Path("/"))
for folder in map(Path, folders):
    print((folder / f"{name}.ours").exists())
    (folder / f"{name}.theirs").touch()
host.close()
"""


class ApartTests(RealTestCase):
    """Whoever else runs a daemon, or these tests, on this machine."""

    def test_otherRun(self) -> None:
        """Another run, with a host of the same name, does not see our files, nor we its."""
        name = self.server.name
        for folder in FOLDERS:
            ours = Path(folder) / f"{name}.ours"
            ours.touch()
            self.addCleanup(ours.unlink)
            self.assertEqual(f"{ours}\n", self.server.run("ls", str(ours)))
        argv = [sys.executable, "-c", OTHER, name, *FOLDERS]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
        self.assertEqual(("False\nFalse\n", ""), (done.stdout, done.stderr))
        for folder in FOLDERS:
            self.assertFalse((Path(folder) / f"{name}.theirs").exists(), folder)
