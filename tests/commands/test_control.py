"""Tests of L{pkdoors.commands.control}, with a daemon on a real socket."""

import json
import os
import subprocess
import sys
import time
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.admin.records import StatusRecord
from pkdoors.adminclient.client import AdminClient
from pkdoors.adminclient.responses import readRecord
from pkdoors.adminclient.statusview import formatStatus
from pkdoors.cli import main
from tests import ROOT
from tests.fakes.admin import KEY, FakeAdmin, makeDoor, makeOpening
from tests.test_cli import CommandTestCase, End

LONGEST = "2001:db8:1234:5678:9abc:def0:1234:5678"


def longStatus() -> StatusRecord:
    """Return a status in which everything is as long as it can be."""
    admin = FakeAdmin()
    name = "a-door-with-a-very-long-name-000"
    admin.doors = [makeDoor(name, ",".join(f"{port}/tcp" for port in range(6000, 6040)))]
    admin.openings = [
        makeOpening(LONGEST, name, 3599.0, user="somebody with [red]a long comment " * 5),
        makeOpening("192.0.2.7", name, 9.0, trouble="COMMAND_FAILED: no such zone " * 9),
    ]
    return readRecord(StatusRecord, admin.status())


class ControlTestCase(CommandTestCase):
    """Has a daemon."""

    def setUp(self) -> None:
        """Start the daemon."""
        super().setUp()
        self.admin = FakeAdmin().__enter__()
        self.addCleanup(self.admin.__exit__)

    def ask(self, command: str, *arguments: str, **environment: str) -> End:
        """Run a command with this daemon."""
        return self.run_(command, "--admin", self.admin.path, *arguments, **environment)

    def says(self, *arguments: str) -> str:
        """Return what a command prints, which succeeds."""
        end = self.ask(*arguments)
        self.assertEqual((0, ""), (end.status, end.stderr))
        return end.stdout

    def fails(self, *arguments: str, status: int = 1) -> str:
        """Return the one line of a command that fails."""
        end = self.ask(*arguments)
        self.assertEqual((status, "", 1), (end.status, end.stdout, end.stderr.count("\n")), end)
        self.assertTrue(end.stderr.startswith(f"pkdoors {arguments[0]}: "), end.stderr)
        return end.stderr.partition(": ")[2].rstrip("\n")


class StatusTests(ControlTestCase):
    """Tests of C{pkdoors status}."""

    def test_documented(self) -> None:
        """The output looks as the README shows it."""
        self.admin.firewall = "nftables"
        self.admin.openings = [
            makeOpening("192.0.2.7", left=252.4, user="anna@laptop", key=KEY),
            makeOpening("2001:db8::7", left=3543.0, user="the operator"),
        ]
        shown = (ROOT / "README.md").read_text().partition("pkdoors status\n\n")[2]
        lines = shown.partition("\n\n| command")[0].replace("    ", "", 1).replace("\n    ", "\n")
        self.assertEqual(f"{lines}\n", self.says("status"))

    def test_closed(self) -> None:
        """The output says so if nothing is open."""
        self.assertIn("\nno door is open\n", self.says("status"))

    def test_who(self) -> None:
        """A key without a comment is shown as its fingerprint, and no key as a dash."""
        self.admin.openings = [makeOpening("192.0.2.7", key=KEY), makeOpening("192.0.2.8")]
        self.assertRegex(self.says("status"), rf"192.0.2.7 +12s +{KEY}\n.* 192.0.2.8 +12s +-\n")

    def test_trouble(self) -> None:
        """The output has what a firewall refuses."""
        self.admin.openings = [makeOpening("192.0.2.7", open=False, trouble="no such zone")]
        line = "door ssh is not open for 192.0.2.7: no such zone\n"
        self.assertTrue(self.says("status").endswith(f"\n\n{line}"))

    def test_nothingLost(self) -> None:
        """If the output is not a terminal, nothing is cut, coloured or taken for markup."""
        self.admin.openings = [
            makeOpening(LONGEST, user="[red]x[/red] :smile: " + "y" * 300, trouble="z" * 300)
        ]
        lines = self.says("status").splitlines()
        self.assertTrue(
            any(LONGEST in line and "[red]x[/red] :smile: " + "y" * 300 in line for line in lines)
        )
        self.assertTrue(any("z" * 300 in line for line in lines))
        self.assertFalse([line for line in lines if "\x1b" in line or line != line.rstrip()])

    def test_json(self) -> None:
        """C{--json} prints the daemon's whole answer, indented, even keys that are new."""
        answer = {**self.admin.status(), "new": 7}
        self.admin.answers["GET", "/status"] = (200, answer)
        output = self.says("status", "--json")
        self.assertEqual(answer, json.loads(output))
        self.assertIn('\n  "doors": [\n', output)

    def test_encoding(self) -> None:
        """Characters that the output's encoding lacks are no error."""
        self.admin.openings = [makeOpening("192.0.2.7", user="jürgen")]
        command = (sys.executable, "-c", "from pkdoors.cli import main; main()")
        done = subprocess.run(
            [*command, "status", "--admin", self.admin.path],
            cwd=ROOT,
            env={**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"},
            capture_output=True,
            text=True,
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        self.assertIn("j?rgen", done.stdout)

    def test_brokenPipe(self) -> None:
        """There is no error if the reader of a pipe, C{| head}, has read enough."""
        self.admin.openings = [makeOpening(f"10.0.{n // 250}.{n % 250}") for n in range(5000)]
        done = self.shell(f"status --admin {self.admin.path} | head -n 1")
        self.assertEqual(("", 1), (done.stderr, done.stdout.count("\n")))

    def test_outputLost(self) -> None:
        """Output that is full, or closed, is one sentence and status 1."""
        for redirection, reason in (
            (">/dev/full", "No space left on device"),
            (">&-", "Bad file descriptor"),
            (">&- <&-", "Bad file descriptor"),
        ):
            done = self.shell(f"status --admin {self.admin.path} {redirection}")
            line = f"pkdoors: cannot write to standard output: {reason}\n"
            self.assertEqual((1, "", line), (done.returncode, done.stdout, done.stderr))

    def shell(self, arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a command in a shell."""
        script = f"{sys.executable} -c 'from pkdoors.cli import main; main()'"
        return subprocess.run(
            ["sh", "-c", f"{script} {arguments}"], cwd=ROOT, capture_output=True, text=True
        )


class TableTests(SynchronousTestCase):
    """Tests of L{formatStatus} on terminals."""

    def shown(self, **environment: str) -> str:
        """Return the output on a terminal of 80 columns."""
        from rich.console import Console

        console = Console(
            file=StringIO(),
            width=80,
            force_terminal=True,
            markup=False,
            highlight=False,
            _environ=environment,
        )
        return formatStatus(longStatus(), console)

    def test_width(self) -> None:
        """Long names, addresses and comments are wrapped at 80 columns, and nothing is cut."""
        lines = self.shown(TERM="dumb").splitlines()
        self.assertEqual([], [line for line in lines if len(line) > 80])
        text = "".join("".join(lines).split())
        self.assertTrue(any(LONGEST in line for line in lines))
        for part in ("6039/tcp", "nosuchzone", "[red]"):
            self.assertIn(part, text)
        self.assertNotIn("…", text)


class OpenTests(ControlTestCase):
    """Tests of C{pkdoors open}."""

    def setUp(self) -> None:
        """Set the time zone to UTC."""
        super().setUp()
        setZone(self, "UTC")

    def test_open(self) -> None:
        """The line has the door, the address and the deadline."""
        self.assertEqual(
            "door ssh (22/tcp) is open for 192.0.2.7 until 08:10:00 (10m)\n",
            self.says("open", "192.0.2.7", "--door", "ssh", "--for", "10m"),
        )

    def test_longer(self) -> None:
        """A deadline on another day has its date."""
        line = self.says("open", "2001:DB8:0::7", "--door", "web", "--for", "30h")
        self.assertEqual(
            "door web (443/tcp) is open for 2001:db8::7 until 2026-11-24 14:00:00 (30h)\n", line
        )

    def test_ownTime(self) -> None:
        """The default is the door's own time; a single door need not be named."""
        self.admin.doors.pop()
        line = self.says("open", "192.0.2.7")
        self.assertIn("until 08:00:30 (30s)", line)

    def test_rounded(self) -> None:
        """The deadline is rounded to the second, as it is in the log."""
        for left, shown in ((1.51, "08:00:02"), (2.49, "08:00:02"), (2.51, "08:00:03")):
            opening = makeOpening("192.0.2.7", left=left)
            self.admin.answers["POST", "/openings"] = (200, {"opening": opening})
            self.assertIn(f"until {shown} (", self.says("open", "192.0.2.7"))

    def test_alreadyLonger(self) -> None:
        """If it was open for longer already, the line says so, and how to shorten that."""
        opening = makeOpening("192.0.2.7", left=598.0)
        self.admin.answers["POST", "/openings"] = (200, {"opening": opening})
        line = "door ssh (22/tcp) is open for 192.0.2.7 until 08:09:58 (9m58s)"
        self.assertEqual(
            f"{line}: it was open for longer already; to shorten that, close it, then open it "
            "again\n",
            self.says("open", "192.0.2.7", "--for", "1m"),
        )
        for asked in ((), ("--for", "10m"), ("--for", "598")):
            self.assertEqual(f"{line}\n", self.says("open", "192.0.2.7", *asked))

    def test_mapped(self) -> None:
        """An address is sent as the daemon sees it: IPv4-mapped as IPv4, without a scope."""
        self.says("open", "::ffff:192.0.2.7", "--door", "ssh")
        self.says("open", "fe80::1%eth0", "--door", "ssh")
        self.assertEqual(
            ["192.0.2.7", "fe80::1"], [body["source"] for _, _, body in self.admin.asked]
        )

    def test_refused(self) -> None:
        """A refusal of the daemon, or its firewall, is its sentence and status 1."""
        self.assertEqual(
            "there is no door 'shh': its doors are ssh, web",
            self.fails("open", "192.0.2.7", "--door", "shh"),
        )
        self.admin.refusal = "firewalld refuses it, and it is tried again: no such zone"
        self.assertEqual(self.admin.refusal, self.fails("open", "192.0.2.7", "--door", "ssh"))

    def test_wrongUsage(self) -> None:
        """A bad address, door or time is status 2, and no request is sent."""
        for arguments, words in (
            (("host.example",), "argument ADDRESS: 'host.example' is not an address: give an IPv4"),
            (("192.0.2.0/24",), "is not an address"),
            (("",), "is not an address"),
            (("192.0.2.7", "--door", "a b"), "argument --door: 'a b' is not a door's name"),
            (("192.0.2.7", "--for", "0"), "argument --for: '0' is not a time"),
            ((), "ADDRESS"),
        ):
            self.assertIn(words, self.fails("open", *arguments, status=2))
        self.assertEqual([], self.admin.asked)


class CloseTests(ControlTestCase):
    """Tests of C{pkdoors close}."""

    def setUp(self) -> None:
        """Open some doors."""
        super().setUp()
        self.admin.openings = [
            makeOpening("192.0.2.7"),
            makeOpening("192.0.2.7", "web"),
            makeOpening("2001:db8::7"),
        ]

    def test_address(self) -> None:
        """All doors are closed for an address, or one."""
        self.assertEqual(
            "closed door web for 192.0.2.7\n", self.says("close", "192.0.2.7", "--door", "web")
        )
        self.assertEqual("closed door ssh for 192.0.2.7\n", self.says("close", "192.0.2.7"))

    def test_all(self) -> None:
        """All openings are closed, or those of a door."""
        self.assertEqual(
            "closed door ssh for 192.0.2.7\nclosed door ssh for 2001:db8::7\n",
            self.says("close", "--all", "--door", "ssh"),
        )
        self.assertEqual("closed door web for 192.0.2.7\n", self.says("close", "--all"))
        self.assertEqual("no door was open\n", self.says("close", "--all"))

    def test_many(self) -> None:
        """Of many openings only the number is printed."""
        self.admin.openings = [makeOpening(f"192.0.2.{n}") for n in range(20)]
        self.assertEqual(20, self.says("close", "--all").count("\n"))
        self.admin.openings = [makeOpening(f"192.0.2.{n}") for n in range(21)]
        self.assertEqual("closed 21 openings\n", self.says("close", "--all"))

    def test_notOpen(self) -> None:
        """An address without an opening is the daemon's sentence and status 1."""
        self.assertEqual("nothing is open for 192.0.2.9", self.fails("close", "192.0.2.9"))

    def test_stillClosing(self) -> None:
        """The output has what a firewall refuses to close, and the status is 1."""
        self.admin.closing = {"192.0.2.7"}
        end = self.ask("close", "--all", "--door", "ssh")
        self.assertEqual((1, "closed door ssh for 2001:db8::7\n"), (end.status, end.stdout))
        self.assertEqual(
            "pkdoors close: door ssh is still closing for 192.0.2.7: the daemon keeps trying, and "
            "the kernel closes it at its deadline in any case\n",
            end.stderr,
        )
        end = self.ask("close", "192.0.2.7")
        self.assertEqual((1, "", 2), (end.status, end.stdout, end.stderr.count("\n")))
        self.admin.openings = [makeOpening("192.0.2.7") for _ in range(21)]
        end = self.ask("close", "192.0.2.7")
        self.assertEqual((1, "", 1), (end.status, end.stdout, end.stderr.count("\n")))

    def test_follows(self) -> None:
        """The status is 0 if the guard has closed all, though firewalld is slower."""
        self.admin.closing, self.admin.isShut = {"192.0.2.7"}, True
        self.assertEqual(
            "closed door ssh for 2001:db8::7\nclosed door ssh for 192.0.2.7: "
            "nobody comes in any more, and firewalld follows\n",
            self.says("close", "--all", "--door", "ssh"),
        )
        self.admin.openings = [makeOpening("192.0.2.7") for _ in range(21)]
        self.assertEqual(
            "closed 21 openings: nobody comes in any more, and firewalld follows\n",
            self.says("close", "--all"),
        )

    def test_refusedOutside(self) -> None:
        """If the guard has closed and firewalld refuses, both are printed, with status 1."""
        self.admin.closing, self.admin.isShut = {"192.0.2.7"}, True
        self.admin.refused = "cannot close: INVALID_ZONE"
        self.assertEqual(
            "door web is still closing for 192.0.2.7: cannot close: INVALID_ZONE: nobody comes in "
            "any more, the guard has closed it, and the daemon keeps trying",
            self.fails("close", "--all", "--door", "web"),
        )

    def test_wrongUsage(self) -> None:
        """An address and C{--all} exclude each other, and one is required."""
        for arguments in ((), ("192.0.2.7", "--all"), ("--door", "ssh")):
            self.assertEqual(
                "give either the ADDRESS to close for, or --all",
                self.fails("close", *arguments, status=2),
            )
        self.assertEqual([], self.admin.asked)


class ReloadTests(ControlTestCase):
    """Tests of C{pkdoors reload}."""

    def test_changes(self) -> None:
        """Each change is a line."""
        changes = ["door web (443/tcp) is new", "door ssh: open_for is 1m"]
        self.admin.reloading = (200, {"changes": changes, "troubles": []})
        self.assertEqual("\n".join((*changes, "")), self.says("reload"))
        self.admin.reloading = (200, {"changes": [], "troubles": []})
        self.assertEqual("nothing has changed\n", self.says("reload"))

    def test_troubles(self) -> None:
        """Troubles are printed, too, and the status is 0."""
        self.admin.reloading = (200, {"changes": ["a"], "troubles": ["firewalld is away"]})
        self.assertEqual(End(0, "a\n", "pkdoors reload: firewalld is away\n"), self.ask("reload"))

    def test_refused(self) -> None:
        """A bad configuration is the daemon's sentence and status 1."""
        self.admin.reloading = (409, {"error": "/etc/pkdoors/pkdoors.toml is not TOML"})
        self.assertEqual("/etc/pkdoors/pkdoors.toml is not TOML", self.fails("reload"))


class NoDaemonTests(ControlTestCase):
    """Tests of all commands without a daemon that answers as it should."""

    COMMANDS: tuple[tuple[str, ...], ...] = (
        *(("status",), ("status", "--json"), ("open", "192.0.2.7"), ("close", "--all")),
        ("reload",),
    )

    def test_noDaemon(self) -> None:
        """Without a daemon each is one sentence and status 3."""
        self.admin.stop()
        for command in self.COMMANDS:
            line = self.fails(*command, status=3)
            self.assertIn(f"(no socket at {self.admin.path}): start it, or use --admin PATH", line)

    def test_strange(self) -> None:
        """An answer that cannot be understood is one sentence and status 1."""
        answer: Any = (200, ["?"])
        targets = (("GET", "/status"), ("POST", "/openings"), ("DELETE", "/openings"))
        self.admin.answers = {target: answer for target in (*targets, ("POST", "/reload"))}
        for command in self.COMMANDS:
            if "--json" not in command:
                self.assertIn("cannot understand", self.fails(*command))

    def test_file(self) -> None:
        """The socket's path is in the configuration file; C{--admin} overrides that."""
        file = os.path.abspath(self.mktemp())
        Path(file).write_text(f'admin = "{self.admin.path}"\n')
        self.assertEqual(0, self.run_("status", "-c", file).status)
        Path(file).write_text('admin = "off"\n')
        self.assertEqual(1, self.run_("status", "--conf", file).status)
        self.assertEqual(0, self.ask("status", "-c", file).status)

    def test_interrupted(self) -> None:
        """Ctrl-C is one word."""

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        self.patch(AdminClient, "status", interrupt)
        self.assertEqual("interrupted", self.fails("status"))


class StartTests(SynchronousTestCase):
    """Tests of what a command loads."""

    def test_quick(self) -> None:
        """C{pkdoors} itself loads neither Twisted, HTTP and rich, nor argcomplete."""
        script = "import sys; import pkdoors.cli as c; c.makeParser(); print(*sys.modules)"
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
        )
        loaded = {name.partition(".")[0] for name in done.stdout.split()}
        self.assertEqual(set(), loaded & {"argcomplete", "http", "rich", "twisted", "zope"})

    def test_help(self) -> None:
        """Each command has a help, which names its options."""
        for command, words in (
            ("status", ("--json", "--admin", "--conf", "/run/pkdoors/admin.sock")),
            ("open", ("ADDRESS", "--door", "--for", "is kept")),
            ("close", ("[ADDRESS]", "--all", "--door")),
            ("reload", ("configuration",)),
            ("watch", ("Ctrl-C",)),
            ("completion", ("~/.bashrc", "~/.zshrc", "~/.config/fish/completions/")),
        ):
            with redirect_stdout(StringIO()) as stdout:
                self.assertRaises(SystemExit, main, [command, "--help"], {})
            for word in words:
                self.assertIn(word, stdout.getvalue())


def setZone(test: SynchronousTestCase, zone: str) -> None:
    """Set the time zone for a test."""
    before = os.environ.get("TZ")

    def restore() -> None:
        if before is None:
            os.environ.pop("TZ", None)
        else:
            os.environ["TZ"] = before
        time.tzset()

    os.environ["TZ"] = zone
    time.tzset()
    test.addCleanup(restore)
