"""
Tests that no message contains a port of a sequence, whatever is wrong with a file, an option or a
knock.
"""

import contextlib
import re
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from hypothesis import given
from hypothesis import strategies as st
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.cli import main
from pkdoors.client.profiles import Profiles
from pkdoors.config.options import Options
from pkdoors.config.parser import parseConfig, parseSeed
from pkdoors.errors import PkdoorsError
from pkdoors.model.sequence import Sequence
from tests.fakes.agent import makeKey
from tests.lab.properties import PROPERTY, ordinarily

PORTS = (31337, 28419, 19283, 23571, 30129)
"""Numbers that no message contains for another reason."""

LIST = ", ".join(map(str, PORTS))
COMMAS = ",".join(map(str, PORTS))

URI = f"pkdoors://h.example?seq={COMMAS}&name=h.example&wait=28419"

BROKEN = (
    f"[doors.ssh]\nsequence = [{LIST}\nports = [22]\n",
    f"[doors.ssh]\nsequence = [{LIST}]]\nports = [22]\n",
    f"[doors.ssh]\nsequence = {LIST}\nports = [22]\n",
    f"[doors.ssh]\nsequence = '{COMMAS}'x\nports = [22]\n",
    f"[doors.ssh]\nsequence = {COMMAS}\nports = [22]\n",
    f"[doors.ssh]\nsequence = [[{LIST}]]\nports = [22]\n",
    f"[doors.ssh]\nsequence = [{LIST}, 99999]\nports = [22]\n",
    f"[doors.ssh]\nsequence = [{LIST}, 0x{'f' * 4000}]\nports = [22]\n",
    f"[doors.ssh]\nsequence = [{LIST}, {'9' * 5000}]\nports = [22]\n",
    f"[doors.ssh]\nsequence = [{LIST}, -5]\nports = [22]\n",
    f"[doors.ssh]\nsequence = [{LIST}, 1.5]\nports = [22]\n",
    "[doors.ssh]\nsequence = [31337, 28419]\nports = [22]\n",
    f"[doors.ssh]\nsequence = [{', '.join([LIST] * 5)}]\nports = [22]\n",
    "[doors.ssh]\nsequence = 31337\nports = [22]\n",
    "[doors.ssh]\nsequence = 31337-28419\nports = [22]\n",
    "[doors.ssh]\nsequence = '31337 28419 19283 23571 30129'\nports = [22]\n",
    f"[doors.ssh]\nsequence = '{COMMAS},'\nports = [22]\n",
    f"[doors.ssh]\nsequence = '{COMMAS}x'\nports = [22]\n",
    "[doors.ssh]\nsequence = '31337:udp,28419:tcp'\nports = [22]\n",
    f"[doors.ssh]\nsequence = {{ a = [{LIST}] }}\nports = [22]\n",
    f"[doors.ssh]\nsequenc = [{LIST}]\nports = [22]\n",
    f"[doors.ssh]\n'{COMMAS}' = 1\nports = [22]\n",
    f"[doors.ssh]\n31337 = 1\nsequence = [{LIST}]\nports = [22]\n",
    "[doors.ssh]\n31337 = 1\n31337 = 2\n",
    "[doors.ssh]\n31337 = 1\n31337.a = 2\n",
    f"[doors.31337]\nsequence = [{LIST}]\nports = [22]\n",
    "[doors.31337]\n[doors.31337]\n",
    "[[doors.31337]]\n[doors.31337]\n",
    "a = { 31337 = 1, 31337 = 2 }\n",
    f"[doors.ssh]\nsequence = [{LIST}]\nports = [{LIST}]\n",
    f"[doors.ssh]\nsequence = [{LIST}]\nports = ['31337/udp']\n",
    f"[doors.ssh]\nsequence = [{LIST}]\nports = ['31000-31500/udp']\n",
    f"[doors.ssh]\nsequence = [{LIST}]\nports = ['31337/xyz']\n",
    f"[doors.ssh]\nsequence = [{LIST}]\nports = ['31337-28419']\n",
    f"[doors.ssh]\nsequence = [{LIST}]\nports = '{COMMAS};22'\n",
    *(
        f"[doors.ssh]\nsequence = [{LIST}]\nports = [22]\n{key} = {value}\n"
        for key in ("open_for", "penalty", "sessions", "authorized_keys", "knock_rate", "on_open")
        for value in (f"[{LIST}]", f"'{COMMAS}'", "31337", "'31337'", f"['{COMMAS}']")
    ),
    *(
        f"{key} = {value}\n[doors.ssh]\nsequence = [{LIST}]\nports = [22]\n"
        for key in ("firewall", "zone", "interfaces", "admin", "audit", "doors", "unknown")
        for value in (f"[{LIST}]", f"'{COMMAS}'", "31337", "['31337']")
    ),
    f"[doors.a]\nsequence = [{LIST}]\nports = [22]\n[doors.b]\nsequence = [{LIST}]\nports = [80]\n",
    f"[doors.a]\nsequence = [{LIST}]\nports = [22]\n"
    f"[doors.b]\nsequence = [1, 2, 3, 4, 5]\nports = ['31337/udp']\n",
    f"opening_sequence = [{LIST}, 'x']\n",
    f"opening_sequence = [{LIST}]\nports_to_controls = ['30129/udp']\n",
    f"opening_sequence = [{LIST}]\nmax_opened_door_duration = [{LIST}]\n",
    f"opening_sequence = [{LIST}]\ndoors_cleanup_periode = '{COMMAS}'\n",
    f"opening_sequence = [{LIST}]\nfirewall = 'auto'\n",
    f"opening_sequenc = [{LIST}]\nports_to_controls = [22]\n",
    *(
        f"[hosts.home]\nsequence = [{LIST}]\n{key} = {value}\n"
        for key in ("sequence", "wait", "open_for", "door", "sealed", "identity", "x31337")
        for value in (f"[{LIST}]", f"'{COMMAS}'", "31337", f"'{COMMAS},70000'")
    ),
    f"[hosts.home]\nsequence = '{COMMAS},70000'\n",
    f"hosts = [{LIST}]\n",
    f"{COMMAS}\n",
    f"[{COMMAS}]\n",
    f"sequence == [{LIST}]\n",
)
"""Files that are wrong, or of another kind than what reads them."""


def told(text: str) -> str:
    """The place of an error in a file, which a message may contain."""
    return re.sub(r"\(at line \d+, column \d+\)|\(line \d+\)", "", text)


def parsers() -> list[Callable[[str], object]]:
    """Everything that reads a text that may hold a sequence."""
    return [
        lambda text: parseConfig(text, "FILE"),
        lambda text: parseSeed(text, "FILE"),
        lambda text: dict(Profiles(text)),
        Sequence.parse,
    ]


def messages(text: str) -> Iterator[str]:
    """Return the errors about a text from everything that reads it, with the traceback."""
    for parse in parsers():
        try:
            parse(text)
        except PkdoorsError as error:
            yield told(str(error))
            yield told(repr(error))
            yield told(Failure().getTraceback())


class SecrecyTestCase(SynchronousTestCase):
    """A test that can notice a secret."""

    def assertKept(self, text: str, about: object = "") -> None:
        """Assert that no port is in a message, nor a part of it that would help."""
        for port in PORTS:
            self.assertNotIn(str(port), text, about)
            self.assertNotIn(str(port)[:4], text, about)


class FileTests(SecrecyTestCase):
    """Wrong files."""

    def test_each(self) -> None:
        """The error for a broken file has no port in it, and there is one for each file."""
        for text in BROKEN:
            found = list(messages(text))
            self.assertTrue(found, text)
            for message in found:
                self.assertKept(message, text)

    def test_cut(self) -> None:
        """The same is true wherever an editor, or a full disk, cuts a file off."""
        text = BROKEN[-6] + f"[doors.ssh]\nsequence = [{LIST}]\nports = ['22', \"80/tcp\"]\n"
        for at in range(len(text)):
            for message in messages(text[:at]):
                self.assertKept(message, text[:at])

    def test_mutated(self) -> None:
        """The same is true for anything that slips into it."""
        marks = st.sampled_from(["'", '"', "[", "]", "{", "}", "=", ",", ".", "\n", "#", "x", " "])

        def check(text: str, at: int, mark: str, end: int) -> None:
            at, end = at % len(text), end % len(text)
            for message in messages(text[:at] + mark + text[max(at, end) :]):
                self.assertKept(message, text)

        numbers = st.integers(0, 400)
        PROPERTY(given(st.sampled_from(BROKEN), numbers, marks, numbers)(check))()


class CommandTests(SecrecyTestCase):
    """
    Commands and the daemon's options.
    """

    def setUp(self) -> None:
        """Make a place for files."""
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)

    def run_(self, *arguments: str, **environment: str) -> str:
        """Return what a command prints that is refused."""
        printed = StringIO()
        with redirect_stdout(printed), redirect_stderr(printed), contextlib.suppress(SystemExit):
            main(list(arguments), {"HOME": str(self.folder), **environment})
        self.assertTrue(printed.getvalue(), arguments)
        return printed.getvalue()

    def daemon(self, *arguments: str, **environment: str) -> str:
        """Return the error with which the daemon ends."""
        options = Options(environment, [])
        end = self.assertRaises(SystemExit, options.parseOptions, list(arguments))
        return str(end.code)

    def test_client(self) -> None:
        """A command does not repeat a sequence that is wrong, or in a wrong place."""
        spaced = LIST.split()
        for arguments in (
            ("knock", "h.example", "-m", *spaced),
            ("knock", "h.example", "-m", f"{COMMAS},x"),
            ("knock", "h.example", "-m", COMMAS[:11]),
            ("knock", "h.example", f"--magic-seq={COMMAS},70000"),
            ("knock", "h.example", f"--close={COMMAS}"),
            ("knock", COMMAS),
            ("knock", "h.example", f"--{COMMAS}"),
            ("knock", "h.example", "--open-for", COMMAS),
            ("knock", "h.example", "--wait", "99999", "-m", COMMAS),
            ("knock", "h.example", "--tries", COMMAS),
            ("knock", "h.example", "--bind", COMMAS),
            ("knock", "h.example", "--door", COMMAS),
            ("connect", "h.example", COMMAS),
            (COMMAS, "knock"),
            ("open", COMMAS),
            ("init", "--ports", f"{COMMAS},x"),
            ("init", "--door", COMMAS),
            ("init", "--address", COMMAS),
            ("completion", COMMAS),
            (URI,),
            ("knock", URI),
            ("knock", "h.example", URI),
            ("connect", URI, "22"),
            ("export", URI, "--format", "bash"),
            ("export", "h.example", "--format", URI),
            ("export", COMMAS, "--format", COMMAS),
            ("import", URI, URI),
            ("import", "--name", URI, URI),
            ("import", f"{URI}&x=1"),
            ("import", f"{URI}#"),
            ("import", URI.replace("=", ":")),
            ("import", URI.replace("//", "")),
            ("import", f"--{URI}"),
        ):
            self.assertKept(self.run_(*arguments), arguments)

    def test_verbose(self) -> None:
        """Nor does it show one that is right, whatever it shows of what it does."""
        folder = self.folder / "agent"
        server = socket.socket(socket.AF_UNIX)
        self.addCleanup(server.close)
        server.bind(str(folder))
        key = self.folder / "key"
        key.write_bytes(makeKey("ed25519").toString("openssh"))
        key.chmod(0o600)
        with closing(socket.create_server(("127.0.0.1", 0))) as closed:
            port = closed.getsockname()[1]
        to, more = ("127.0.0.1", "-v", "-m", COMMAS), ("--tries", "2", "--timeout", "100ms")
        for arguments in (
            ("knock", *to),
            ("knock", *to, "-i", str(key)),
            ("knock", *to, "-i", "agent"),
            ("knock", *to, "-i", str(key), "--close"),
            ("connect", *to, str(port), *more),
            ("connect", *to, str(port), *more, "-i", str(key)),
        ):
            before = signal.getsignal(signal.SIGINT)
            shown = self.run_(*arguments, SSH_AUTH_SOCK=str(folder))
            signal.signal(signal.SIGINT, before)
            self.assertIn(" ms: ", shown)
            self.assertEqual("agent" not in arguments, "port 5 of " in shown, shown)
            # Numbers that are made anew each time may have any digits, and so may a free port.
            shown = re.sub(r"pkdoors1 .*|SHA256:\S+|[0-9.]+ ms: ", "", shown)
            self.assertKept(shown.replace(f"{port}/tcp", "").replace(str(port), ""), arguments)

    def test_variable(self) -> None:
        """Nor does it repeat a sequence from the environment."""
        for value in (f"{COMMAS},x", LIST.replace(",", ""), COMMAS[:11], f"{COMMAS},"):
            self.assertKept(self.run_("knock", "h.example", KNOCKER_SEQ=value), value)
            self.assertKept(self.daemon(KNOCKER_SEQ=value, KNOCKER_PORTS="22"), value)
            ports = f"{value}/x"
            self.assertKept(self.daemon(KNOCKER_SEQ=COMMAS, KNOCKER_PORTS=ports), value)

    def test_daemon(self) -> None:
        """Nor does the daemon repeat one from its command line."""
        good = ("--magic-seq", COMMAS, "--ports", "22")
        for arguments in (
            ("--magic-seq", *LIST.split(), "--ports", "22"),
            ("--magic-seq", f"{COMMAS},x", "--ports", "22"),
            ("--magic-seq", COMMAS, "--ports", "28419/udp"),
            ("--magic-seq", COMMAS, "--ports", COMMAS + "/x"),
            *((*good, f"--{name}={COMMAS}") for name in ("open-for", "firewall", "sessions")),
            *((*good, f"--{name}={COMMAS}") for name in ("admin", "interface", "knock-rate")),
        ):
            self.assertKept(self.daemon(*arguments), arguments)

    def test_file(self) -> None:
        """Nor do they repeat one from a file."""
        path = self.folder / "conf.toml"
        (self.folder / ".config/pkdoors").mkdir(parents=True)
        hosts = self.folder / ".config/pkdoors/hosts.toml"
        for text in BROKEN[:: ordinarily(4, 1)]:
            for file in (path, hosts):
                file.write_text(text)
                file.chmod(0o600)
            with contextlib.suppress(SystemExit):
                Options({}, []).parseOptions(["--conf", str(path)])
                continue  # it is a good file, for the daemon
            self.assertKept(told(self.daemon("--conf", str(path))), text)
            self.assertKept(told(self.run_("check", "--conf", str(path))), text)
            self.assertKept(told(self.run_("knock", "h.example", KNOCKER_SEQ="1,2")), text)
