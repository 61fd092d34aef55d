"""Tests of C{pkdoors init --knockd} and C{--fwknop}."""

import os
import re
import shlex
import tomllib
from pathlib import Path

from pkdoors.client.profiles import Profiles
from tests.commands.setup.test_init import InitTestCase
from tests.config.foreign.test_knockd import ACCESS, DAEMON, KNOCKD


class ForeignTests(InitTestCase):
    """Doors like those of other programs."""

    def write(self, text: str, name: str = "theirs") -> str:
        """Write their file."""
        file = self.folder / name
        file.write_text(text)
        file.chmod(0o644)
        return str(file)

    def test_knockd(self) -> None:
        """Each door has new secrets and a profile; the report says what became of each key."""
        file = self.write(KNOCKD)
        stdout, stderr = self.init("--knockd", file, "--host", "a.example.org")
        ssh, web = self.config().doors
        self.assertEqual(("openssh", "open-web"), (ssh.name, web.name))
        self.assertEqual(((str(self.keys),),) * 2, (ssh.authorizedKeys, web.authorizedKeys))
        self.assertEqual((15.0, 7200.0), (ssh.knockTimeout, web.openFor))
        self.assertEqual(KNOCKD, Path(file).read_text())
        profiles = Profiles(stdout)
        self.assertEqual(["web1-openssh", "web1-open-web"], [*profiles])
        for door in (ssh, web):
            profile = profiles[f"web1-{door.name}"]
            self.assertEqual((door.sequence, door.name), (profile.sequence, profile.door))
            self.assertEqual(8, len({*door.sequence.ports}))
            self.assertFalse({7000, 8000, 9000} & {*door.sequence.ports})
        self.assertIn(f"From {file}, which stays as it is:\n  line 24 ", stderr)
        self.assertRegex(stderr, r"(?m)^  openSSH\.sequence +replaced by a new one$")
        self.assertIn("systemctl disable --now knockd. Then remove the rules", stderr)
        self.assertIn("pkdoors knock web1-openssh && ssh a.example.org", stderr)

    def test_fwknop(self) -> None:
        """Several files count; a door whose ports only the client knew gets those of sshd."""
        files = (self.write(f"{ACCESS}SOURCE ANY\n"), self.write(DAEMON, "daemon"))
        self.settings["port"] = ["2222"]
        output = str(self.folder / "profiles")
        stdout, stderr = self.init("--plain", "-o", output, "--fwknop", *files)
        self.assertEqual("", stdout)
        doors = self.config().doors
        self.assertEqual(["ssh", "program", "https", "ssh-2"], [door.name for door in doors])
        self.assertEqual("2222/tcp", str(doors[3].ports[0]))
        self.assertEqual([()] * 4, [door.authorizedKeys for door in doors])
        self.assertEqual(4, len(tomllib.loads(Path(output).read_text())["hosts"]))
        self.assertIn(f"From {', '.join(files)}, which stay as they are:\n", stderr)

    def test_ownFirewall(self) -> None:
        """The rules that close the ports go after pkdoors runs, and come back if it fails."""
        stderr = self.init("--knockd", self.write(KNOCKD), "--host", "a.example.org")[1]
        steps = re.findall(r"(?m)^\d+\. (.*)", stderr)
        check, start, remove, _, keep = steps[-5:]
        self.assertIn(" daemon --conf ", start)
        self.assertIn(
            "firewall for 22/tcp, 443/tcp, 8443/tcp as they are until pkdoors runs", check
        )
        self.assertIn("that close 22/tcp, 443/tcp, 8443/tcp, and those by which knockd let", remove)
        self.assertIn("Do not save the rules yet", remove)
        self.assertNotIn("Keep the rules", remove)
        self.assertIn("save the rules of your own firewall", keep)
        self.assertIn("443/tcp, 8443/tcp is then open to everybody. Add them again", stderr)
        self.assertIn("systemctl enable --now knockd", stderr)

    def test_hooks(self) -> None:
        """Each command that is taken over is shown as it will run, and drives no terminal."""
        long = f"/bin/long {'a' * 5000}"
        stderr = self.init(
            "--knockd",
            self.write(
                "[run]\ncommand = /bin/open %IP% | tee '\x1b[31m'\nstop_command = /bin/b; /bin/c\n"
                f"[more]\ncommand = {long}\n"
            ),
        )[1]
        self.assertIn("Read them before you start the daemon: the service runs them as", stderr)
        run, more = self.config().doors
        self.assertIn(f"  run on_open: {shlex.join(run.onOpen)}\n".replace("\x1b", "\\x1b"), stderr)
        self.assertIn(f"  run on_close: {shlex.join(run.onClose)}\n", stderr)
        self.assertEqual(long, shlex.join(more.onOpen))
        self.assertRegex(stderr, r"(?m)^  more on_open: /bin/long a{990}\.\.\. \(see the file\)$")
        self.assertIn("not as root, and in its sandbox:\n", stderr)
        # Below each is what to change, or to look at.
        self.assertEqual(3, len(re.findall(r"(?m)^  (?:run|more) on_\w+: .*\n    -> ", stderr)))
        self.assertRegex(stderr, r"run on_open: .*\n    -> the sandbox has no /home")
        self.assertNotIn("\x1b", stderr)
        # These doors protect nothing, so no rule may go.
        self.assertNotIn("remove the rules", stderr)
        self.assertNotIn("open to everybody", stderr)
        self.assertIn("Keep the rules that the hooks of run, more change", stderr)

    def test_unsafe(self) -> None:
        """A file that others can write is not read: its commands would become hooks of root's."""
        file = self.write(KNOCKD)
        os.chmod(file, 0o666)
        line = self.refused("--knockd", file, status=1)
        self.assertIn(f"others can change what {file} runs", line)
        os.unlink(file)
        os.mkfifo(file, 0o600)
        self.assertIn("a pipe, not a file", self.refused("--knockd", file, status=1))
        self.assertIn("No such file", self.refused("--fwknop", f"{file}2", status=1))
        self.assertFalse(Path(self.file).exists() or self.keys.exists())

    def test_wrong(self) -> None:
        """Files of another kind, bytes that no file has, and options that do not fit."""
        file = self.write(KNOCKD)
        self.assertIn("not the access.conf", self.refused("--fwknop", file, status=1))
        (self.folder / "bytes").write_bytes(bytes(range(256)) * 9)
        for option in ("--knockd", "--fwknop"):
            self.refused(option, str(self.folder / "bytes"), status=1)
        nul = self.write("[x]\ncommand = /bin/a \0b\n", "nul")
        self.assertIn("is not a command", self.refused("--knockd", nul, status=1))
        for more in (("--door", "web"), ("--ports", "22")):
            self.assertIn("--knockd takes this", self.refused("--knockd", file, *more, status=2))
        line = self.refused("--knockd", file, "--fwknop", file, status=2)
        self.assertIn("use only one of --seed, --knockd and --fwknop", line)
        line = self.refused("--knockd", file, "--format", "uri", status=1)
        self.assertIn("there are 2 doors, and --format uri is for one", line)
        self.assertFalse(Path(self.file).exists() or self.keys.exists())
