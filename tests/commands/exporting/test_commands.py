"""Tests of L{pkdoors.commands.exporting.export} and L{pkdoors.commands.exporting.importing}."""

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, StringIO, TextIOWrapper
from pathlib import Path

from pkdoors.client.export.formats import FORMATS
from pkdoors.client.export.hostsfile import addToFile
from pkdoors.client.profiles import Profile, Profiles
from pkdoors.commands.exporting import export
from pkdoors.model.sequence import Sequence
from tests.fakes.doors import PORTS
from tests.fakes.modules import replaceModule
from tests.test_cli import SEQ, CommandTestCase, End

URI = f"pkdoors://home.example?seq={SEQ}&name=home&wait=22"
HOME = Profile("home.example", Sequence(PORTS), wait=22)


class ProfilesTestCase(CommandTestCase):
    """A test with a home."""

    def setUp(self) -> None:
        """Make the home."""
        super().setUp()
        self.home = Path(self.mktemp()).absolute()
        self.home.mkdir()
        self.hosts = self.home / ".config" / "pkdoors" / "hosts.toml"

    def write(self, text: str) -> None:
        """Write the file of profiles."""
        self.hosts.parent.mkdir(parents=True, exist_ok=True)
        self.hosts.touch(0o600)
        self.hosts.write_text(text)

    def do(self, *arguments: str) -> End:
        """Run a command, which succeeds, and shows nothing secret on standard error."""
        end = self.run_(*arguments, HOME=str(self.home))
        self.assertEqual(0, end.status, end)
        self.assertFalse([port for port in PORTS if str(port) in end.stderr], end.stderr)
        return end

    def refuse(self, *arguments: str, status: int = 2) -> str:
        """Return the one line of a command that is refused; it shows nothing secret."""
        end = self.run_(*arguments, HOME=str(self.home))
        self.assertEqual((status, ""), (end.status, end.stdout), end)
        self.assertEqual(1, end.stderr.count("\n"), end.stderr)
        self.assertFalse([port for port in PORTS if str(port) in end.stderr], end.stderr)
        return end.stderr

    def profiles(self) -> dict[str, Profile]:
        """Return the profiles in the file."""
        return dict(Profiles(self.hosts.read_text()))


class ExportTests(ProfilesTestCase):
    """C{pkdoors export}."""

    def setUp(self) -> None:
        """Write a profile."""
        super().setUp()
        self.write(f'[hosts.home]\naddress = "home.example"\nsequence = "{SEQ}"\nwait = 22\n')
        self.file = self.home / "out"

    def test_formats(self) -> None:
        """Each format is printed, or written to a private file, and is the same there."""
        for form in {*FORMATS} - {"ssh-config-bash", "qr", "knockd"}:
            printed = self.do("export", "home", "--format", form)
            self.assertEqual("", printed.stderr)
            written = self.do("export", "home", "--format", form, "-o", str(self.file))
            self.assertEqual("", written.stdout)
            self.assertIn(f"Wrote {self.file}, which only you may read", written.stderr)
            self.assertEqual(0o600, stat.S_IMODE(self.file.stat().st_mode))
            self.assertEqual(printed.stdout, self.file.read_text())
            self.file.unlink()
        self.assertEqual({"home": HOME}, dict(Profiles(self.do(*self.command("toml")).stdout)))

    def command(self, form: str, *options: str) -> tuple[str, ...]:
        """Return a command line."""
        return ("export", "home", "--format", form, *options)

    def test_script(self) -> None:
        """The script goes to the file, and the block for ssh to standard output."""
        end = self.do(*self.command("ssh-config-bash", "-o", str(self.file)))
        self.assertTrue(end.stdout.startswith("Host home home.example\n"))
        self.assertTrue(self.file.read_text().startswith("#!/usr/bin/env bash\n"))
        self.assertIn("Add these lines to ~/.ssh/config", end.stderr)

    def test_drawn(self) -> None:
        """A QR code is drawn, if the output can show it; pictures go to files."""
        self.assertRegex(self.do(*self.command("qr")).stdout, "[\u2580-\u2588]")
        for name, beginning in (("a.png", b"\x89PNG"), ("a.svg", b"<?xml")):
            self.do(*self.command("qr", "-o", str(self.home / name)))
            self.assertTrue((self.home / name).read_bytes().startswith(beginning))
            self.assertEqual(0o600, stat.S_IMODE((self.home / name).stat().st_mode))
        found = self.refuse(*self.command("qr", "-o", str(self.file)))
        self.assertIn("a QR code goes to FILE.svg or FILE.png", found)
        replaceModule(self, "segno", None)
        found = self.refuse(*self.command("qr"), status=1)
        self.assertIn("QR codes need the library segno: install python3-segno", found)

    def test_there(self) -> None:
        """A file that exists is not overwritten, nor is one made where none can be."""
        self.file.write_text("mine")
        found = self.refuse(*self.command("bash", "-o", str(self.file)), status=1)
        self.assertIn(f"{self.file} already exists and is not overwritten", found)
        self.assertEqual("mine", self.file.read_text())
        found = self.refuse(*self.command("bash", "-o", f"{self.file}/x"), status=1)
        self.assertIn(f"cannot write {self.file}/x: Not a directory", found)

    def test_wrong(self) -> None:
        """What cannot be exported is one line."""
        self.write(self.hosts.read_text() + '[groups.all]\nhosts = ["home"]\n')
        for arguments, words in (
            (("export", "hime", "--format", "bash"), "there is no profile 'hime'"),
            (("export", "all", "--format", "bash"), "'all' is a group: export its hosts one by"),
            (("export", SEQ, "--format", "bash"), "there is no profile the given host"),
            (("export", "home"), "the following arguments are required: --format"),
            (self.command("perl"), "argument --format: invalid choice: 'perl' (choose from "),
            (self.command("knockd"), "cannot export home as knockd: knock sends no payload"),
            (self.command("ssh-config-bash"), "it needs -o FILE"),
            (self.command("bash", "-o", "a\nb"), "is not a usable file name"),
        ):
            self.assertIn(words, self.refuse(*arguments), arguments)
        self.assertEqual([".config"], os.listdir(self.home))

    def test_program(self) -> None:
        """ssh runs the program by its name if that is in PATH, else by its path."""
        folder = self.home / "bin"
        folder.mkdir()
        (folder / "pkdoors").touch(0o755)
        self.patch(sys, "argv", [str(folder / "pkdoors")])
        for path, program in ((str(folder), "pkdoors"), ("/nowhere", f"{folder}/pkdoors")):
            self.patch(export, "which", lambda name, path=path: self.find(name, path))
            found = self.do(*self.command("ssh-config")).stdout
            self.assertIn(f"ProxyCommand {program} connect home %p\n", found)

    def find(self, name: str, folder: str) -> str | None:
        """Return the path of a program in a folder, if it is there."""
        path = os.path.join(folder, name)
        return path if os.path.exists(path) else None


class ImportTests(ProfilesTestCase):
    """C{pkdoors import}."""

    def type_(self, text: str | bytes) -> None:
        """Put a text on standard input."""
        raw = text.encode() if isinstance(text, str) else text
        self.patch(sys, "stdin", TextIOWrapper(BytesIO(raw), "utf-8"))

    def test_first(self) -> None:
        """The first profile makes the file, for its owner alone; its secret is not shown."""
        end = self.do("import", URI)
        self.assertEqual(
            f'Added to {self.hosts}:\n[hosts.home]\naddress = "home.example"\n'
            "# sequence: not shown\nwait = 22\n",
            end.stdout,
        )
        self.assertEqual({"home": HOME}, self.profiles())
        self.assertEqual(0o600, stat.S_IMODE(self.hosts.stat().st_mode))
        self.assertEqual(0o700, stat.S_IMODE(self.hosts.parent.stat().st_mode))
        self.assertEqual(["hosts.toml"], os.listdir(self.hosts.parent))

    def test_input(self) -> None:
        """It is read from standard input, as it comes from a reader of QR codes."""
        for text, arguments in ((f"QR-Code:{URI}\n", ()), (f"{URI}\r\nmore\n", ("-",)), (URI, ())):
            self.type_(text)
            self.do("import", *arguments)
            self.assertEqual({"home": HOME}, self.profiles())
            self.hosts.unlink()

    def test_badInput(self) -> None:
        """Whatever is there instead is one line."""
        for text in (b"", b"\n", b"\xff\xfe", b"x" * 5000, f"{URI}{'9' * 5000}".encode(), b"\0"):
            self.type_(text)
            self.refuse("import")
        self.assertFalse(self.hosts.exists())

    def test_more(self) -> None:
        """What is in the file stays, comments included; a name can be chosen."""
        text = "# mine\n[hosts.home] # at home\nwait = 80\n"
        self.write(text)
        self.do("import", URI, "--name", "new")
        self.assertTrue(self.hosts.read_text().startswith(text))
        self.assertEqual({"home": Profile("home", wait=80), "new": HOME}, self.profiles())

    def test_there(self) -> None:
        """A profile is not replaced by accident, and keeps its identity if it is on purpose."""
        text = '# mine\n[hosts.home]\nidentity = "~/key"\nwait = 80\n'
        self.write(text)
        words = "there is a profile home already: use --replace, or --name NAME"
        self.assertIn(words, self.refuse("import", URI))
        self.assertEqual(text, self.hosts.read_text())
        self.do("import", f"{URI}&sealed=1", "--replace")
        expected = Profile(
            "home.example", Sequence(PORTS), wait=22, isSealed=True, identity="~/key"
        )
        self.assertEqual({"home": expected}, self.profiles())
        self.assertTrue(self.hosts.read_text().startswith("# mine\n"))
        self.do("import", URI, "--replace")
        self.assertEqual({"home": HOME}, self.profiles())

    def test_wrong(self) -> None:
        """What is wrong is one line without a secret, and changes nothing."""
        text = "[hosts.a]\nx\n"
        self.write(text)
        self.assertIn(f"{self.hosts}: it is not valid TOML", self.refuse("import", URI))
        self.assertIn("wait: '0' is not a port", self.refuse("import", URI.replace("22", "0")))
        self.assertIn(
            "argument --name: '-x' is not a name", self.refuse("import", URI, "--name=-x")
        )
        self.hosts.chmod(0o644)
        self.assertIn("run `chmod 600", self.refuse("import", URI))
        self.assertEqual(text, self.hosts.read_text())

    def test_atOnce(self) -> None:
        """Several at the same time do not lose each other's profiles."""
        table = {"address": "home.example", "sequence": SEQ, "wait": 22}
        environment = {"HOME": str(self.home)}
        names = [f"home{number}" for number in range(20)]
        with ThreadPoolExecutor(8) as pool:
            done = [pool.submit(addToFile, environment, name, table, False) for name in names]
        self.assertEqual({HOME}, {each.result()[1] for each in done})
        self.assertEqual(dict.fromkeys(names, HOME), self.profiles())

    def test_noPlace(self) -> None:
        """Without a home, or with one that cannot be written, it says so."""
        end = self.run_("import", URI)
        self.assertEqual(1, end.status)
        self.assertIn("there is no place for profiles: set HOME", end.stderr)
        (self.home / ".config").touch()
        found = self.refuse("import", URI, status=1)
        self.assertIn(f"cannot write {self.hosts}: ", found)

    def test_terminal(self) -> None:
        """At a terminal it says what to paste."""

        class Terminal(StringIO):
            def isatty(self) -> bool:
                return True

        self.patch(sys, "stdin", Terminal(f"{URI}\n"))
        self.assertIn("Paste the address, pkdoors://...", self.do("import").stderr)
