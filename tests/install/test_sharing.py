"""Tests of which files L{pkdoors.install.installer} lets the service read."""

import os
from pathlib import Path

from pkdoors.config.fleet import Engine, FleetConfig
from pkdoors.config.fleetfile import renderFleet
from pkdoors.config.template import renderConf
from pkdoors.install import sharing
from tests.fakes.doors import makeDoor
from tests.install.case import InstallTestCase


class ShareTests(InstallTestCase):
    """
    Tests of which files of the configuration the service may read.
    """

    def setUp(self) -> None:
        """Put all files where the service can reach them."""
        super().setUp()
        self.patch(sharing, "HIDDEN", ())
        self.root.chmod(0o755)

    def assertTrouble(self, expected: str, keys: str = "keys") -> None:
        """Assert that a trouble with keys is reported, and nothing is done to them."""
        self.assertEqual(f"trouble    {expected}", self.share(keys)[-1])
        self.assertEqual(["pkdoors.toml"], self.readable)

    def share(self, keys: str = "", extra: str = "") -> list[str]:
        """Return the lines about a configuration."""
        path = str(self.root / keys) if keys else ""
        self.conf.touch(0o600)
        self.conf.write_text(renderConf(makeDoor(authorizedKeys=path)) + extra)
        self.group = self.fleetGroup = os.getgid()
        self.patch(sharing, "readConf", lambda path: Path(path).read_text())
        said = self.install()
        return said[said.index("unchanged  user and group pkdoors-fleet") + 1 :]

    def test_conf(self) -> None:
        """The service may read its configuration; the second time nothing changes."""
        line = "/pkdoors.toml, which the service may read"
        self.assertEqual([f"changed    {line}"], self.share())
        self.assertEqual([f"unchanged  {line}"], self.share())
        self.assertEqual(["pkdoors.toml"] * 2, self.readable)

    def test_seed(self) -> None:
        """If only the file of port-knocking-doors exists, the service may read that."""
        self.seed.touch(0o600)
        self.seed.write_text(renderConf(makeDoor()))
        self.patch(sharing, "readConf", lambda path: Path(path).read_text())
        said = self.install()
        self.assertEqual("changed    /port_knocker.toml, which the service may read", said[-1])
        self.share()
        self.assertEqual(["port_knocker.toml", "pkdoors.toml"], self.readable)

    def test_keys(self) -> None:
        """The service may read the keys that the configuration names."""
        (self.root / "keys").touch(0o600)
        said = self.share("keys")
        self.assertEqual("changed    /keys, which the service may read", said[-1])
        self.assertEqual(["pkdoors.toml", "keys"], self.readable)

    def test_keysForAll(self) -> None:
        """Keys that everybody may read do not change."""
        (self.root / "keys").touch()
        self.assertEqual("unchanged  /keys, which everybody may read", self.share("keys")[-1])
        self.assertEqual(["pkdoors.toml"], self.readable)

    def test_revoked(self) -> None:
        """The same holds for the keys that are revoked."""
        line = f'revoked_keys = "{self.root / "gone"}"\n'
        (self.root / "keys").touch(0o600)
        said = self.share("keys", line)
        self.assertEqual("missing    /gone, which lists the keys that are revoked", said[-1])
        (self.root / "gone").touch(0o600)
        self.readable.clear()
        self.assertEqual(
            "changed    /gone, which the service may read", self.share("keys", line)[-1]
        )
        self.assertEqual("gone", self.readable[-1])

    def test_noKeys(self) -> None:
        """Missing keys are reported."""
        line = "missing    /keys, which lists the keys that may knock"
        self.assertEqual(line, self.share("keys")[-1])

    def test_hidden(self) -> None:
        """Keys that a service does not see are a trouble, whether they exist or not."""
        self.patch(sharing, "HIDDEN", (str(self.root / "home"),))
        sentence = "a service does not see /home/keys: move the file, for instance to /etc/pkdoors"
        self.assertTrouble(sentence, "home/keys")
        (self.root / "home").mkdir()
        (self.root / "home" / "keys").touch(0o644)
        (self.root / "link").symlink_to("home/keys")
        self.readable.clear()
        self.assertTrouble(sentence, "link")

    def test_closedFolder(self) -> None:
        """Keys in a folder that the service cannot enter are a trouble, with any mode."""
        (self.root / "keys").mkdir()
        for mode in (0o600, 0o644):
            (self.root / "keys" / "anna").touch()
            (self.root / "keys" / "anna").chmod(mode)
            (self.root / "keys").chmod(0o700)
            self.readable.clear()
            self.assertTrouble(
                "the service's user cannot enter /keys, on the way to /keys/anna: allow it with "
                "`chmod go+x /keys`, or move the file, for instance to /etc/pkdoors",
                "keys/anna",
            )

    def test_groupsFolder(self) -> None:
        """The service can enter a folder that only its group may enter."""
        (self.root / "folder").mkdir()
        (self.root / "folder").chmod(0o750)
        (self.root / "folder" / "keys").touch(0o600)
        said = self.share("folder/keys")
        self.assertEqual("changed    /folder/keys, which the service may read", said[-1])

    def test_othersChoose(self) -> None:
        """
        If others could replace the keys, root lets nobody read them: they could be any file.
        """
        (self.root / "shadow").touch(0o600)
        folder = self.root / "folder"
        folder.mkdir()
        (folder / "keys").symlink_to("../shadow")
        folder.chmod(0o777)
        line = "/folder can be written by others: run `chmod go-w /folder`"
        for keys in ("folder/keys", "folder/other"):
            (folder / "other").touch(0o600)
            self.readable.clear()
            self.assertTrouble(line, keys)

    def test_hardLink(self) -> None:
        """
        Keys with another name are a trouble, since others may have given them one of the names.
        """
        (self.root / "shadow").touch(0o600)
        os.link(self.root / "shadow", self.root / "keys")
        self.assertTrouble(
            "cannot let the service read /keys: it has other names, too: it is a hard link"
        )

    def test_fifo(self) -> None:
        """Anything but a file is reported, without waiting for a writer."""
        os.mkfifo(self.root / "keys", 0o600)
        self.assertTrouble("cannot let the service read /keys: it is not a regular file")

    def test_loop(self) -> None:
        """Links that lead nowhere count as missing."""
        (self.root / "keys").symlink_to("keys")
        line = "missing    /keys, which lists the keys that may knock"
        self.assertEqual(line, self.share("keys")[-1])

    def shareFleet(self, mode: int = 0o644) -> list[str]:
        """Return the lines about the files of a fleet."""
        (self.root / "keys").touch(0o600)
        fleet = FleetConfig(
            "prod",
            "web1",
            ("web1",),
            Engine("redis.example"),
            password=str(self.root / "password"),
            operators=str(self.root / "operators"),
        )
        (self.root / "fleet.toml").write_text(renderFleet(fleet))
        (self.root / "fleet.toml").chmod(mode)
        said = self.share("keys", "fleet = true\n")
        return said[said.index("changed    /keys, which the service may read") + 1 :]

    def test_fleet(self) -> None:
        """
        The daemon may read the operators' keys, and the fleet's service the password of the engine;
        neither reads what the other one needs.
        """
        for name in ("password", "operators"):
            (self.root / name).touch(0o600)
        group = next(iter({*os.getgroups()} - {os.getgid()}), os.getgid())
        self.patch(sharing, "findFleetGroup", lambda: group)
        said = self.shareFleet()
        self.assertEqual("changed    /operators, which the service may read", said[0])
        self.assertEqual(["pkdoors.toml", "keys", "operators"], self.readable)
        if os.getuid() == 0:
            self.assertIn("/password, which the fleet's service may read", said[1])
            status = (self.root / "password").stat()
            self.assertEqual((group, 0o640), (status.st_gid, status.st_mode & 0o777))

    def test_fleetLacks(self) -> None:
        """What is missing, or nobody could read, is said, and nothing changes."""
        self.patch(sharing, "findFleetGroup", lambda: None)
        line = "missing    the group pkdoors-fleet, which should be able to read /password"
        operators = "missing    /operators, which lists the keys that can give orders"
        self.assertEqual([operators, line], self.shareFleet())
        self.patch(sharing, "findFleetGroup", os.getgid)
        line = "missing    /password, the password for the engine of the fleet"
        (self.root / "keys").chmod(0o600)
        self.assertEqual([operators, line], self.shareFleet())
        (self.root / "keys").chmod(0o600)
        line = "trouble    the services cannot read /fleet.toml: `chmod 644 /fleet.toml`"
        self.assertEqual([line], self.shareFleet(0o600))
        (self.root / "password").touch()
        (self.root / "password").chmod(0o666)
        (self.root / "keys").chmod(0o600)
        self.assertIn("/password can be written by others", self.shareFleet()[-1])

    def test_badConf(self) -> None:
        """A configuration that others could change does not change, either."""
        self.root.chmod(0o777)
        said = self.share()
        self.assertIn("trouble    ", said[-1])
        self.assertIn(" can be written by others: ", said[-1])
        self.assertEqual([], self.readable)

    def test_bad(self) -> None:
        """A bad configuration is reported, and does not stop the installation."""
        said = self.share(extra="colour = 1\n")
        self.assertIn("trouble    /pkdoors.toml: ", said[-1])
        self.assertIn("unknown key 'colour'", said[-1])
