"""The packages that are built, and one of them installed elsewhere."""

import ast
import atexit
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections import Counter
from configparser import ConfigParser
from functools import cache
from pathlib import Path
from shutil import copytree, ignore_patterns, rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SynchronousTestCase

import pkdoors
from pkdoors.install.unitfiles import LOCAL
from tests import ROOT
from tests.lab.page import PAGE

PLUGIN = "twisted/plugins/pkdoors_plugin.py"
_MADE = (".*", "*.egg-info", "__pycache__", "_trial_temp*", "build")


def run(*argv: str | Path, folder: Path) -> str:
    """Run a program in a folder; its output, both kinds."""
    done = subprocess.run(
        argv, cwd=folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        raise AssertionError(f"{argv} ended with {done.returncode}: {done.stdout}")
    return done.stdout


@cache
def build() -> Path:
    """Build both packages, out of a copy: a build leaves things beside the sources."""
    folder = Path(mkdtemp())
    atexit.register(rmtree, folder)
    copytree(ROOT, folder / "tree", ignore=ignore_patterns(*_MADE))
    out = folder / "out"
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, folder=folder / "tree")
    return out


class PluginTests(SynchronousTestCase):
    """
    What C{twistd} reads of every plugin that is installed.
    """

    def test_imports(self) -> None:
        """The plugin imports only C{ServiceMaker}: what fails there breaks everybody's twistd."""
        plugin = ast.parse((ROOT / PLUGIN).read_text())
        kinds = (ast.Import, ast.ImportFrom)
        found = [ast.unparse(node) for node in ast.walk(plugin) if isinstance(node, kinds)]
        self.assertEqual(["from twisted.application.service import ServiceMaker"], found)


_LIB = """
PYTHON={python}
VENV=$ROOT/.venv
say() {{ :; }}
die() {{ echo "$*" >&2; exit 1; }}
make_venv() {{ :; }}
"""


class WheelTests(SynchronousTestCase):
    """C{script/wheel}, with the packages that are installed here."""

    def make(self, name: str, mode: int, time: int) -> bytes:
        """Return the wheel of a copy whose files have a mode and a time."""
        root = Path(self.mktemp()).absolute() / name
        copytree(
            ROOT, root, ignore=ignore_patterns(*_MADE, "docs", "bench", "fuzz", "soak", "real")
        )
        (root / "script/lib.sh").write_text(_LIB.format(python=sys.executable))
        python = root / ".venv/bin/python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        for path in (root / "pkdoors").rglob("*.py"):
            path.chmod(mode)
            os.utime(path, (time, time))
        run("env", "SOURCE_DATE_EPOCH=1700000000", root / "script/wheel", root / "out", folder=root)
        (wheel,) = (root / "out").glob("*.whl")
        return wheel.read_bytes()

    def test_same(self) -> None:
        """Two builds are the same, bit by bit, whatever the clone's folder, modes and times are."""
        one = self.make("one", 0o644, 1_600_000_000)
        self.assertEqual(one, self.make("another", 0o600, 1_650_000_000))


class NewsTests(SynchronousTestCase):
    """What users read about a version."""

    def test_version(self) -> None:
        """NEWS begins with the version that this is."""
        first, line = (ROOT / "NEWS").read_text().splitlines()[:2]
        self.assertRegex(first, rf"\Apkdoors {re.escape(pkdoors.__version__.base())} \(.+\)\Z")
        self.assertEqual("=" * len(first), line)

    def test_once(self) -> None:
        """Each item stands there once, under one heading: git joins lines that two branches add."""
        parts = re.split(r"\n(?=- |\n)", (ROOT / "NEWS").read_text())
        items = Counter(" ".join(part.split()) for part in parts if part.lstrip().startswith("- "))
        self.assertEqual([], [item for item, count in items.items() if count > 1])

    def test_headings(self) -> None:
        """A blank line is before and after each heading."""
        lines = ["", *(ROOT / "NEWS").read_text().splitlines()]
        for number in [at for at, line in enumerate(lines) if re.fullmatch("[-=]{3,}", line)]:
            self.assertEqual(["", ""], [lines[number - 2], lines[number + 1]], lines[number - 1])


class RequirementTests(SynchronousTestCase):
    """The versions that C{setup.cfg} asks for."""

    def test_lowest(self) -> None:
        """C{tox} tries the lowest version of each requirement that has one."""
        setup, tox = ConfigParser(), ConfigParser()
        setup.read(ROOT / "setup.cfg")
        tox.read(ROOT / "tox.ini")
        wanted = setup["options"]["install_requires"].splitlines()
        wanted += setup["options.extras_require"]["qr"].splitlines()
        lowest = {
            name.strip(): version.strip()
            for line in wanted
            if line and line[0] != "#"
            for name, version in [line.split(">=")]
        }
        tried = {
            name.strip(): version.strip().removesuffix(".*")
            for line in tox["testenv"]["deps"].splitlines()
            if line.startswith("min:")
            for name, version in [line.removeprefix("min:").split("==")]
        }
        self.assertEqual("77", tried.pop("setuptools"))
        self.assertEqual({*lowest}, {*tried})
        for name, version in lowest.items():
            self.assertTrue(f"{tried[name]}.0".startswith(f"{version}."), name)


class PackagingTests(SynchronousTestCase):
    """
    The wheel and the source package.
    """

    def setUp(self) -> None:
        """Build both, unless another test has."""
        (self.wheel,) = build().glob("*.whl")
        (self.source,) = build().glob("*.tar.gz")

    def test_wheel(self) -> None:
        """The wheel has the plugin and pkdoors, and nothing that would overwrite Twisted's own."""
        self.assertIn(pkdoors.__version__.public(), self.wheel.name)
        names = [
            name for name in zipfile.ZipFile(self.wheel).namelist() if ".dist-info/" not in name
        ]
        self.assertIn(PLUGIN, names)
        modules = {str(path.relative_to(ROOT)) for path in (ROOT / "pkdoors").rglob("*.py")}
        self.assertEqual(modules, {each for each in names if each.endswith(".py")} - {PLUGIN})
        for template in LOCAL.places:
            self.assertIn(f"pkdoors/install/systemd/{template}", names)
        scripts = (ROOT / "pkdoors" / "client" / "export").iterdir()
        wanted = {
            f"pkdoors/client/export/{path.name}"
            for path in scripts
            if path.suffix in (".sh", ".ps1")
        }
        self.assertEqual((4, set()), (len(wanted), wanted - {*names}))
        page = {str(path.relative_to(ROOT)) for path in PAGE.rglob("*") if path.is_file()}
        self.assertEqual(page, {name for name in names if name.startswith("pkdoors/web/page/")})
        strange = [name for name in names if not name.startswith("pkdoors/")]
        self.assertEqual(strange, [PLUGIN])

    def test_source(self) -> None:
        """The source package has the tests, what they read, the scripts and the documentation."""
        names = {name.partition("/")[2] for name in tarfile.open(self.source).getnames()}
        wanted = {"tests/lab/hosts.py", "script/server", "README.md", "tox.ini", "LICENSE", "NEWS"}
        wanted |= {"package.json", "tests/web/page/rows.test.js"}
        wanted |= {"SECURITY.md", "CONTRIBUTING.md", "script/wheel", "script/sbom"}
        wanted |= {"fuzz/run.py", "fuzz/corpus/seal/good", "docs/sealed-knock.sh"}
        self.assertEqual(wanted - names, set())

    def test_installed(self) -> None:
        """Installed elsewhere, C{twistd} finds the plugin, and the client is a command."""
        folder = Path(self.mktemp()).absolute()
        home = folder / "venv"
        folder.mkdir()
        run(sys.executable, "-m", "venv", "--without-pip", home, folder=folder)
        # What pkdoors depends on comes from here, pkdoors itself does not, even if it is here, too.
        (site,) = (home / "lib").glob("python*/site-packages")
        (site / "depends.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        pip = (sys.executable, "-m", "pip", "--python", home / "bin/python", "install")
        run(*pip, "--no-deps", "--no-index", "--ignore-installed", self.wheel, folder=folder)
        twistd = "from twisted.scripts.twistd import run; run()"
        for command in (
            (home / "bin/python", "-c", twistd, "pkdoors", "--version"),
            (home / "bin/pkdoors", "--version"),
        ):
            output = run(*command, folder=folder)
            self.assertEqual(output.strip(), f"pkdoors {pkdoors.__version__.public()}")
        client = folder / "client.pyz"
        run(home / "bin/pkdoors", "init", "--client-file", client, folder=folder)
        self.assertEqual(output, run(client, "--version", folder=folder))
        where = run(
            home / "bin/python", "-c", "import pkdoors; print(pkdoors.__file__)", folder=folder
        )
        self.assertIn(str(site), where)
