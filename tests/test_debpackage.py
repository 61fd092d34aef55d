"""Tests of the Debian package, without building it."""

import re
import subprocess
import sys
from email import message_from_string
from importlib.util import module_from_spec, spec_from_file_location
from itertools import pairwise
from pathlib import Path
from types import ModuleType

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.install.unitfiles import LOCAL, PACKAGE
from tests import ROOT

HERE = ROOT / "packaging/deb"
DEBIAN = {"ID": "debian", "VERSION_ID": "12"}
SCRIPTS = ("preinst", "postinst", "prerm", "postrm")


def load() -> ModuleType:
    """Return the module that describes the package."""
    spec = spec_from_file_location("describe", HERE / "describe.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


describe = load()


def isLess(one: str, other: str) -> bool:
    """Return whether dpkg takes the first version for the earlier one."""
    return not subprocess.run(["dpkg", "--compare-versions", one, "lt", other]).returncode


class VersionTests(SynchronousTestCase):
    """
    Tests of the version.
    """

    def test_form(self) -> None:
        """It names the distribution."""
        version = describe.debianVersion("26.12.0", DEBIAN)
        self.assertEqual("26.12.0+deb12", version)
        version = describe.debianVersion("26.12.0", {"ID": "ubuntu", "VERSION_ID": "24.04"})
        self.assertEqual("26.12.0+ubuntu24.04", version)

    def test_order(self) -> None:
        """dpkg orders versions as they came, and as the releases of the distribution came."""
        names = ("26.11.0.dev0", "26.12.0rc1", "26.12.0", "26.12.1")
        versions = [describe.debianVersion(name, DEBIAN) for name in names]
        versions.append(describe.debianVersion(names[-1], {**DEBIAN, "VERSION_ID": "13"}))
        for one, other in pairwise(versions):
            self.assertTrue(isLess(one, other), (one, other))


class ControlTests(SynchronousTestCase):
    """
    Tests of the control file.
    """

    def setUp(self) -> None:
        """Make one."""
        self.text = describe.control("26.12.0+deb12", "amd64", "27000", "libc6 (>= 2.34)")
        self.fields = message_from_string(self.text)

    def test_fields(self) -> None:
        """It has the fields that dpkg needs, once each, and ends like a file."""
        for name, value in {
            "Package": "pkdoors",
            "Version": "26.12.0+deb12",
            "Architecture": "amd64",
            "Installed-Size": "27000",
        }.items():
            self.assertEqual([value], self.fields.get_all(name))
        self.assertRegex(self.fields["Maintainer"], r"^[^<>]+ <[^<>@]+@[^<>@]+>$")
        self.assertTrue(self.text.endswith("\n") and "\n\n" not in self.text)

    def test_oneLine(self) -> None:
        """Each field but the description is one line: dpkg takes others, and lintian refuses."""
        self.assertEqual(
            ["Description"], [name for name, text in self.fields.items() if "\n" in text]
        )

    def test_depends(self) -> None:
        """Compiled modules fit one minor version of Python; the rest is what the daemon needs."""
        minor = sys.version_info.minor
        depends = self.fields["Depends"].split(", ")
        wanted = {f"python3 (>= 3.{minor}~)", f"python3 (<< 3.{minor + 1})", "libc6 (>= 2.34)"}
        self.assertLessEqual(wanted | {"python3-nftables", "nftables", "iproute2"}, {*depends})
        self.assertIn("python3-firewall", self.fields["Recommends"].split(", "))
        self.assertIn("firewalld", self.fields["Suggests"].split(", "))
        alone = message_from_string(describe.control("1", "all", "1", ""))["Depends"]
        self.assertNotIn(", ,", f"{alone},")

    def test_maintainer(self) -> None:
        """Whoever builds it can be named as Debian's tools are told it."""
        environment = {"DEBFULLNAME": "Ann", "DEBEMAIL": "ann@example.org"}
        self.assertEqual("Ann <ann@example.org>", describe.nameMaintainer(environment))


class LicenseTests(SynchronousTestCase):
    """
    Tests of the copyright file.
    """

    def package(self, folder: Path, name: str, license: str, metadata: str = "") -> None:
        """Install a package in a folder."""
        info = folder / f"{name}-1.0.dist-info"
        (info / "licenses").mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n{metadata}"
        )
        (info / "licenses/LICENSE").write_text(license)
        files = (f"{info.name}/METADATA", f"{info.name}/licenses/LICENSE", f"{name}/__init__.py")
        (folder / name).mkdir()
        (folder / name / "__init__.py").touch()
        (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))

    def test_copyright(self) -> None:
        """Each package has its files, owners, and license; Apache's is only named."""
        folder = Path(self.mktemp())
        self.package(folder, "pkdoors", "Copyright (c) 2026 us\n\nDo it.\n", "License: MIT\n")
        apache = "   Apache License\n   Version 2.0, January 2004\n\nlong\n"
        self.package(folder, "cryptography", apache, "License-Expression: Apache-2.0 OR MIT\n")
        text = describe.copyright(folder)
        head, own, other = (message_from_string(part) for part in text.split("\n\n"))
        self.assertIn("copyright-format/1.0", head["Format"])
        self.assertEqual(("*", "Copyright (c) 2026 us"), (own["Files"], own["Copyright"]))
        self.assertEqual("MIT\n Copyright (c) 2026 us\n .\n Do it.", own["License"])
        self.assertIn("usr/lib/pkdoors/*/site-packages/cryptography/*", other["Files"])
        self.assertEqual("Apache-2.0 or MIT", other["License"].partition("\n")[0])
        self.assertIn("/usr/share/common-licenses/Apache-2.0", other["License"])
        self.assertNotIn("long", text)
        self.assertIn("contains OpenSSL", other["Comment"])

    def test_missing(self) -> None:
        """A package without a license cannot be part of it."""
        folder = Path(self.mktemp())
        self.package(folder, "pkdoors", "x")
        (folder / "pkdoors-1.0.dist-info/RECORD").write_text("pkdoors/__init__.py,,\n")
        error = self.assertRaises(SystemExit, describe.copyright, folder)
        self.assertIn("pkdoors has no license", str(error))


class FilesTests(SynchronousTestCase):
    """
    Tests of the files that it has.
    """

    def test_stray(self) -> None:
        """Files elsewhere than at the package's places are found; folders do not matter."""
        good = [f"f {place}" for place in PACKAGE.places.values()]
        good += ["l usr/bin/pkdoors", "f usr/lib/pkdoors/bin/twistd", "d usr/local"]
        good += ["d usr/share/cockpit", "l usr/share/cockpit/pkdoors"]
        self.assertEqual([], describe.listStray(good))
        bad = ["usr/local/bin/pkdoors", "etc/pkdoors/pkdoors.toml", "usr/bin/twistd", "usr/lib/x"]
        bad += ["usr/share/cockpit/pkdoors/main.js", "usr/share/cockpit/other"]
        self.assertEqual(bad, describe.listStray(f"f {path}" for path in bad))

    def test_conffile(self) -> None:
        """What the service has in C{/etc} is a file that dpkg asks about before it changes it."""
        conffiles = [place for place in PACKAGE.places.values() if place.startswith("etc/")]
        build = (HERE / "build").read_text()
        named = re.findall(r'echo (/etc/\S+) >"\$stage/DEBIAN/conffiles"', build)
        self.assertEqual([f"/{place}" for place in conffiles], named)


class MaintainerScriptTests(SynchronousTestCase):
    """
    Tests of what dpkg runs. packaging/try has them run.
    """

    def run_(self, name: str, *arguments: str, isThere: bool = False, **programs: str) -> list[str]:
        """
        Run one with programs that only note how they were called; return that.

        @param isThere: whether the package is installed already.
        @param programs: what some of them do besides.
        """
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        self.home = folder / "home"
        (self.home / "bin").mkdir(parents=True)
        if isThere:
            (self.home / "installed").touch()
        log = folder / "log"
        names = "deb-systemd-helper deb-systemd-invoke getent py3clean py3compile rm systemctl "
        names += "systemd-sysusers systemd-tmpfiles userdel"
        places = [folder / each for each in names.split()]
        for place in (*places, self.home / "bin/pkdoors", self.home / "bin/python3"):
            extra = programs.get(place.name.replace("-", "_"), "")
            note = f'echo "{place.name} $*" >>{log}'
            place.write_text(f"#!/bin/sh\n{note}\n{extra}\n")
            place.chmod(0o755)
        text = (HERE / name).read_text()
        (folder / name).write_text(
            text.replace("/usr/lib/pkdoors", str(self.home))
            .replace("/run/systemd/system", "/")
            .replace("[ -e /etc/", "[ -e /nowhere/")
        )
        done = subprocess.run(
            ["sh", folder / name, *arguments],
            env={"PATH": f"{folder}:/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.output = done.stdout
        return log.read_text().splitlines() if log.exists() else []

    def test_upgrade(self) -> None:
        """At an upgrade nothing is stopped and nothing released."""
        self.assertEqual(["py3clean -p pkdoors"], self.run_("prerm", "upgrade", "26.12.1"))
        self.assertEqual([], self.run_("postrm", "upgrade", "26.12.1"))

    def test_restart(self) -> None:
        """After an upgrade a running service is restarted, and a stopped one is not."""
        for state, expected in (("active", True), ("failed", True), ("inactive", False)):
            ran = self.run_("postinst", "configure", "26.11.0", systemctl=f"echo {state}")
            self.assertEqual(expected, "deb-systemd-invoke restart pkdoors.service" in ran, ran)
            self.assertNotIn("stop", " ".join(ran))

    def test_first(self) -> None:
        """After a removal it is new again, and says how to begin if there is no configuration."""
        self.run_("postinst", "configure", "26.11.0", systemctl="echo inactive")
        installed = self.home / "installed"
        self.assertTrue(installed.exists())
        self.assertIn("Run `pkdoors init`", self.output)
        self.run_("postinst", "configure", "26.11.0", systemctl="echo inactive", isThere=True)
        self.assertEqual("", self.output)
        ran = self.run_("prerm", "remove")
        self.assertIn(f"rm -f {self.home}/installed ", "\n".join(ran))

    def test_remove(self) -> None:
        """A removal stops the service, then releases the ports and says so."""
        ran = self.run_("prerm", "remove", pkdoors="echo removed from nftables: it")
        stop = ran.index("deb-systemd-invoke stop pkdoors.service")
        self.assertEqual("pkdoors release", ran[stop + 1])
        self.assertIn("the ports that it protected are no longer closed by pkdoors", self.output)
        self.run_("prerm", "remove", pkdoors="echo there is nothing of pkdoors in the firewall")
        self.assertEqual("", self.output)

    def test_purge(self) -> None:
        """Only a purge removes secrets, notes and the user."""
        self.assertEqual(["systemctl --system daemon-reload"], self.run_("postrm", "remove"))
        ran = self.run_("postrm", "purge")
        self.assertIn("userdel pkdoors", ran)
        self.assertIn("rm -rf /etc/pkdoors /var/lib/pkdoors /var/log/pkdoors /run/pkdoors", ran)

    def test_takesOver(self) -> None:
        """All files that C{pkdoors install-service} writes are replaced by the package's."""
        text = (HERE / "preinst").read_text()
        self.assertIn(LOCAL.mark, text)
        for place in LOCAL.places.values():
            self.assertRegex(text, rf"\s/{re.escape(place)}\b")

    def test_syntax(self) -> None:
        """The shell understands all scripts, and dpkg's end at the first failure."""
        scripts = [HERE / name for name in (*SCRIPTS, "build")]
        for script in (*scripts, *(ROOT / "packaging").glob("try*")):
            subprocess.run(["sh", "-n", script], check=True)
        for name in SCRIPTS:
            self.assertIn("\nset -e\n", (HERE / name).read_text())
