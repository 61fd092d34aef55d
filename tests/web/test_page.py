"""The tests of the page's modules, and what must not be in its files."""

import re
from html.parser import HTMLParser
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.lab.english import Text, findFaults
from tests.lab.page import NODE, PAGE, TESTS, readModules, runTests

MAX_LINES, MAX_WIDTH = 180, 110
SVG = "http://www.w3.org/2000/svg"
"""A name, and not an address that anything is loaded from."""

MARKUP = r"""innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|srcdoc|setHTML
    |\beval\b|\bFunction\(|createContextualFragment|javascript:|\.cssText|\.href[ ]?=|\.src[ ]?=
    |["'`]on[a-z]+["'`][ ]*[,:]|\.on[a-z]+[ ]=[ ]"""
"""What makes markup or a program of a text."""


class ModuleTests(SynchronousTestCase):
    """C{node --test}, which needs no browser."""

    if not NODE:
        skip = "node is missing"

    def test_modules(self) -> None:
        """The tests of the modules pass."""
        done = runTests()
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)
        passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
        self.assertGreater(int(passed[1]) if passed else 0, 50)


class Document(HTMLParser):
    """
    Collects what a document has.

    @ivar tags: the elements, each with its attributes.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        """See L{HTMLParser}."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        """See L{HTMLParser}."""
        self.texts.append(data)

    def values(self, name: str) -> list[str]:
        """Return the values of an attribute."""
        return [attrs[name] for _, attrs in self.tags if name in attrs]


class DocumentTests(SynchronousTestCase):
    """C{index.html}."""

    def setUp(self) -> None:
        """Read it."""
        self.html = Document((PAGE / "index.html").read_text("utf-8"))

    def test_policy(self) -> None:
        """It keeps to C{default-src 'self'}: programs and styles are in files, and all are here."""
        for tag, attrs in self.html.tags:
            self.assertNotIn("style", (tag, *attrs))
            self.assertEqual([], [name for name in attrs if name.startswith("on")], tag)
            self.assertTrue(tag != "script" or attrs.get("src"), tag)
        for address in [*self.html.values("src"), *self.html.values("href")]:
            self.assertTrue(address.startswith("#") or (PAGE / address).is_file(), address)

    def test_ids(self) -> None:
        """Each id stands for one element, and each that something names exists."""
        ids = self.html.values("id")
        self.assertEqual(sorted({*ids}), sorted(ids))
        modules = "\n".join(readModules().values())
        named = {*re.findall(r'find\("([^"]+)"\)', modules)}
        for attribute in ("for", "aria-labelledby", "aria-describedby"):
            named |= {each for value in self.html.values(attribute) for each in value.split()}
        named |= {value[1:] for value in self.html.values("href") if value.startswith("#")}
        self.assertGreater(len(named), 50)
        self.assertEqual(set(), named - {*ids})

    def test_labels(self) -> None:
        """Each field has a label, and each section, each table of rows and each dialog a title."""
        labels = self.html.values("for")
        for tag, attrs in self.html.tags:
            if tag in ("input", "select"):
                self.assertIn(attrs["id"], labels)
            elif tag in ("section", "dialog") or attrs.get("role") == "table":
                self.assertIn("aria-labelledby", attrs)

    def test_english(self) -> None:
        """Its texts are plain English."""
        texts = [Text("index.html", text) for text in self.html.texts if text.strip()]
        self.assertGreater(len(texts), 30)
        self.assertEqual([], findFaults(texts, isMessage=True))


class FileTests(SynchronousTestCase):
    """The modules, and the other files."""

    def test_text(self) -> None:
        """Text from the network cannot become markup or a program, whatever it is."""
        for name, text in readModules().items():
            self.assertEqual([], re.findall(MARKUP, text, re.VERBOSE), name)

    def test_markupIsFound(self) -> None:
        """That test would find it."""
        for text in (
            "row.innerHTML = text",
            'row.insertAdjacentHTML("afterend", text)',
            "row.onclick = run",
            'row.setAttribute("onclick", text)',
            'make("a", { href: 1, "onclick": text })',
            "link.href = text",
            "setTimeout(eval(text))",
        ):
            self.assertTrue(re.findall(MARKUP, text, re.VERBOSE), text)

    def test_elsewhere(self) -> None:
        """Nothing is loaded from elsewhere."""
        for path in (each for each in PAGE.rglob("*") if each.suffix in (".js", ".css", ".html")):
            text = _removeComments(path.read_text("utf-8"))
            found = re.findall(r"https?:[^\s\"'`)]*|[\"'`]//|url\([^)]*\)", text)
            self.assertEqual(set(), {*found} - {SVG}, path.name)

    def test_imports(self) -> None:
        """Every module is used, and those in C{model} import no others."""
        found = {"main.js", "context.js"}
        for name, text in readModules().items():
            for target in re.findall(r'(?:^|await )import[ (][^"]*"(\.[^"]*)"', text, re.MULTILINE):
                path = (PAGE / name).parent.joinpath(target).resolve()
                found.add(str(path.relative_to(PAGE)))
                if name.startswith("model/"):
                    self.assertEqual(PAGE / "model", path.parent, name)
        self.assertEqual({*readModules()}, found)

    def test_pure(self) -> None:
        """Modules that call themselves pure touch neither the document nor a clock."""
        pure = [text for text in readModules().values() if " Pure" in text.partition("@module")[0]]
        self.assertGreater(len(pure), 10)
        for text in pure:
            code = _removeComments(text)
            self.assertNotRegex(code, r"\b(document|window|fetch|setTimeout|performance)\b")
            self.assertNotRegex(code, r"\bDate\.now\b|new Date\(\)")

    def test_lengths(self) -> None:
        """A module fits on a few screens, and so does a line."""
        for path in [*PAGE.rglob("*.js"), *TESTS.rglob("*.js")]:
            lines = path.read_text("utf-8").splitlines()
            self.assertTrue(len(lines) < MAX_LINES or path.parent == TESTS, path.name)
            self.assertEqual([], [line for line in lines if len(line) > MAX_WIDTH], path.name)

    def test_documented(self) -> None:
        """Each module says what it is for, and so does each function that others use."""
        for name, text in readModules().items():
            self.assertRegex(text, r"\A/\*\*\n \* [A-Z]", name)
            bare = r"(?<!\*/\n)^export (?:async )?function (\w+)"
            self.assertEqual([], re.findall(bare, text, re.MULTILINE), name)

    def test_english(self) -> None:
        """The texts and comments of the modules are plain English."""
        texts: list[Text] = []
        comments: list[Text] = []
        for name, text in readModules().items():
            found = re.findall(r"/\*\*?.*?\*/|// [^\n]*", text, re.DOTALL)
            comments += (Text(name, re.sub(r"\n\s*\*", " ", each)) for each in found)
            code = _removeComments(text)
            for pattern in (r'"([^"\n]* [^"\n]*)"', r"`([^`]* [^`]*)`"):
                texts += (Text(name, each) for each in re.findall(pattern, code))
        self.assertGreater(min(len(texts), len(comments)), 100)
        self.assertEqual([], findFaults(texts, isMessage=True) + findFaults(comments))


def _removeComments(text: str) -> str:
    return re.sub(r"/\*.*?\*/|(?<!:)// [^\n]*", "", text, flags=re.DOTALL)
