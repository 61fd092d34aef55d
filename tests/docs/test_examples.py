"""What the pages show can be pasted: files parse, and command lines are understood."""

import ast
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import redirect_stderr
from importlib import import_module
from io import StringIO
from tomllib import loads

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.cli import COMMANDS, makeParser
from pkdoors.client.profiles import Profiles
from pkdoors.commands.daemonoptions import listWords
from pkdoors.config.parser import parseConfig
from pkdoors.doctor.options import CheckOptions
from tests.fakes.doors import PORTS
from tests.lab.pages import DOCS, Part, listPages, readBlocks, readInline

_COMMAND = re.compile(r"(?:^|[\s;(\"'])(?:\S*/)?pkdoors (?=[a-z-]+)")
_END = re.compile(r"`|\s(?:\||\|\||&&|;|>>?|<|#)\s|[;)]|\s(?:>>?|<)(?=\S)|\s#.*$|$")
_PLACEHOLDERS = {
    "ADDRESS": "192.0.2.7",
    "NAME": "ssh",
    "FORMAT": "uri",
    "NETWORK": "192.0.2.0/24",
    "NUMBER": "5",
    "PORT": "22",
    "TIME": "10m",
    "%h": "myhost.example",
    "%p": "22",
    "me": "me",
}
"""What stands for these words, in prose."""
_NAMES = {*COMMANDS}
PAGES = (
    "locked-out",
    "sealed-knocks",
    "firewalls",
    "configuration",
    "clients",
    "operating",
    "fleet",
    "security",
    "moving",
    "how-it-works",
    "developers",
)
"""The pages for users and newcomers."""
_EARLY = 30
"""Lines: a reader in a hurry sees no more."""


def findCommands(code: Part) -> Iterator[str]:
    """Yield the command lines of C{pkdoors} in a block, each beginning with the command's name."""
    text = re.sub(r"\\\n\s*", " ", code.text)
    for line in text.splitlines():
        for match in _COMMAND.finditer(line):
            rest = line[match.end() :]
            command = rest[: _END.search(rest).start()]  # type: ignore[union-attr]
            if command.split(" ")[0] in _NAMES:
                yield command


def readWords(command: str) -> list[str]:
    """Return the words of a command line, with values for what is left open."""
    whole = command.replace(",...", ",17005,17404,17002")
    quoted = whole.rstrip("'\"`") if whole.count("'") % 2 or whole.count('"') % 2 else whole
    return [_PLACEHOLDERS.get(word, word) for word in shlex.split(quoted)]


class CommandTests(SynchronousTestCase):
    """
    The command lines.
    """

    def test_all(self) -> None:
        """Each command line of pkdoors, in blocks and in sentences, is understood."""
        found = [
            (code.place, command, isBlock)
            for page in listPages()
            for read, isBlock in ((readBlocks, True), (readInline, False))
            for code in read(page)
            for command in findCommands(code)
        ]
        self.assertGreater(len(found), 100)
        faults = [
            f"{place}: {command}: {complaint}"
            for place, command, isBlock in found
            if (complaint := self.complaint(command, isBlock))
        ]
        self.assertEqual("", "\n".join(faults))

    def complaint(self, command: str, isBlock: bool) -> str:
        """Return what is wrong with a command line; in a sentence it may lack its arguments."""
        words = readWords(command)
        output = StringIO()
        try:
            with redirect_stderr(output):
                options = makeParser(words[0]).parse_args(words)
                if words[0] == "check":
                    self.readDaemonOptions(listWords(options))
        except SystemExit as end:
            text = output.getvalue().strip() or str(end.code)
            isIncomplete = re.search("required|expected one argument|give ", text)
            return "" if isIncomplete and not isBlock else text
        return ""

    def readDaemonOptions(self, words: list[str]) -> None:
        """Parse the options of a command that has the daemon's."""
        environment = {"KNOCKER_SEQ": ",".join(map(str, PORTS)), "KNOCKER_PORTS": "22"}
        CheckOptions(environment).parseOptions(words)

    def test_found(self) -> None:
        """Command lines are found however they are written, and mistakes in them, too."""
        for text, commands in (
            ("sudo pkdoors status", ["status"]),
            ("ProxyCommand ~/x/bin/pkdoors connect home %p", ["connect home %p"]),
            ("pkdoors knock a -m 1,2 --wait 22 && ssh a", ["knock a -m 1,2 --wait 22"]),
            ('eval "$(pkdoors completion bash)"', ["completion bash"]),
            ("pkdoors export a --format uri >> x", ["export a --format uri"]),
            ("journalctl -u pkdoors -f", []),
            ("pkdoors 26.12.0, up", []),
        ):
            self.assertEqual(commands, [*findCommands(Part("", text))], text)
        self.assertIn("unrecognized", self.complaint("status --nothing", True))
        self.assertEqual("", self.complaint("open", False))
        self.assertIn("required", self.complaint("open", True))
        self.assertIn("nothing", self.complaint("check --nothing", True))


class FileTests(SynchronousTestCase):
    """
    The files.
    """

    def test_toml(self) -> None:
        """Each block of TOML is a part of the daemon's file, or of the client's profiles."""
        blocks = [code for page in listPages() for code in readBlocks(page)]
        blocks = [code for code in blocks if code.language == "toml"]
        self.assertGreater(len(blocks), 5)
        for place, text, _ in blocks:
            tables = loads(text)
            if {"hosts", "groups"} & {*tables}:
                profiles = Profiles(text)
                for name in tables.get("hosts", {}):
                    self.assertTrue(profiles[name].address, place)
            else:
                door = "" if "doors" in tables else f"[doors.a]\nsequence={[*PORTS]}\nports=[22]\n"
                self.assertTrue(parseConfig(f"{text}\n{door}", place).doors, place)

    def test_fenced(self) -> None:
        """Each block that looks like TOML says so, and is tested."""
        for page in listPages():
            for place, text, language in readBlocks(page):
                isRecorded = language == "console"  # and compared, by tests.real.test_recorded
                if not isRecorded and re.search(r"^\[(?:doors|hosts|groups)\.", text, re.M):
                    self.assertEqual("toml", language, place)

    def test_json(self) -> None:
        """Each block of JSON is JSON, with dots where something is left out in a text."""
        blocks = [code for page in listPages() for code in readBlocks(page)]
        blocks = [code for code in blocks if code.language == "json"]
        self.assertGreater(len(blocks), 0)
        for place, text, _ in blocks:
            self.assertTrue(json.loads(text), place)

    def test_python(self) -> None:
        """Each program in Python compiles, and imports from pkdoors what is there."""
        blocks = [code for page in listPages() for code in readBlocks(page)]
        blocks = [code for code in blocks if code.language == "python"]
        self.assertGreater(len(blocks), 1)
        for place, text, _ in blocks:
            for node in ast.walk(ast.parse(text, place)):
                if isinstance(node, ast.ImportFrom) and f"{node.module}".startswith("pkdoors"):
                    names = {alias.name for alias in node.names}
                    self.assertEqual(set(), names - {*dir(import_module(f"{node.module}"))}, place)

    def test_everywhere(self) -> None:
        """Each page of the manual for users has an example near its beginning."""
        for name in PAGES:
            text = (DOCS / f"{name}.md").read_text()
            early = "\n".join(text.splitlines()[:_EARLY])
            self.assertRegex(early, r"(?m)^(```\w+|    \S)", name)
