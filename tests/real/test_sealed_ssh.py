"""
Tests of ssh through a door that only sealed knocks open, with the kinds of keys that people use.
"""

import os
import pty
import re
import signal
import subprocess

from tests import ROOT
from tests.lab.case import KNOCKS, SshTestCase
from tests.lab.hosts import BIN, SERVER4, eventually

PKDOORS = str(BIN / "pkdoors")
SCRIPT = ROOT / "docs" / "sealed-knock.sh"
SSH_PORT = 22
SECRET = "open sesame"


class SealedSshTests(SshTestCase):
    """A real sshd behind the door, and a real ssh in front of it."""

    def setUp(self) -> None:
        """Make a key, a daemon that accepts it, and a profile of its host."""
        super().setUp()
        self.sshd()
        self.key = self.folder / "id"
        self.run_("ssh-keygen", "-q", "-t", "ed25519", "-N", SECRET, "-C", "anna", "-f", self.key)
        keys = self.folder / "doors.keys"
        keys.write_text(self.key.with_suffix(".pub").read_text())
        self.keeper = self.daemon("-k", str(keys), ports=str(SSH_PORT), openFor="1h")
        self.config = self.folder / "config"
        (self.config / "pkdoors").mkdir(parents=True)
        self.hosts = self.config / "pkdoors" / "hosts.toml"
        self.client.environment["XDG_CONFIG_HOME"] = str(self.config)

    def run_(self, *argv: object) -> None:
        """Run a program on this machine, which must succeed."""
        subprocess.run([*map(str, argv)], check=True, stdin=subprocess.DEVNULL)

    def profile(self, *lines: str) -> None:
        """Write the client's only profile, C{home}."""
        start = ("[hosts.home]", f'address = "{SERVER4}"', f"sequence = [{KNOCKS}]")
        self.hosts.write_text("\n".join([*start, *lines, ""]))
        self.hosts.chmod(0o600)

    def agent(self) -> None:
        """Start an SSH agent that has the key, and another one before it."""
        socket = self.folder / "agent"
        self.client.spawn("ssh-agent", "-D", "-a", str(socket))
        self.assertTrue(eventually(socket.exists))
        self.client.environment["SSH_AUTH_SOCK"] = str(socket)
        other = self.folder / "other"
        self.run_("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", other)
        self.client.run("ssh-add", "-q", str(other))
        helper = self.folder / "askpass"
        helper.write_text(f"#!/bin/sh\necho '{SECRET}'\n")
        helper.chmod(0o700)
        status, output = self.client.status(
            "ssh-add", "-q", str(self.key), SSH_ASKPASS=str(helper), SSH_ASKPASS_REQUIRE="force"
        )
        self.assertEqual(0, status, output)

    def throughTheDoor(self, name: str) -> tuple[int, str]:
        """Run ssh to the host, with connect as its proxy."""
        proxy = f"ProxyCommand={PKDOORS} connect {name} {SSH_PORT}"
        return self.client.status(
            "ssh", *self.sshOptions(), "-o", proxy, f"root@{SERVER4}", "echo hello from inside"
        )

    def test_agent(self) -> None:
        """With the agent's keys and a profile that says sealed, ssh needs nothing else."""
        self.profile("sealed = true")
        self.agent()
        status, output = self.throughTheDoor("home")
        self.assertEqual((0, True), (status, "hello from inside" in output), output)
        self.assertIn("by anna (SHA256:", self.keeper.log())

    def test_publicKey(self) -> None:
        """A profile can name the public key whose private half the agent has."""
        self.profile(f'identity = "{self.key}.pub"', "wait = 22")
        self.agent()
        status, output = self.client.status(PKDOORS, "knock", "home")
        self.assertEqual((0, True), (status, f"{SSH_PORT}/tcp of {SERVER4} opened" in output))
        status, output = self.client.status(PKDOORS, "knock", "home", "--close")
        self.assertEqual(0, status, output)
        self.assertTrue(self.keeper.says("closed door"))
        self.assertFalse(self.client.reaches(SSH_PORT))

    def test_passphrase(self) -> None:
        """The passphrase of a key is asked for on the terminal, once."""
        self.profile(f'identity = "{self.key}"', "wait = 22")
        with self.client.inside():
            process, terminal = pty.fork()
            if process == 0:
                os.environ["XDG_CONFIG_HOME"] = str(self.config)
                os.environ.pop("SSH_AUTH_SOCK", None)
                os.execv(PKDOORS, [PKDOORS, "knock", "home"])
        text = b""
        while b"assphrase" not in text:
            text += os.read(terminal, 1000)
        os.write(terminal, SECRET.encode() + b"\n")
        try:
            while part := os.read(terminal, 1000):
                text += part
        except OSError:  # the program has ended
            pass
        self.assertEqual(0, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), text)
        self.assertNotIn(SECRET.encode(), text)
        self.assertEqual(1, len(re.findall(rb"[Pp]assphrase", text)), text)
        self.assertTrue(self.keeper.says("by anna (SHA256:"))

    def test_noKey(self) -> None:
        """A user without a key gets a sentence, and ssh ends."""
        self.profile("sealed = true")
        self.client.environment["SSH_AUTH_SOCK"] = str(self.folder / "nothing")
        status, output = self.throughTheDoor("home")
        self.assertEqual(255, status)
        self.assertIn("agent", output)
        self.assertNotIn("Traceback", output)

    def test_openSshAlone(self) -> None:
        """The script in the documentation, without pkdoors, opens and closes the door."""
        self.agent()
        script = ("bash", str(SCRIPT), f"{self.key}", SERVER4, "default", KNOCKS)
        status, output = self.client.status(*script, "60")
        self.assertEqual(0, status, output)
        self.assertTrue(self.keeper.says("(1m), by anna (SHA256:"), self.keeper.log())
        self.assertTrue(self.client.reaches(SSH_PORT))
        self.assertEqual(0, self.client.status(*script, "close")[0])
        self.assertTrue(self.keeper.says("closed door"))

    def test_keep(self) -> None:
        """C{knock --keep} renews the opening, and closes the door at its end."""
        self.profile(f'identity = "{self.key}.pub"')
        self.agent()
        keep = self.client.spawn(PKDOORS, "knock", "home", "--keep", "--open-for", "6s")
        self.assertTrue(self.keeper.says("extended door"), self.keeper.log())
        self.assertTrue(self.client.reaches(SSH_PORT))
        self.assertNotIn("closed door", self.keeper.log())
        self.assertEqual(0, keep.stop(signal.SIGINT), keep.log())
        self.assertIn("asked", keep.log().splitlines()[-1])
        self.assertTrue(self.keeper.says("closed door"))
        self.assertFalse(self.client.reaches(SSH_PORT))
