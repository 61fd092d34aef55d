"""Tests of L{pkdoors.commands.check}."""

import json

from pkdoors.doctor import sources
from pkdoors.doctor.sources import Sources
from tests.doctor.case import (
    NOBODY,
    ROOT,
    SEQUENCE,
    WELL,
    FakeProc,
    giving,
)
from tests.test_cli import CommandTestCase, End


class CommandTests(CommandTestCase):
    """
    Tests of C{pkdoors check}.
    """

    options = ("-m", ",".join(map(str, SEQUENCE)), "-p", "22")

    def check(self, *arguments: str, status: str = ROOT, **environment: str) -> End:
        """Run it on a host without faults."""
        proc = FakeProc()
        proc.privilege = status
        sources_ = Sources(proc, **{name: giving(fact) for name, fact in WELL.items()})
        self.patch(sources, "Sources", lambda: sources_)
        return self.run_("check", *arguments, **environment)

    def test_table(self) -> None:
        """It prints a table, and exits with the status of the worst finding."""
        end = self.check(*self.options)
        self.assertEqual((0, ""), (end.status, end.stderr))
        self.assertIn("OK       firewall     nftables (firewalld is not running)\n", end.stdout)
        self.assertEqual(2, self.check(*self.options, status=NOBODY).status)

    def test_json(self) -> None:
        """C{--json} prints the same for programs, at any place in the command line."""
        table = self.check(*self.options).stdout
        for arguments in (("--json", *self.options), (*self.options, "--json")):
            found = json.loads(self.check(*arguments).stdout)
            self.assertEqual(len(table.splitlines()), len(found))
            for each in found:
                self.assertIn(each["text"], table)

    def test_quiet(self) -> None:
        """With C{--quiet} it prints only what counts, and nothing if all is well."""
        self.assertEqual(End(0, "", ""), self.check(*self.options, "--quiet"))
        self.assertEqual("[]\n", self.check(*self.options, "-q", "--json").stdout)
        end = self.check(*self.options, "--quiet", status=NOBODY)
        self.assertEqual(2, end.status)
        lines = [line for line in end.stdout.splitlines() if not line.startswith(" ")]
        self.assertTrue(lines)
        self.assertEqual(set(), {line.split()[0] for line in lines} - {"WARNING", "ERROR"})

    def test_environment(self) -> None:
        """The environment has the same effect as for the daemon."""
        end = self.check(KNOCKER_SEQ=self.options[1], KNOCKER_PORTS="22")
        self.assertEqual(0, end.status)

    def test_wrong(self) -> None:
        """A usage error is one line and status 2."""
        for arguments in (
            (),
            ("-m", "1,2", "-p", "22"),
            ("--nonsense",),
            (*self.options, "-f", "pf"),
            (*self.options, "more"),
        ):
            end = self.check(*arguments)
            self.assertEqual((2, "", 1), (end.status, end.stdout, end.stderr.count("\n")), end)
            self.assertTrue(end.stderr.startswith("pkdoors check: "), end.stderr)

    def test_help(self) -> None:
        """The help lists the daemon's options, and its own."""
        end = self.check("--help")
        self.assertEqual(0, end.status)
        for word in ("pkdoors check", "--magic-seq", "--zone", "--interface", "--json"):
            self.assertIn(word, end.stdout)
