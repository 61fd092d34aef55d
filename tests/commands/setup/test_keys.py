"""Tests of the keys that C{pkdoors init} copies."""

import os
from pathlib import Path

from pkdoors.commands.setup import _keys
from pkdoors.config.parser import parseConfig
from pkdoors.errors import ConfigError
from tests.commands.setup.test_init import ANNA, InitTestCase
from tests.lab.sealing import makeKey, publicLine

WEAK = publicLine(makeKey("rsa1024"), "old").strip()
BOB = publicLine(makeKey(), "bob").strip()


class KeyTests(InitTestCase):
    """Who can log in can knock."""

    def write(self, *lines: str) -> None:
        """Write the keys that can log in."""
        self.logins.write_text("".join(f"{line}\n" for line in lines))

    def test_shown(self) -> None:
        """Each key is shown once, with what was kept and what went, and who cannot knock."""
        self.write(f'from="10.0.0.0/8",no-pty {ANNA}', ANNA, BOB, WEAK)
        _, stderr = self.init()
        self.assertIn("These 2 keys can log in as ", stderr)
        self.assertIn(f", and can now knock ({self.keys}):\n", stderr)
        self.assertIn(
            'anna@laptop (ssh-ed25519), with from="10.0.0.0/8", without no-pty, which means '
            "nothing for a knock\n",
            stderr,
        )
        self.assertIn(" bob (ssh-ed25519)\n", stderr)
        self.assertIn(f"These cannot knock:\n  {self.logins}, line 4: ", stderr)
        lines = self.keys.read_text().splitlines()[2:]
        self.assertEqual([f'from="10.0.0.0/8" {ANNA}', BOB], lines)

    def test_none(self) -> None:
        """Without a key there is one sentence with two ways, and nothing is written."""
        self.write("# nothing")
        line = self.refused(status=1)
        self.assertIn(f"can knock (looked in {self.logins}): make a key on the client", line)
        self.assertIn("`ssh-copy-id ", line)
        self.assertIn("or use --plain", line)
        self.write(WEAK, WEAK)
        line = self.refused(status=1)
        self.assertIn(f"can knock ({self.logins}, line 1: ", line)
        self.assertIn("; and 1 more)", line)
        self.settings["authorizedkeysfile"] = ["none"]
        self.assertIn("AuthorizedKeysFile in sshd_config names no file", self.refused(status=1))
        self.settings["authorizedkeyscommand"] = ["none"]
        self.settings["trustedusercakeys"] = ["/etc/ssh/ca"]
        line = self.refused(status=1)
        self.assertIn("(sshd accepts certificates (TrustedUserCAKeys): for them, use", line)
        self.settings["authorizedkeyscommand"] = ["/bin/keys"]
        self.assertIn("AuthorizedKeysCommand), which is not asked", self.refused(status=1))
        self.assertFalse(Path(self.file).exists() or self.keys.exists())

    def test_unsafe(self) -> None:
        """Keys that others could have written are not copied, as sshd does not accept them."""
        self.logins.chmod(0o666)
        line = self.refused(status=1)
        self.assertIn(f"{self.logins} is not read: {self.logins} can be written by others", line)

    def test_thereAlready(self) -> None:
        """A file of keys that exists stays as it is, and the door uses it."""
        for text in ("mine\n", ""):
            self.keys.write_text(text)
            _, stderr = self.init()
            self.assertIn(f"{self.keys} exists already and stays as it is", stderr)
            self.assertEqual(text, self.keys.read_text())
            config = parseConfig(Path(self.file).read_text(), "f")
            self.assertEqual((str(self.keys),), config.doors[0].authorizedKeys)
            os.unlink(self.file)

    def test_allOrNothing(self) -> None:
        """If the keys cannot be written, there is no configuration either."""
        from pkdoors.config import file

        write = file.writeConf

        def fail(path: str, text: str) -> bool:
            if path == str(self.keys):
                raise ConfigError("the disk is full")
            return write(path, text)

        self.patch(file, "writeConf", fail)
        output = str(self.folder / "profile")
        self.assertIn("the disk is full", self.refused("-o", output, status=1))
        self.assertFalse(Path(self.file).exists() or Path(output).exists())

    def test_user(self) -> None:
        """Another user's keys can be copied; names that are none are refused."""
        _, stderr = self.init("--user", "root")
        self.assertIn("can log in as root", stderr)
        os.unlink(self.file)
        self.assertIn(
            "has no user nobody-at-all", self.refused("--user", "nobody-at-all", status=1)
        )
        self.assertIn("is not the name of a user", self.refused("--user", "a b", status=2))
        for option in ("--plain", "--tcp", "--sealed", "--seed"):
            self.assertIn("--user is about", self.refused("--user", "root", option, status=2))

    def test_both(self) -> None:
        """Plain and sealed exclude each other."""
        line = self.refused("--plain", "--sealed", status=2)
        self.assertIn("use --plain or --sealed, not both", line)

    def test_sshPort(self) -> None:
        """The door protects the port on which sshd listens, and the steps say how to log in."""
        self.settings["port"] = ["2222"]
        stdout, stderr = self.init(SUDO_USER="anna")
        self.assertIn("wait = 2222", stdout)
        self.assertIn("pkdoors knock web1 && ssh -p 2222 anna@web1.example.org", stderr)
        config = parseConfig(Path(self.file).read_text(), "f")
        self.assertEqual("2222/tcp", str(config.doors[0].ports[0]))

    def test_address(self) -> None:
        """A name that only its own network knows gets a warning that names the option."""
        _, stderr = self.init("--host", "web1.lan")
        self.assertIn("the profile has the address web1.lan, which is a name that only", stderr)
        self.assertIn("write the name or address that they use in its place", stderr)
        os.unlink(self.file)
        os.unlink(self.keys)
        self.assertNotIn("warning", self.init("--host", "192.0.2.1")[1])

    def test_describe(self) -> None:
        """The copied file says what it is."""
        self.init()
        head = self.keys.read_text().splitlines()[:2]
        self.assertTrue(all(line.startswith("# ") for line in head))
        self.assertIn("{user}", _keys._HEAD)
