"""The client in one file, run by Debian's own Python in an empty folder, against a real daemon."""

import os
import subprocess
from functools import cache
from pathlib import Path

from pkdoors.install.clientfile import makeClientFile
from tests import ROOT
from tests.lab.case import KNOCKS, PORT, SshTestCase
from tests.lab.hosts import CLIENT4, SERVER4, eventually
from tests.test_loading import TOO_HEAVY

SSH_PORT = 22
PYTHON = ("/usr/bin/python3", "-I", "-S")


@cache
def make() -> bytes:
    """Return the file for Debian's Python."""
    return makeClientFile(PYTHON[0])


def _memory(*arguments: str) -> int:
    """Run Python; return its memory in kilobytes."""
    process = subprocess.Popen([PYTHON[0], *arguments], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss


class ClientFileTests(SshTestCase):
    """The file, alone in a folder."""

    def setUp(self) -> None:
        """Write it."""
        super().setUp()
        self.empty = self.folder / "empty"
        self.empty.mkdir()
        self.file = self.empty / "pkdoors-knock.pyz"
        self.file.write_bytes(make())
        self.client.environment["XDG_CONFIG_HOME"] = str(self.folder / "config")

    def knock(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Knock with it; return status and output."""
        command = ("env", "-C", str(self.empty), *PYTHON, self.file.name, "knock", *arguments)
        return self.client.status(*command, **environment)

    def profile(self, *lines: str) -> None:
        """Write the client's only profile, C{home}."""
        path = self.folder / "config" / "pkdoors" / "hosts.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        start = ("[hosts.home]", f'address = "{SERVER4}"', f"sequence = [{KNOCKS}]")
        path.write_text("\n".join([*start, *lines, ""]))
        path.chmod(0o600)

    def makeKey(self) -> Path:
        """Make a key, and return its file; and a file of keys that the daemon can use."""
        key = self.folder / "id"
        self.client.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "anna", "-f", str(key))
        (self.folder / "doors.keys").write_text(key.with_suffix(".pub").read_text())
        return key

    def agent(self, key: Path) -> None:
        """Start an SSH agent that has a key."""
        socket = self.folder / "agent"
        self.client.spawn("ssh-agent", "-D", "-a", str(socket))
        self.assertTrue(eventually(socket.exists))
        self.client.environment["SSH_AUTH_SOCK"] = str(socket)
        self.client.run("ssh-add", "-q", str(key))

    def test_script(self) -> None:
        """C{script/zipapp} makes it, in a clone."""
        made = self.folder / "made.pyz"
        subprocess.run([ROOT / "script" / "zipapp", made], check=True, stdout=subprocess.DEVNULL)
        self.assertEqual(makeClientFile(), made.read_bytes())
        said = subprocess.run([made, "--version"], check=True, capture_output=True).stdout
        self.assertTrue(said.startswith(b"pkdoors "))

    def test_plain(self) -> None:
        """A plain knock opens."""
        daemon = self.start()
        status, output = self.knock(SERVER4, "-m", KNOCKS)
        self.assertEqual((0, f"knocked on {SERVER4} ({SERVER4})\n"), (status, output))
        self.assertTrue(daemon.says(f"for {CLIENT4} until"))
        self.assertEqual([self.file], list(self.empty.iterdir()))

    def test_light(self) -> None:
        """It loads nothing heavy, and has at most 1.5 times the memory of what it has to import."""
        knock = (str(self.file), "knock", SERVER4, "-m", KNOCKS, "--interval", "0")
        argv = [*PYTHON, "-X", "importtime", *knock]
        with self.client.inside():
            done = subprocess.run(
                argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
            )
            own = _memory(*PYTHON[1:], *knock)
            small = _memory("-c", "import argparse, socket, tomllib")
        names = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        self.assertIn("pkdoors.client.blocking.driver", names)
        self.assertEqual(set(), {name.partition(".")[0] for name in names} & TOO_HEAVY)
        self.assertLess(own, 1.5 * small)

    def test_profile(self) -> None:
        """A profile says how, and the client waits."""
        self.start()
        self.profile(f"wait = {PORT}", 'open_for = "90s"')
        self.assertFalse(self.client.reaches(PORT))
        status, output = self.knock("home")
        self.assertEqual(0, status, output)
        self.assertIn("after the knock", output)
        self.assertTrue(self.client.reaches(PORT))

    def test_wait(self) -> None:
        """A door that does not open is a sentence, and status 1."""
        self.start()
        wait = ("--wait", str(PORT), "--tries", "2", "--timeout", "300ms")
        status, output = self.knock(SERVER4, "-m", "1,2,3,4,5", *wait)
        self.assertEqual(1, status, output)
        self.assertIn("did not answer within 300ms (knocked 2 times)", output)
        status, output = self.knock(SERVER4, "-m", KNOCKS, "--wait", str(PORT))
        self.assertEqual(0, status, output)

    def test_agent(self) -> None:
        """The SSH agent seals, with any key or the one that is named; and closes again."""
        key = self.makeKey()
        daemon = self.daemon("-k", str(self.folder / "doors.keys"))
        self.server.serve(PORT)
        self.agent(key)
        for identity in ("agent", f"{key}.pub", str(key)):
            status, output = self.knock(SERVER4, "-m", KNOCKS, "-i", identity, "--wait", str(PORT))
            self.assertEqual(0, status, output)
            self.assertIn("by anna (SHA256:", daemon.log())
            status, output = self.knock(SERVER4, "-m", KNOCKS, "-i", identity, "--close")
            self.assertEqual(0, status, output)
            self.assertTrue(eventually(lambda: not self.client.reaches(PORT)))

    def test_keygen(self) -> None:
        """Without an agent, ssh-keygen seals with a file; without that, it is a sentence."""
        key = self.makeKey()
        daemon = self.daemon("-k", str(self.folder / "doors.keys"))
        self.server.serve(PORT)
        sealed = (SERVER4, "-m", KNOCKS, "-i", str(key))
        status, output = self.knock(*sealed, "--wait", str(PORT), SSH_AUTH_SOCK="")
        self.assertEqual(0, status, output)
        self.assertIn("by anna (SHA256:", daemon.log())
        self.assertEqual([self.file], list(self.empty.iterdir()))
        tools = self.folder / "tools"
        tools.mkdir()
        for tool in ("env", "python3"):
            (tools / tool).symlink_to(f"/usr/bin/{tool}")
        status, output = self.knock(*sealed, SSH_AUTH_SOCK="", PATH=str(tools))
        self.assertEqual((1, 1), (status, output.count("\n")), output)
        self.assertIn("ssh-keygen", output)

    def test_connect(self) -> None:
        """Real ssh gets through it, and through the door."""
        self.sshd()
        self.daemon(ports=str(SSH_PORT))
        self.profile()
        proxy = f"ProxyCommand={' '.join(PYTHON)} {self.file} connect home %p"
        for _ in range(2):  # closed, and open
            status, output = self.client.status(
                "ssh",
                *self.sshOptions(),
                "-o",
                proxy,
                f"root@{SERVER4}",
                "head -c 1000000 /dev/zero",
            )
            self.assertEqual((0, 1_000_000), (status, output.count("\0")))
