"""Tests of L{pkdoors.commands.setup.init} and L{pkdoors.config.template}."""

import os
import re
import sys
import tomllib
from contextlib import redirect_stderr, redirect_stdout
from io import BytesIO, StringIO, TextIOWrapper
from itertools import pairwise
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import pkdoors.config.file
from pkdoors.cli import main
from pkdoors.client.export.uri import parseUri
from pkdoors.client.profiles import Profile, Profiles, readProfile
from pkdoors.commands import sequence
from pkdoors.config.config import ADMIN_SOCKET, SEED_FILE, Config
from pkdoors.config.file import readConf
from pkdoors.config.parser import parseConfig
from pkdoors.config.template import renderConf
from pkdoors.errors import PkdoorsError
from pkdoors.host import names, systemd
from pkdoors.host.logins import sshd
from pkdoors.install import clientfile
from tests.fakes.doors import PORTS, makeDoor

ANNA = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEXbAP7wjGpRpHV0hHDtVKKyTuIbGHh7ddI0eU4QVDaH anna@laptop"
)


class TextTests(SynchronousTestCase):
    """
    Tests of L{renderConf}.
    """

    def test_roundTrip(self) -> None:
        """A written file is read back as it was."""
        for door in (
            makeDoor(name="ssh"),
            makeDoor(openFor=90.0, maxOpenFor=5400.0, knockTimeout=1.5, penalty=0.0),
            makeDoor(PORTS, "80,51820/udp,6000-6010", authorizedKeys='/a "b"\\ü', clockSkew=9.0),
        ):
            self.assertEqual(Config((door,)), parseConfig(renderConf(door), "f"))

    def test_several(self) -> None:
        """So is one with several doors, of which only the first has all the comments."""
        hook = ("/bin/a", "%b")
        web = makeDoor(PORTS[::-1], "443", name="web", onOpen=hook, penalty=0.0)
        mail = makeDoor((*PORTS[1:], PORTS[0]), "25", name="mail")
        doors = (makeDoor(name="ssh"), web, mail)
        text = renderConf(*doors)
        self.assertEqual(Config(doors), parseConfig(text, "f"))
        self.assertEqual(1, text.count("# The secret: "))

    def test_comments(self) -> None:
        """The lines that are commented out are right, too, and every key has a comment."""
        lines = renderConf(makeDoor()).splitlines()
        self.assertEqual([], [line for line in lines if line.endswith("-")])
        uncommented = [re.sub("^#(?=[a-z_]+ = )", "", line) for line in lines]
        config = parseConfig("\n".join(uncommented), "f")
        self.assertEqual(("public", ("192.0.2.1", "2001:db8::1")), (config.zone, config.interfaces))
        self.assertEqual(
            (ADMIN_SOCKET, "/var/log/pkdoors/audit.jsonl"), (config.admin, config.audit)
        )
        (door,) = config.doors
        self.assertEqual(("/etc/pkdoors/authorized_keys",), door.authorizedKeys)
        said = [command[1] for command in (door.onOpen, door.onClose, door.onRefuse)]
        self.assertEqual(["open", "closed", "refused"], said)
        for before, line in pairwise(uncommented):
            if " = " in line and not line.startswith(("max_open_for", "udp_max")):
                self.assertTrue(before.startswith("# "), line)


class InitTestCase(SynchronousTestCase):
    """A test that runs C{pkdoors init}."""

    def setUp(self) -> None:
        """Set up a host with a name and free ports, and a folder."""
        self.patch(sequence, "isFree", lambda port: True)
        self.patch(names, "getShortName", lambda: "web1")
        self.patch(names, "getPublicName", lambda: "web1.example.org")
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.file = str(self.folder / "pkdoors.toml")
        self.keys = self.folder / "authorized_keys"
        self.logins = self.folder / "logins"
        self.logins.write_text(f"{ANNA}\n")
        self.settings = {"authorizedkeysfile": [str(self.logins)], "port": ["22"]}
        self.patch(sshd, "askSshd", lambda user: self.settings)
        self.patch(systemd, "isRunning", lambda: False)
        self.output: tuple[str, ...] = ("--output", self.file)

    def init(self, *arguments: str, status: int = 0, **environment: str) -> tuple[str, str]:
        """Return what it prints, to standard output and standard error."""
        with redirect_stdout(StringIO()) as stdout, redirect_stderr(StringIO()) as stderr:
            try:
                main(["init", *self.output, *arguments], environment)
            except SystemExit as end:
                self.assertEqual(status, end.code, stderr.getvalue())
            else:
                self.assertEqual(0, status)
        return stdout.getvalue(), stderr.getvalue()

    def config(self) -> Config:
        """Return the configuration that the daemon reads from the file."""
        return parseConfig(readConf(self.file), self.file)

    def refused(self, *arguments: str, status: int, **environment: str) -> str:
        """Return the one line with which it fails; nothing is written."""
        stdout, stderr = self.init(*arguments, status=status, **environment)
        self.assertEqual(("", 1), (stdout, stderr.count("\n")))
        self.assertTrue(stderr.startswith("pkdoors init: "), stderr)
        return stderr


class InitTests(InitTestCase):
    """
    C{pkdoors init}.
    """

    def test_init(self) -> None:
        """The daemon reads the file, the profile fits it, and who can log in can knock."""
        stdout, _ = self.init()
        (door,) = self.config().doors
        self.assertEqual("ssh (22/tcp)", str(door))
        self.assertEqual((str(self.keys),), door.authorizedKeys)
        self.assertEqual(8, len(set(door.sequence.ports)))
        expected = Profile("web1.example.org", door.sequence, "ssh", isSealed=True, wait=22)
        self.assertEqual({"web1": expected}, Profiles(stdout))
        for file in (self.file, self.keys):
            self.assertEqual(0o600, os.stat(file).st_mode & 0o7777)
        self.assertEqual([ANNA], self.keys.read_text().splitlines()[2:])

    def test_plain(self) -> None:
        """With C{--plain} the sequence alone opens, and no keys are copied."""
        for options in (("--plain",), ("--tcp",)):
            stdout, _ = self.init(*options)
            (door,) = self.config().doors
            self.assertEqual((), door.authorizedKeys)
            expected = Profile("web1.example.org", door.sequence, wait=22)
            self.assertEqual({"web1": expected}, Profiles(stdout))
            self.assertFalse(self.keys.exists())
            os.unlink(self.file)

    def test_conf(self) -> None:
        """C{-c} and C{--conf} name the file, too, as they do for the other commands."""
        for option in ("-c", "--conf"):
            file = os.path.abspath(self.mktemp())
            self.init(option, file, "--plain")
            self.assertEqual("ssh", parseConfig(readConf(file), file).doors[0].name)
        self.assertFalse(Path(self.file).exists())

    def test_options(self) -> None:
        """Length, door, ports and address can be chosen."""
        options = "--length 5 --door web --ports 443,53/udp --address 192.0.2.9"
        stdout, _ = self.init(*options.split())
        (door,) = self.config().doors
        self.assertEqual(("web (443/tcp,53/udp)", 5), (str(door), len(door.sequence.ports)))
        self.assertEqual("192.0.2.9", tomllib.loads(stdout)["hosts"]["web1"]["address"])

    def test_sealed(self) -> None:
        """A door can be sealed, with the usual file of keys or another."""
        stdout, stderr = self.init("--sealed")
        self.assertEqual(("/etc/pkdoors/authorized_keys",), self.config().doors[0].authorizedKeys)
        self.assertIs(True, tomllib.loads(stdout)["hosts"]["web1"]["sealed"])
        self.assertIn("public SSH keys into /etc/pkdoors/authorized_keys", stderr)
        self.assertFalse(self.keys.exists())
        os.unlink(self.file)
        self.init("--sealed", "keys")
        self.assertEqual((os.path.abspath("keys"),), self.config().doors[0].authorizedKeys)

    def test_tcp(self) -> None:
        """With C{--tcp} the knock ports are those of TCP, in the client's profile, too."""
        stdout, _ = self.init("--tcp")
        (door,) = self.config().doors
        self.assertEqual(8, len(door.sequence.tcpPorts()))
        self.assertEqual(door.sequence, Profiles(stdout)["web1"].sequence)
        os.unlink(self.file)
        self.assertIn(
            "use --tcp or --sealed, not both", self.refused("--tcp", "--sealed", status=2)
        )

    def test_freePorts(self) -> None:
        """A port that is in use, or protected, is not chosen as a knock port."""
        self.patch(sequence, "isFree", lambda port: port % 1000 == 0)
        self.init("-n", "20", "--ports", "12000-13000/udp,14000/udp,15000/tcp")
        free = {*range(10_000, 32_768, 1000)} - {12_000, 13_000, 14_000}
        self.assertEqual(free, {*self.config().doors[0].sequence.ports})

    def test_next(self) -> None:
        """It says what to do next, with commands that work."""
        _, stderr = self.init()
        folder = Path(sys.executable).parent
        self.assertIn(f"Wrote {self.file}.", stderr)
        self.assertIn(f"{folder}/pkdoors check --conf {self.file}\n", stderr)
        self.assertIn(f"{folder}/pkdoors daemon --conf {self.file}\n", stderr)
        self.assertNotIn("public SSH keys", stderr)

    def test_service(self) -> None:
        """If the service may read the file, it says so."""
        self.patch(pkdoors.config.file, "letRead", lambda descriptor: True)
        _, stderr = self.init()
        self.assertIn("Only root and the service (user pkdoors) may read it.\n", stderr)

    def test_startService(self) -> None:
        """At the usual place, the file is the service's, and it says to start the service."""
        written: list[str] = []

        def write(path: str, text: str) -> bool:
            written.append(path)
            return True

        self.patch(pkdoors.config.file, "writeConf", write)
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as stderr:
            main(["init", "--plain"], {})
        self.assertEqual(["/etc/pkdoors/pkdoors.toml"], written)
        program = Path(sys.executable).parent / "pkdoors"
        self.assertIn(f"Here, and stay logged in: {program} trial 10m\n", stderr.getvalue())
        self.assertIn(f"If that works, here: {program} keep\n", stderr.getvalue())

    def test_secret(self) -> None:
        """Nothing that it prints beside the profile shows a knock port."""
        _, stderr = self.init()
        ports = self.config().doors[0].sequence.ports
        self.assertFalse([port for port in ports if str(port) in stderr.replace(self.file, "")])

    def test_neverOverwrites(self) -> None:
        """A file that exists stays."""
        Path(self.file).write_text("mine\n")
        self.assertIn("already exists and is not overwritten", self.refused(status=1))
        self.assertEqual("mine\n", Path(self.file).read_text())

    def test_noName(self) -> None:
        """A host without a name needs an address, and nothing is written before that is known."""

        def getPublicName() -> str:
            raise PkdoorsError("use --host NAME to say how")

        self.patch(names, "getPublicName", getPublicName)
        self.assertIn("--host", self.refused(status=1))
        self.assertFalse(Path(self.file).exists())
        self.init("--address", "2001:db8::1")

    def test_mayChange(self) -> None:
        """An address of this host that may change is in the profile with a warning."""
        self.patch(names, "getPublicName", lambda: "2001:db8::a")
        warning = "the address 2001:db8::a, which this host has for a limited time"
        for isLent in (True, False):
            self.patch(names, "mayChange", lambda name, isLent=isLent: isLent)
            Path(self.file).unlink(missing_ok=True)
            self.keys.unlink(missing_ok=True)
            self.assertEqual(isLent, warning in self.init()[1])
        self.patch(names, "mayChange", lambda name: True)
        Path(self.file).unlink()
        self.keys.unlink()
        self.assertNotIn("limited time", self.init("--host", "2001:db8::a")[1])

    def test_wrongUsage(self) -> None:
        """A wrong value is one line and status 2."""
        for arguments, words in (
            (("--door", "Web"), "argument --door: 'Web' is not a door's name"),
            (("--ports", "0"), "argument -p/--ports: '0' is not a port"),
            (("--length", "4"), "argument -n/--length: '4' is not a number from 5 to 20"),
            (("--sealed", "a\x7f"), "argument --sealed: 'a\\x7f' is not a usable file name"),
            (("--sealed", "a\udcff"), "is not a usable file name"),
            (("--sealed", ""), "is not a usable file name"),
            (
                ("--output", "a\nb"),
                "argument --output/-c/--conf: 'a\\nb' is not a usable file name",
            ),
            (("--address", 'a"b'), "is not a name or address of a host"),
            (("--address", "a b"), "is not a name or address of a host"),
            (("--address", ""), "is not a name or address of a host"),
            (("now",), "unrecognized arguments: now"),
        ):
            with self.subTest(arguments):
                line = self.refused(*arguments, status=2) if arguments != ("now",) else None
                self.assertIn(words, line or self.init(*arguments, status=2)[1])
        self.assertFalse(Path(self.file).exists())


class FormatTests(InitTestCase):
    """
    C{pkdoors init --format}.
    """

    def test_formats(self) -> None:
        """The client's part can be for another client, on standard output or in a file."""
        for form, beginning, lines, taken in (
            (
                "bash",
                "#!/usr/bin/env bash\n",
                "Put the lines above into a private file on the client, pkdoors-knock.sh: they ",
                "Take {} to the client, and keep it private there: it holds a secret",
            ),
            (
                "uri",
                "pkdoors://web1.ex",
                "install pkdoors, and run `pkdoors import` with the line above: it holds a secret",
                "run `pkdoors import` with the line in {}: it holds a secret",
            ),
            (
                "toml",
                "[hosts.web1]",
                "Put the lines above into ~/.config/pkdoors/hosts.toml there (chmod 600): they ",
                "Put {} into ~/.config/pkdoors/hosts.toml there (chmod 600): it holds a secret",
            ),
        ):
            file = os.path.abspath(self.mktemp())
            stdout, stderr = self.init("--plain", "--format", form)
            self.assertTrue(stdout.startswith(beginning))
            self.assertIn(lines, stderr)
            os.unlink(self.file)
            stdout, stderr = self.init("--plain", "--format", form, "-o", file)
            self.assertEqual("", stdout)
            self.assertTrue(Path(file).read_text().startswith(beginning))
            self.assertEqual(0o600, os.stat(file).st_mode & 0o7777)
            self.assertIn(taken.format(file), stderr)
            os.unlink(self.file)

    def test_otherClients(self) -> None:
        """A client that does without pkdoors is not told to install it."""
        for form, needs, knock in (
            ("bash", "needs bash, and no pkdoors", "bash pkdoors-knock.sh && ssh web1.ex"),
            ("termux", "needs Termux, with the packages", "bash pkdoors-knock.sh && ssh"),
            (
                "powershell",
                "needs PowerShell",
                "powershell -ExecutionPolicy Bypass -File pkdoors-knock.ps1; ssh",
            ),
            ("knockd", "install knock (Debian's package", "run the line above, then: ssh web1"),
            ("knockonports", "the app Knock on Ports", "knock with the app, then: ssh web1"),
        ):
            for file in ("", os.path.abspath(self.mktemp())):
                where = ("-o", file) if file else ()
                _, stderr = self.init("--tcp", "--format", form, *where)
                os.unlink(self.file)
                self.assertIn(needs, stderr)
                self.assertNotIn("install pkdoors", stderr)
                self.assertNotIn("pkdoors knock", stderr)
                if not file:
                    self.assertIn(f"in a second terminal: {knock}", stderr.replace("\n", " "))
                elif form != "knockonports":
                    self.assertIn(os.path.basename(file), stderr.partition("second terminal")[2])

    def test_whole(self) -> None:
        """The URI has all that a client needs, of a sealed door as well."""
        stdout, _ = self.init("--format", "uri", "--sealed", "/keys", "-p", "443,22")
        (door,) = self.config().doors
        name, table = parseUri(stdout)
        expected = Profile("web1.example.org", door.sequence, "ssh", isSealed=True, wait=22)
        self.assertEqual(("web1", expected), (name, readProfile(name, table)))

    def test_refused(self) -> None:
        """If a format cannot express the door, nothing is written; nor if a file is there."""
        file = os.path.abspath(self.mktemp())
        for arguments, status, words in (
            (("--format", "knockd"), 1, "or use --plain"),
            (("--plain", "--format", "knockd"), 1, "knock sends no payload on UDP ports"),
            (("--format", "ssh-config"), 2, "ssh-config needs the profile on the client"),
            (("--format", "ssh-config-bash"), 1, "it needs -o FILE"),
            (("--format", "qr", "-o", f"{file}.txt"), 1, "goes to FILE.svg or FILE.png"),
            (("--format", "bash", "-o", f"{file}/x"), 1, f"cannot write {file}/x"),
        ):
            self.assertIn(words, self.refused(*arguments, status=status))
            self.assertFalse(Path(self.file).exists() or self.keys.exists())
        Path(file).write_text("mine\n")
        line = self.refused("--format", "bash", "-o", file, status=1)
        self.assertIn(f"{file} already exists", line)
        self.assertFalse(Path(self.file).exists())
        os.unlink(file)
        Path(self.file).write_text("mine\n")
        self.refused("--format", "bash", "-o", file, status=1)
        self.assertFalse(Path(file).exists())


SEED = """
ports_to_controls = [443, 8080]
opening_sequence = [17001, 17203, 17005, 17404, 17002, 17009]
max_opened_door_duration = 20
doors_cleanup_periode = 10
"""


class SeedTests(InitTestCase):
    """
    C{pkdoors init --seed}.
    """

    def setUp(self) -> None:
        """Make a home with a file of port-knocking-doors."""
        super().setUp()
        self.home = os.path.abspath(self.mktemp())
        os.mkdir(self.home)
        self.seed = os.path.join(self.home, ".port_knocker.toml")
        self.write(SEED)

    def write(self, text: str) -> None:
        """Write that file."""
        Path(self.seed).touch(0o600)
        Path(self.seed).write_text(text)

    def test_takenOver(self) -> None:
        """Sequence, ports and times are the same; the profile fits; the old file stays."""
        for arguments in (("--seed", self.seed), ("--seed",)):
            stdout, _ = self.init(*arguments, HOME=self.home)
            (door,) = self.config().doors
            self.assertEqual(parseConfig(SEED, self.seed).doors, (door,))
            self.assertEqual((443, 20.0), (door.ports[0].first, door.openFor))
            self.assertEqual((), self.config().notes)
            expected = Profile("web1.example.org", door.sequence, wait=443)
            self.assertEqual({"web1": expected}, Profiles(stdout))
            self.assertEqual(SEED, Path(self.seed).read_text())
            os.unlink(self.file)

    def test_told(self) -> None:
        """It says what replaced each key, apart from the profile, and without a secret."""
        _, stderr = self.init("--seed", self.seed)
        self.assertIn(
            f"From {self.seed}, which stays as it is:\n"
            "  ports_to_controls is now called ports\n"
            "  opening_sequence is now called sequence\n"
            "  max_opened_door_duration is now called open_for\n"
            "  doors_cleanup_periode is no longer needed: the kernel closes each door at its "
            "deadline\n\n"
            f"Wrote {self.file}.",
            stderr,
        )
        self.assertNotIn("17203", stderr)

    def test_publicSequence(self) -> None:
        """It warns of a bad sequence, unless knocks are sealed."""
        self.write("opening_sequence = [16001, 16002, 16003, 16004, 16005]\n")
        _, stderr = self.init("--seed", self.seed)
        self.assertIn(
            "  warning: the sequence is the public default of port-knocking-doors", stderr
        )
        os.unlink(self.file)
        _, stderr = self.init("--seed", self.seed, "--sealed")
        self.assertNotIn("warning", stderr)

    def test_options(self) -> None:
        """The door can have another name, and be sealed."""
        self.init("--seed", self.seed, "--door", "web", "--sealed", "/keys")
        (door,) = self.config().doors
        self.assertEqual(("web", ("/keys",)), (door.name, door.authorizedKeys))

    def test_contradicting(self) -> None:
        """An option for what the file says is refused, even if it has the default value."""
        for option, value, name in (
            ("--length", "8", "--length"),
            ("-n", "5", "--length"),
            ("--ports", "22", "--ports"),
            ("-p", "443", "--ports"),
        ):
            line = self.refused("--seed", self.seed, option, value, status=2)
            self.assertIn(f"argument {name}: --seed takes this from its file: use only one", line)
        self.assertFalse(Path(self.file).exists())

    def test_noFile(self) -> None:
        """If there is no such file, the line names the paths that it looked for."""
        os.unlink(self.seed)
        line = self.refused("--seed", self.seed, status=1)
        self.assertIn(
            f"no configuration of port-knocking-doors found (looked for {self.seed})", line
        )
        if not os.path.exists(SEED_FILE):
            line = self.refused("--seed", status=1, HOME=self.home)
            self.assertIn(f"(looked for {self.seed}, {SEED_FILE}): use --seed FILE", line)

    def test_bad(self) -> None:
        """A file that others may read, or of another kind, is refused; nothing is written."""
        os.chmod(self.seed, 0o644)
        self.assertIn(f"`chmod 600 {self.seed}`", self.refused("--seed", self.seed, status=1))
        os.chmod(self.seed, 0o600)
        self.write(SEED + "door = 1\n")
        self.assertIn(
            f"{self.seed}: unknown key 'door'", self.refused("--seed", self.seed, status=1)
        )
        self.write(renderConf(makeDoor()))
        line = self.refused("--seed", self.seed, status=1)
        self.assertIn(
            f"{self.seed} is not a configuration of port-knocking-doors, which has keys", line
        )
        self.assertIn("is not a usable file name", self.refused("--seed", "", status=2))
        self.assertFalse(Path(self.file).exists())


class QRCodeTests(InitTests):
    """
    C{pkdoors init --qr}.
    """

    def init(self, *arguments: str, status: int = 0, **environment: str) -> tuple[str, str]:
        """Run it with a QR code, and return the rest of what it prints."""
        stdout, stderr = super().init(*arguments, "--qr", status=status, **environment)
        self.drawn = re.sub(r"(?s)\A.*?\n(?=[^\n]*[\u2580-\u2588])", "", stdout)
        return stdout.removesuffix(self.drawn), stderr

    def test_drawn(self) -> None:
        """It is drawn in half blocks, with two of its rows in a line."""
        self.init()
        self.assertRegex(self.drawn, "[\u2580-\u2588]")
        self.assertIn(self.drawn.count("\n"), range(15, 40))

    def test_cannotShow(self) -> None:
        """An output that cannot show it gets the profile all the same, and a sentence."""
        out = TextIOWrapper(BytesIO(), "ascii")
        with redirect_stdout(out), redirect_stderr(StringIO()):
            main(["init", "--output", self.file, "--qr"], {})
        out.seek(0)
        text = out.read()
        self.assertIn("[hosts.web1]\n", text)
        self.assertIn("(no QR code: the terminal's encoding is not UTF-8", text)


class ClientFileTests(InitTestCase):
    """
    Tests of C{pkdoors init --client-file}.
    """

    def setUp(self) -> None:
        """Make no real client, which takes a second."""
        super().setUp()
        self.output = ()
        self.client = os.path.abspath(self.mktemp())
        self.patch(clientfile, "makeClientFile", lambda: b"#!client")

    def test_written(self) -> None:
        """It writes the client, and neither a configuration nor a profile."""
        stdout, stderr = self.init("--client-file", self.client)
        self.assertEqual(b"#!client", Path(self.client).read_bytes())
        run = f"on the other machine, run `python3 {os.path.basename(self.client)} knock HOST`"
        self.assertEqual((f"wrote the client to {self.client}: {run}\n", ""), (stdout, stderr))
        self.assertFalse(os.path.exists(self.file))

    def test_alone(self) -> None:
        """Options about a door would have no effect: they are refused."""
        for options in (("--ports", "22"), ("--qr",), ("--seed",), ("--sealed",), ("-n", "7")):
            _, stderr = self.init("--client-file", self.client, *options, status=2)
            self.assertIn("use it without other options", stderr)
        self.assertFalse(os.path.exists(self.client))

    def test_foreign(self) -> None:
        """It does not overwrite anything else."""
        Path(self.client).write_bytes(b"precious")
        _, stderr = self.init("--client-file", self.client, status=1)
        self.assertIn("exists, and is not a client of pkdoors", stderr)
        self.assertEqual(b"precious", Path(self.client).read_bytes())
