"""Tests of exports in the programs that they are for: ssh, bash, C{knock}, C{nc}, zbar's reader."""

import base64
import json
import os
import subprocess
from pathlib import Path

from tests import ROOT
from tests.lab.case import KNOCKS, PORT, SEQUENCE, RealTestCase, SshTestCase
from tests.lab.controlled import ControlledTestCase, door
from tests.lab.hosts import BIN, CLIENT4, CLIENT6, SERVER4, SERVER6, Daemon, eventually
from tests.real.test_tcpknocks import ALL_TCP, MIXED, tcpDoor

PKDOORS = str(BIN / "pkdoors")
SSH_PORT = 22
TOOLS = {
    *"base64 cat cut date getent grep mktemp od rm sha256sum sleep sort ssh-keygen tail tr".split()
}
"""All that the scripts start."""
MINUTE = 'open_for = "1m30s"'


class ExportTestCase(RealTestCase):
    """A test with a client that has a profile."""

    def setUp(self) -> None:
        """Have a place for profiles."""
        super().setUp()
        self.config = self.folder / "config"
        self.client.environment["XDG_CONFIG_HOME"] = str(self.config)
        self.client.environment["HOME"] = str(self.folder)

    def profile(
        self, *lines: str, address: str = SERVER4, sequence: tuple[int | str, ...] = SEQUENCE
    ) -> None:
        """Write the client's only profile, C{home}."""
        start = ("[hosts.home]", f'address = "{address}"', f"sequence = {json.dumps(sequence)}")
        file = self.config / "pkdoors" / "hosts.toml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([*start, *lines, ""]))
        file.chmod(0o600)

    def export(self, form: str, *options: str) -> str:
        """Export the profile."""
        return self.client.run(PKDOORS, "export", "home", "--format", form, *options)

    def script(self, form: str = "bash") -> str:
        """Export the profile to a script, and return its path."""
        path = self.folder / f"knock-{form}.sh"
        path.unlink(missing_ok=True)
        self.export(form, "-o", str(path))
        self.assertEqual(0o600, path.stat().st_mode & 0o777)
        return str(path)

    def runs(self, *argv: str, **environment: str) -> None:
        """Run a program on the client, which succeeds, and prints nothing that it was not asked."""
        status, output = self.client.status(*argv, **environment)
        self.assertEqual((0, ""), (status, output))


class BashTests(ExportTestCase):
    """The scripts for bash, and the one for Termux, which is bash as well."""

    def test_opens(self) -> None:
        """It opens the door, for the time in the profile."""
        daemon = self.start()
        self.profile(MINUTE)
        self.runs("bash", self.script())
        self.assertTrue(daemon.says("(1m30s)"))
        self.assertTrue(self.client.comesToReach(PORT))

    def test_withoutTime(self) -> None:
        """Without a time in the profile it is the door's; over IPv6 as well, and in Termux."""
        daemon = self.start(openFor="77s")
        self.profile(address=SERVER6)
        self.runs("bash", self.script("termux"))
        self.assertTrue(daemon.says(f"for {CLIENT6} until"))
        self.assertTrue(daemon.says("(1m17s)"))

    def test_bothFamilies(self) -> None:
        """It knocks on all addresses of a name."""
        daemon = self.start()
        name = f"{self.server.name}.test"
        hosts = self.folder / "hosts"
        hosts.write_text(f"{SERVER4} {name}\n{SERVER6} {name}\n")
        self.profile(address=name)
        # A mount namespace of its own leaves the machine's own list of hosts as it is.
        command = f"mount --bind {hosts} /etc/hosts && bash {self.script()}"
        self.runs("unshare", "--mount", "sh", "-c", command)
        self.assertTrue(daemon.says(f"for {CLIENT4} until"))
        self.assertTrue(daemon.says(f"for {CLIENT6} until"))

    def test_connects(self) -> None:
        """With a port it connects standard input and output to it."""
        self.daemon()
        listening = self.server.serve(PORT)
        self.profile()
        reader = self.client.spawn("bash", self.script(), str(PORT))
        peer, _ = listening.accept()
        self.addCleanup(peer.close)
        peer.send(b"welcome\n")
        self.assertTrue(reader.says("welcome"))

    def test_commandLines(self) -> None:
        """No program that a script starts gets a port on its command line, where C{ps} shows it."""
        tools = self.folder / "tools"
        tools.mkdir()
        log = self.folder / "commands"
        key = self.folder / "key"
        self.client.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        for name in TOOLS:
            tool = tools / name
            tool.write_text(f'#!/bin/bash\necho "$0 $*" >> {log}\nPATH=$OLD exec {name} "$@"\n')
            tool.chmod(0o755)
        path = os.environ["PATH"]
        for lines in ((MINUTE,), ("sealed = true",)):
            self.profile(*lines)
            script = self.script()
            environment = {"PATH": str(tools), "OLD": path, "PKDOORS_KEY": str(key)}
            self.runs("/bin/bash", script, **environment)
        shown = log.read_text()
        self.assertEqual(
            {*TOOLS} - {"nc", "shasum"}, {Path(x.split()[0]).name for x in shown.splitlines()}
        )
        self.assertEqual([], [port for port in SEQUENCE if str(port) in shown], shown)

    def test_noWay(self) -> None:
        """A host that cannot be reached is one sentence, without a port of the sequence."""
        for address in ("nowhere.invalid", "2001:db8::1"):
            self.profile(address=address)
            self.client.run("ip", "-6", "route", "flush", "default")
            status, output = self.client.status("bash", self.script())
            self.assertEqual((1, f"nothing can be sent to {address}\n"), (status, output))


class TcpTests(ControlledTestCase, ExportTestCase):
    """Sequences with TCP ports, and doors that hear any payload."""

    listen = "capture"

    def test_bash(self) -> None:
        """bash knocks on TCP ports, too, whether they answer or not."""
        self.controlled(tcpDoor(MIXED))
        self.profile(sequence=MIXED)
        self.runs("bash", self.script())
        self.assertTrue(self.client.comesToReach(PORT))

    def test_bashLeavesNothing(self) -> None:
        """No attempt to connect goes on after it, even if its signals are ignored."""
        rule = "add chain inet h i { type filter hook input priority 0; policy drop; }"
        self.server.run("nft", f"add table inet h; {rule}")
        self.profile(sequence=ALL_TCP)
        self.runs("sh", "-c", f"trap '' PIPE TERM HUP; exec bash {self.script()}")
        self.assertEqual("", self.client.run("ss", "-Htn", "state", "syn-sent"))

    def test_bashDropped(self) -> None:
        """No answer holds it up."""
        rule = "add chain inet h i { type filter hook input priority 0; policy drop; }"
        self.server.run(
            "nft", f"add table inet h; {rule}; add rule inet h i tcp dport {PORT} accept"
        )
        self.controlled(tcpDoor(ALL_TCP))
        self.profile(sequence=ALL_TCP)
        self.runs("bash", self.script())
        self.assertTrue(self.client.comesToReach(PORT))

    def test_knock(self) -> None:
        """The line for Debian's C{knock} opens a door with TCP ports."""
        self.controlled(tcpDoor(ALL_TCP))
        for address in (SERVER4, SERVER6):
            self.profile(address=address, sequence=ALL_TCP)
            self.client.run("sh", "-c", self.export("knockd"))
            self.assertTrue(self.client.comesToReach(PORT, address))

    def test_knockAny(self) -> None:
        """It also opens one with UDP ports that hears any payload, and a mixed one."""
        self.controlled(door("loose", more='payload = "any"'))
        self.profile('payload = "any"')
        self.client.run("sh", "-c", self.export("knockd"))
        self.assertTrue(self.client.comesToReach(PORT))


class KnockOnPortsTests(ExportTestCase):
    """The file for the Android app, and a program here that does with it what the app does."""

    def test_opens(self) -> None:
        """What the app sends opens the door."""
        daemon = self.start()
        self.profile(MINUTE)
        read = json.loads(self.export("knockonports"))
        (sequence,) = read["sequences"]
        self.assertEqual(
            (1, "home", SERVER4), (read["version"], sequence["name"], sequence["host"])
        )
        for step in sequence["steps"]:
            self.assertEqual(("udp", "base64"), (step["type"], step["encoding"]))
            content = base64.b64decode(step["content"], validate=True)
            self.client.send([step["port"]], content, pause=sequence["delay"] / 1000)
        self.assertTrue(daemon.says("(1m30s)"))
        self.assertTrue(self.client.comesToReach(PORT))


class CodeTests(ExportTestCase):
    """QR codes, read by zbar."""

    def read(self, picture: Path) -> str:
        """Return what zbar reads in a picture."""
        return self.client.run("zbarimg", "--nodbus", "-q", "--raw", str(picture))

    def test_import(self) -> None:
        """Another client imports what zbar reads in the picture, and gets in."""
        self.start()
        self.profile(f"wait = {PORT}")
        picture = self.folder / "code.png"
        self.export("qr", "-o", str(picture))
        self.assertEqual(0o600, picture.stat().st_mode & 0o777)
        self.client.environment["XDG_CONFIG_HOME"] = str(self.folder / "other")
        command = f"zbarimg --nodbus -q {picture} | {PKDOORS} import"
        output = self.client.run("sh", "-c", command)
        self.assertIn("[hosts.home]", output)
        self.assertFalse([port for port in SEQUENCE if str(port) in output])
        self.assertIn("opened", self.client.run(PKDOORS, "knock", "home"))

    def test_pictures(self) -> None:
        """The drawing for a terminal and the vector picture say the same."""
        self.profile('door = "ssh"', "sealed = true", MINUTE)
        expected = self.export("uri")
        known = f"pkdoors://{SERVER4}?seq={KNOCKS}&door=ssh&sealed=1&"
        self.assertTrue(expected.startswith(known), expected)
        vector, picture = self.folder / "code.svg", self.folder / "code.png"
        self.export("qr", "-o", str(vector))
        self.client.run("rsvg-convert", "-b", "white", "-o", str(picture), str(vector))
        self.assertEqual(expected, self.read(picture))
        drawn = self.export("qr").splitlines()
        self.assertEqual(expected, self.read(self.rasterize(drawn)))

    def rasterize(self, drawn: list[str]) -> Path:
        """Write a drawing in half blocks as a picture: what a terminal shows, black on white."""
        rows = []
        for line in filter(None, drawn):
            rows.append([letter in "\u2588\u2580" for letter in line])
            rows.append([letter in "\u2588\u2584" for letter in line])
        pixels = "".join(
            (("0" if light else "1") * 4).ljust(4)
            for row in rows
            for _ in range(4)
            for light in row
        )
        picture = self.folder / "drawn.pbm"
        picture.write_text(f"P1\n{4 * len(rows[0])} {4 * len(rows)}\n{pixels}\n")
        return picture


class SshTests(SshTestCase, ExportTestCase):
    """Blocks for ssh's configuration."""

    def setUp(self) -> None:
        """Start sshd behind the door."""
        super().setUp()
        self.sshd()

    def reached(self, block: str, host: str = "home") -> None:
        """Assert that ssh gets in with a block in its configuration."""
        self.assertFalse([port for port in SEQUENCE if str(port) in block], block)
        file = self.folder / "ssh_config"
        file.write_text(block)
        options = self.sshOptions()[2:]  # without -F none
        status, output = self.client.status(
            "ssh", "-F", str(file), *options, f"root@{host}", "echo hello from inside"
        )
        self.assertEqual((0, True), (status, "hello from inside" in output), output)

    def makeKey(self, name: str) -> Path:
        """Make a key in a folder of ssh's."""
        key = self.folder / ".ssh" / name
        key.parent.mkdir(mode=0o700, exist_ok=True)
        self.client.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "anna", "-f", str(key))
        return key

    def sealed(self, key: Path) -> Daemon:
        """Start a daemon that accepts a key."""
        keys = self.folder / "doors.keys"
        keys.write_text(key.with_suffix(".pub").read_text())
        return self.daemon("-k", str(keys), ports=str(SSH_PORT))

    def test_connect(self) -> None:
        """With C{pkdoors connect}: by the profile's name, and by the address."""
        self.daemon(ports=str(SSH_PORT), openFor="1s")
        self.profile()
        block = self.export("ssh-config")
        for host in ("home", SERVER4):
            self.reached(block, host)

    def test_script(self) -> None:
        """With a script that needs bash and nc alone; C{ps} shows no port."""
        daemon = self.daemon(ports=str(SSH_PORT))
        self.profile()
        script = self.folder / "it's a % script"
        self.assertIn("quotes", self.client.status(*self.command(script))[1])
        script = script.with_name("a % script.sh")
        self.reached("".join(self.client.run(*self.command(script)).partition("Host")[1:]))
        self.assertTrue(daemon.says("opened door"))
        self.assertEqual(0o600, script.stat().st_mode & 0o777)

    def command(self, script: Path) -> tuple[str, ...]:
        """Return the command line that exports to ssh and to a script."""
        return (PKDOORS, "export", "home", "--format", "ssh-config-bash", "-o", str(script))

    def test_sealed(self) -> None:
        """The script seals, with a key of ssh's or another one, and asks for a time."""
        key = self.makeKey("id_ed25519")
        daemon = self.sealed(key)
        self.profile("sealed = true", MINUTE)
        script = self.folder / "sealed.sh"
        self.reached("".join(self.client.run(*self.command(script)).partition("Host")[1:]))
        self.assertTrue(daemon.says("(1m30s), by anna (SHA256:"))
        self.assertEqual([], [*self.folder.glob("tmp*")])

    def test_sealedKeys(self) -> None:
        """The key is the profile's, or the one in the environment; without any it says so."""
        key = self.makeKey("it's $(touch hostile) `touch hostile`")
        daemon = self.sealed(key)
        temporary = self.folder / "tmp"
        temporary.mkdir()
        self.client.environment["TMPDIR"] = str(temporary)
        for identity, environment in (
            (f"~/.ssh/{key.name}", {}),
            (str(key), {}),
            (f"{key}.pub", {}),
            ("agent", {"PKDOORS_KEY": str(key)}),
            ("/missing", {"PKDOORS_KEY": f"{key}.pub"}),
        ):
            before = self.countSeals(daemon)
            self.profile(f'identity = "{identity}"')
            self.runs("bash", self.script(), **environment)
            self.assertTrue(self.sealsAgain(daemon, before), identity)
        self.profile("sealed = true")
        status, output = self.client.status("bash", self.script())
        self.assertEqual(1, status)
        self.assertEqual("no SSH key found: put the path of one into PKDOORS_KEY\n", output)
        self.assertEqual([], [*temporary.iterdir()])
        self.assertEqual([], [*self.folder.rglob("hostile")])

    def sealsAgain(self, daemon: Daemon, before: int) -> bool:
        """Wait until a daemon has named the key more often."""
        return bool(eventually(lambda: self.countSeals(daemon) > before))

    def countSeals(self, daemon: Daemon) -> int:
        """Return how often a daemon has named the key."""
        return daemon.log().count("by anna (SHA256:")


class InitTests(ExportTestCase):
    """C{pkdoors init --format}."""

    def test_bash(self) -> None:
        """A new door and a script for it: the daemon starts, and the script opens the door."""
        conf, script = self.folder / "pkdoors.toml", self.folder / "knock.sh"
        files = ("-c", str(conf), "-o", str(script))
        self.server.run(
            *(PKDOORS, "init", "--plain", *files, "--format", "bash"),
            *("--host", SERVER4, "-p", str(PORT)),
        )
        self.server.serve(PORT)
        Daemon(self.server, "-c", str(conf))
        self.assertFalse(self.client.reaches(PORT))
        self.runs("bash", str(script))
        self.assertTrue(self.client.comesToReach(PORT))


class DocumentedScriptTests(RealTestCase):
    """The script in the documentation, which is a part of the exported ones."""

    def test_usage(self) -> None:
        """Without arguments it says how to use it."""
        script = str(ROOT / "docs" / "sealed-knock.sh")
        done = subprocess.run(["bash", script], capture_output=True, text=True, check=False)
        self.assertEqual(2, done.returncode)
        self.assertEqual(
            "usage: bash sealed-knock.sh KEY HOST DOOR PORTS [SECONDS]\n",
            done.stderr,
        )
