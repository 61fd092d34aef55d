"""The reference of the commands, and the manual pages: one for each, with all its options."""

import re
from argparse import SUPPRESS

from twisted.trial.unittest import SynchronousTestCase

from manual.commands import (
    RELATED,
    commandsOf,
    describeCommand,
    describeCommands,
    describeOptions,
    giveExamples,
    parsers,
    seeAlso,
)
from manual.generators import GENERATORS, complete
from manual.markdown import escape
from manual.pages import ABOUT, forSphinx
from pkdoors.cli import COMMANDS
from tests import ROOT
from tests.docs import EXTENSIONS

assert EXTENSIONS.is_dir()
MAN = ROOT / "docs" / "man"


def pageOf(name: str) -> str:
    """Return a page with all that is generated for it."""
    return complete((MAN / f"{name}.md").read_text())


class PageTests(SynchronousTestCase):
    """
    The manual pages.
    """

    def test_pages(self) -> None:
        """
        Each command has a page. If you add a command, add C{docs/man/pkdoors-NAME.1.md}: begin with
        that of a command that is like it.
        """
        pages = {path.stem for path in MAN.glob("*.md")} - {"index"}
        self.assertEqual({*ABOUT}, pages)
        self.assertEqual(len(ABOUT), len(forSphinx()))

    def test_sections(self) -> None:
        """Each page has the usual sections, in the usual order."""
        order = ["SYNOPSIS", "DESCRIPTION", "EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES"]
        order.append("SEE ALSO")
        for page in ABOUT:
            found = re.findall("^## (.+)$", pageOf(page), re.MULTILINE)
            usual = [title for title in found if title in order]
            self.assertEqual([title for title in order if title in usual], usual, page)
            wanted = {"SYNOPSIS", "DESCRIPTION", "EXAMPLES", "SEE ALSO"}
            if not page.endswith(".5"):
                wanted.add("EXIT STATUS")
            self.assertEqual(set(), wanted - {*found}, page)

    def test_marks(self) -> None:
        """A mark of a page that nobody knows is an error."""
        self.assertRaises(KeyError, complete, "<!-- generated: nothing -->")
        self.assertEqual("a\n\nb", complete("a\n\nb"))
        for page in (*MAN.parent.glob("*.md"), *(MAN / f"{name}.md" for name in ABOUT)):
            self.assertNotIn("<!-- generated", complete(page.read_text()), page.name)
        self.assertIn("command", GENERATORS)


class CommandTests(SynchronousTestCase):
    """
    What is made of the parsers.
    """

    def test_commands(self) -> None:
        """The list has all commands, with their descriptions."""
        text = describeCommands()
        for name, command in COMMANDS.items():
            link = f"[pkdoors-{name}(1)](pkdoors-{name}.1.md)"
            self.assertIn(f"{link}\n: {escape(command.about)}\n", text)
        self.assertEqual(set(), {*RELATED} - {*COMMANDS})
        for name in COMMANDS:
            self.assertIn("[pkdoors(1)](pkdoors.1.md)", seeAlso(name))

    def test_options(self) -> None:
        """The page of a command has each of its options and arguments, with a meaning."""
        for name, parser in parsers().items():
            text = describeCommand(name)
            for action in parser._actions:
                if action.option_strings and action.help != SUPPRESS:
                    self.assertRegex(text, rf"(?m)^.*`{action.option_strings[-1]}`.*\n: \w", name)
            self.assertNotIn("SUPPRESS", text, name)
            self.assertNotRegex(giveExamples(name), r"(?m)^ ", name)
        text = describeCommand("fleet")
        for name, parser in commandsOf(parsers()["fleet"]).items():
            self.assertIn(f"\n### {name}\n\n{escape(parser.description or '')}\n", text)
            self.assertIn(f"pkdoors fleet {name} [-h]", text)
        self.assertRegex(text, r"(?m)^`--print`\n: do not send")
        self.assertRegex(describeCommand("knock"), r"(?m)^\*HOST\*\n: name or address")
        # From 3.13 on, argparse breaks lines in there.
        self.assertIn("[-4 | -6]", " ".join(describeCommand("knock").split()))
        self.assertIn("`--wait` *PORT*\n: wait until", pageOf("pkdoors-knock.1"))

    def test_groups(self) -> None:
        """Options are in the groups of C{--help}."""
        text = describeOptions("daemon")
        self.assertIn("`-c` *FILE*, `--conf` *FILE*\n: the conf", text)
        below = text.partition("### Options of the door\n\nThese override ")[2]
        self.assertIn("`--open-for` *TIME*\n: TIME that", below)
        self.assertNotIn("`--firewall`", below)
        self.assertIn("`--firewall`", text)

    def test_escape(self) -> None:
        """Text shows as it is."""
        self.assertEqual(r"\[a\]\_\*b\* `c_d` \<e\>", escape("[a]_*b* `c_d` <e>"))
