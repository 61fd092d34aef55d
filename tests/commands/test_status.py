"""Tests of C{pkdoors status}, with a daemon on a real socket."""

import json
import os
import subprocess
import sys
from io import StringIO

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.adminclient.statusview import formatStatus
from tests import ROOT
from tests.commands.controlcase import LONGEST, ControlTestCase, longStatus
from tests.fakes.admin import KEY, makeDoor, makeOpening
from tests.lab.pages import OPERATING, block


class StatusTests(ControlTestCase):
    """Tests of C{pkdoors status}."""

    def test_documented(self) -> None:
        """The output looks as the manual shows it."""
        self.admin.firewall = "nftables"
        self.admin.openings = [
            makeOpening("192.0.2.7", left=252.4, user="anna@laptop", key=KEY),
            makeOpening("2001:db8::7", left=3543.0, user="the operator"),
        ]
        shown = block("sudo pkdoors status\n\n", OPERATING).partition("\n\n")[2]
        self.assertEqual(shown, self.says("status"))

    def test_closed(self) -> None:
        """The output says so if nothing is open."""
        self.assertIn("\nno door is open\n", self.says("status"))

    def test_pending(self) -> None:
        """The output has what somebody has changed in the file without a reload."""
        self.admin.pending = ["door web (443/tcp) changed: open_for", "audit changed"]
        shown = " ".join(self.says("status").split())
        changes = "door web (443/tcp) changed: open_for; audit changed"
        self.assertIn(f"has changes that were not reloaded: {changes}", shown)

    def test_who(self) -> None:
        """A key without a comment is shown as its fingerprint, and no key as a dash."""
        self.admin.openings = [makeOpening("192.0.2.7", key=KEY), makeOpening("192.0.2.8")]
        self.assertRegex(self.says("status"), rf"192.0.2.7 +12s +{KEY}\n.* 192.0.2.8 +12s +-\n")

    def test_fleet(self) -> None:
        """The lock says whether a door is one of a fleet, and whether only that opens it."""
        self.admin.doors = [
            makeDoor("out", "22/tcp", lock="sealed", fleet=True, listens=True),
            makeDoor("in", "22/tcp", lock="sealed", fleet=True, listens=False),
            makeDoor("old", "22/tcp", lock="sealed"),
        ]
        shown = self.says("status")
        locks = {"out": "sealed, fleet", "in": "sealed, fleet only", "old": "sealed"}
        for name, lock in locks.items():
            self.assertRegex(shown, rf"(?m)^{name} +22/tcp +{lock}  +nobody")

    def test_networks(self) -> None:
        """Networks are counted apart from addresses, and who asked from elsewhere is named so."""
        self.admin.openings = [makeOpening("10.0.0.0/16", user="anna", asked_from="192.0.2.9")]
        self.assertRegex(self.says("status"), r"ssh .* 1 network  .*\n")
        self.assertRegex(self.says("status"), r"10\.0\.0\.0/16 +12s +anna from 192\.0\.2\.9\n")
        self.admin.openings += [makeOpening("192.0.2.7"), makeOpening("2001:db8::/64")]
        self.assertRegex(self.says("status"), r"ssh .* 1 address, 2 networks  .*\n")

    def test_first(self) -> None:
        """The first fifty are shown, with the number of the others; more if they are asked for."""
        self.admin.openings = [makeOpening(f"10.0.0.{n}", left=n) for n in range(1, 71)]
        self.admin.openings.append(makeOpening("192.0.2.7", "web", left=99))
        lines = self.says("status").splitlines()
        self.assertEqual(
            "and 21 more, which end later: --all, --door and --within show them", lines[-1]
        )
        self.assertEqual(50, sum("10.0.0." in line for line in lines))
        self.assertIn("10.0.0.50 ", "\n".join(lines))
        for arguments, count in (
            (("--all",), 71),
            (("--limit", "7"), 7),
            (("--limit", "0"), 0),
            (("--door", "web"), 1),
            (("--within", "10.0.0.0/28"), 15),
            (("--within", "192.0.2.7"), 1),
            (("--within", "192.0.2.0/24", "--door", "ssh"), 0),
        ):
            shown = self.says("status", *arguments)
            self.assertEqual(count, shown.count(" 10.0.0.") + shown.count(" 192.0.2."), arguments)
        self.assertIn("and 71 more", self.says("status", "--limit", "0"))
        self.assertNotIn(" more", self.says("status", "--all"))
        self.assertEqual(71, len(json.loads(self.says("status", "--json"))["openings"]))
        self.assertEqual(
            3, len(json.loads(self.says("status", "--json", "--limit", "3"))["openings"])
        )

    def test_olderDaemon(self) -> None:
        """A daemon that cannot show a part shows all."""
        self.admin.isOld = True
        self.admin.openings = [makeOpening(f"10.0.0.{n}", left=n) for n in range(1, 71)]
        self.assertEqual(70, self.says("status").count(" 10.0.0."))

    def test_wrongUsage(self) -> None:
        """Wrong arguments are refused with a line."""
        for arguments, part in (
            (("--limit", "x"), "'x' is not a number from 0 to 999999"),
            (("--limit", "5", "--all"), "not allowed with"),
            (("--within", "everybody"), "'everybody' is not an address"),
        ):
            self.assertIn(part, self.fails("status", *arguments, status=2))

    def test_once(self) -> None:
        """Openings for one connection are shown as such, and as used when they are."""
        self.admin.openings = [
            makeOpening("192.0.2.7", uses="once"),
            makeOpening("192.0.2.8", uses="once", used=True, open=False, user="anna"),
        ]
        self.assertRegex(self.says("status"), r"192.0.2.7 +12s, for one connection +-\n")
        self.assertRegex(self.says("status"), r"192.0.2.8 +used +anna\n")

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
        self.admin.openings = [makeOpening(f"10.0.{n // 250}.{n % 250}") for n in range(1500)]
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
