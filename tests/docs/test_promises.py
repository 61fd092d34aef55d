"""The tests that the pages name, and the files of the project, are there."""

import ast
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests import ROOT
from tests.lab.english import collectMessages
from tests.lab.pages import DOCS, listPages, readBlocks, readInline

SECURITY = DOCS / "security.md"
_DOTTED = re.compile(r"\b(?:tests|bench|fuzz)(?:\.\w+)+")
_PATH = re.compile(r"(?:docs|tests|script|bench|fuzz|packaging|pkdoors)/[\w./-]*\w")
_BUILT = re.compile(r"docs/figures/grow-\*|\bbuild/")


def findName(dotted: str) -> bool:
    """Return whether there is such a package, module, class or test."""
    parts = dotted.split(".")
    path = ROOT
    while parts and (path / parts[0]).is_dir():
        path /= parts.pop(0)
    if not parts:
        return True
    module = path / f"{parts.pop(0)}.py"
    if not module.is_file():
        return False
    classes = _readClasses(module)
    if not parts:
        return True
    return parts[0] in classes and (len(parts) == 1 or parts[1] in _methods(classes, parts[0]))


def _readClasses(module: Path) -> dict[str, ast.ClassDef]:
    tree = ast.parse(module.read_text())
    return {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}


def _methods(classes: dict[str, ast.ClassDef], name: str) -> set[str]:
    """Return the names of the methods of a class, also of those that it has from its module."""
    node = classes[name]
    own = {each.name for each in node.body if isinstance(each, ast.FunctionDef)}
    bases = [base.id for base in node.bases if isinstance(base, ast.Name) and base.id in classes]
    return own.union(*(_methods(classes, base) for base in bases))


class NamesTests(SynchronousTestCase):
    """
    All pages.
    """

    def test_names(self) -> None:
        """Each test, package and program that a page names by its dotted name exists."""
        codes = [
            code for page in listPages() for read in (readBlocks, readInline) for code in read(page)
        ]
        names = [(code.place, name) for code in codes for name in _DOTTED.findall(code.text)]
        self.assertGreater(len(names), 80)
        self.assertEqual([], [each for each in names if not findName(each[1])])

    def test_paths(self) -> None:
        """Each file of the project that a page names by its path exists."""
        paths = [
            (code.place, path)
            for page in listPages()
            for code in readInline(page)
            for path in _PATH.findall(code.text)
            if code.text.startswith(path) and not _BUILT.match(code.text)
        ]
        self.assertGreater(len(paths), 10)
        self.assertEqual([], [each for each in paths if not (ROOT / each[1]).exists()])

    def test_unknown(self) -> None:
        """A name that does not exist is found out at each level."""
        for name, isThere in (
            ("tests.docs.test_promises.NamesTests.test_unknown", True),
            ("tests.real.test_deadline.FirewalldDeadlineTests.test_killed", True),
            ("tests.real.test_heal", True),
            ("tests.real.test_nothing", False),
            ("tests.real.test_heal.NobodyTests", False),
            ("tests.real.test_heal.NftablesTests.test_nothing", False),
        ):
            self.assertEqual(isThere, findName(name), name)


class PromisesTests(SynchronousTestCase):
    """
    The page about security.
    """

    def test_held(self) -> None:
        """Each promise names a single test, down to its method, that holds it."""
        table = SECURITY.read_text().partition("| promise | held by |\n")[2].partition("\n\n")[0]
        rows = [line.strip("| ").split(" | ") for line in table.splitlines()[1:]]
        self.assertGreater(len(rows), 20)
        for promise, tests in rows:
            names = tests.replace("`", "").split(", ")
            for name in names:
                self.assertRegex(name, r"^tests(\.\w+)+\.\w+Tests\.test_\w+$", promise)
                self.assertTrue(findName(name), name)

    def test_all(self) -> None:
        """The six promises are there, each with tests."""
        text = SECURITY.read_text()
        for promise in (
            "A door never outlives its deadline",
            "A door opens to nobody who did not earn it",
            "Closed is the default",
            "A reload, flush or restart of the firewall is a non-event",
            "The daemon never stops listening",
            "The operator is never in the dark",
        ):
            self.assertIn(f"| **{promise}**", text)


class ReasonsTests(SynchronousTestCase):
    """
    The page about knocks that opened nothing.
    """

    def test_reasons(self) -> None:
        """The log can have each reason that the page explains."""
        text = (DOCS / "failed-knocks.md").read_text()
        table = text.partition("| reason | what to do |\n")[2].partition("\n\n")[0]
        cells = [line.split(" | ")[0] for line in table.splitlines()[1:]]
        reasons = [reason for cell in cells for reason in re.findall("`([^`]+)`", cell)]
        self.assertGreater(len(reasons), 7)
        messages = "\n".join(each.text for each in collectMessages(ROOT / "pkdoors" / "locks"))
        computed = r"198\.51\.100\.7|203\.0\.113\.7|anna|42s"
        for reason in reasons:
            self.assertIn(re.sub(computed, "\N{HORIZONTAL ELLIPSIS}", reason), messages)
