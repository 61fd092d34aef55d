"""A test of C{script/sbom}, which installs its tool from the package index."""

import json
import subprocess
import sys
from configparser import ConfigParser
from importlib.metadata import version
from pathlib import Path
from re import match

from twisted.trial.unittest import SynchronousTestCase

from tests import ROOT


class SbomTests(SynchronousTestCase):
    """The list of the packages that an installation consists of."""

    def test_packages(self) -> None:
        """It has pkdoors, and each package that this needs, with the version that is installed."""
        file = Path(self.mktemp()).absolute()
        command = [str(ROOT / "script/sbom"), str(file), sys.executable]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        self.assertEqual(0, done.returncode, done.stderr)
        self.assertIn(f"wrote {file}", done.stderr)
        written = json.loads(file.read_text())
        self.assertEqual(("CycloneDX", "1.6"), (written["bomFormat"], written["specVersion"]))
        found = {(each["name"].lower(), each["version"]) for each in written["components"]}
        config = ConfigParser()
        config.read(ROOT / "setup.cfg")
        needed = config["options"]["install_requires"].split("\n")
        names = [begin[0] for line in needed if (begin := match(r"[\w.-]+", line))]
        self.assertGreater(len(names), 2)
        for name in ("pkdoors", *names):
            self.assertIn((name.lower(), version(name)), found)

    def test_usage(self) -> None:
        """Without a file it says what it needs."""
        done = subprocess.run([str(ROOT / "script/sbom")], capture_output=True, text=True)
        self.assertEqual(1, done.returncode)
        self.assertIn("usage: ", done.stderr)
