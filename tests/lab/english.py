"""
Turns of phrase that make English hard to read, and where a program's texts are. Tests keep them out
of messages, helps, docstrings and documents.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class Pattern(NamedTuple):
    """
    @ivar fault: what finds it, in a text whose blanks are single ones.
    @ivar instead: what to write.
    """

    fault: re.Pattern[str]
    instead: str


class Text(NamedTuple):
    """
    @ivar place: the file and the line.
    """

    place: str
    text: str


def _pattern(fault: str, instead: str) -> Pattern:
    return Pattern(re.compile(fault, re.IGNORECASE), instead)


PATTERNS = (
    _pattern(r"(?<!there )\b(?:is|are) no (?!longer\b|more\b|matter\b)", "X is not a Y"),
    _pattern(r"(?<!there )\b(?:is|are|was|were) none\b", "is not any of"),
    _pattern(r"\bthere (?:is|are) none of\b", "is not one of"),
    _pattern(r"\bsay (?:so )?with\b", "use --x"),
    _pattern(r"(?:^|(?<=[,.;:] )|(?<=and ))(?:see|look) that\b", "ensure that"),
    _pattern(r"\banew\b", "again"),
    _pattern(r"\btells\b", "says, shows, reports"),
    _pattern(r"\bshall\b", "must, or: is to"),
    _pattern(r"\b(?:whereof|wherein|thereof|therein|thereby|hereby|whereupon|thereupon)\b", "it"),
    _pattern(r"\bnot any more\b", "no longer"),
    _pattern(r"\b(?:which|that) is the most\b", "the maximum"),
    _pattern(r"\bis meant to be\b", "must be, or: is to be"),
    _pattern(r"\bhave to be (?:done without|looked)\b", "use an active verb"),
    _pattern(r"\basked to by\b", "requested by"),
    _pattern(r"\bbe it\b|\bas well as\b(?= not)", "whether"),
    _pattern(r"\bin case of (?:a |an )?(?:doubt|need)\b", "if"),
    _pattern(r"\bfor the case that\b|\bin the case that\b", "if"),
    _pattern(r"\bit comes to (?:a|an) \w+ing\b", "name the actor"),
    _pattern(r"\b(?:allows|permits|enables) to \w+", "lets you do, or: allows doing"),
    _pattern(r"\bcannot but\b|\bneed not to\b", "must, need not"),
    _pattern(r"\b(?:informations|softwares|hardwares|evidences)\b", "it has no plural"),
    _pattern(r"\bsince (?:\d+|some|many) (?:seconds|minutes|hours|days|years)\b", "for"),
    _pattern(r"\bin the midst\b", "in the middle"),
    _pattern(r"\b(?:eventual|actual) (?:later|present)\b", "possible, current"),
    _pattern(r"\bso-called\b", "leave it out"),
)
"""Faults everywhere."""

MESSAGE_PATTERNS = (
    _pattern(r"\b(?:to )?say (?:which|how|where)\b", "name one, use --x"),
    _pattern(r"\bwhat (?:follows|signs|hears|knocks|sends)\b", "name the thing"),
    _pattern(
        r"\bwhat (?:was|is) (?:given|wanted|meant|asked|above|below|there)\b", "name the thing"
    ),
    _pattern(r"\bwhat was asked for\b", "name the thing"),
    _pattern(
        r"(?:^|(?<=[.;:] ))(?:who|whom|what) (?![^.;:]*\?)", "begin with a noun, a verb or 'if'"
    ),
    _pattern(r"^where (?![^.;:]*\?)", "begin with a noun, a verb or 'if'"),
    _pattern(r"(?<=[0-9…] )s(?=[ .,;:)]|$)", "use formatDuration"),
)
"""More faults of messages, which have no room for clauses without a noun."""


def findFaults(texts: Iterable[Text], isMessage: bool = False) -> list[str]:
    """
    Return a line for each fault.

    @param isMessage: whether the texts are messages.
    """
    patterns = (*PATTERNS, *MESSAGE_PATTERNS) if isMessage else PATTERNS
    found = []
    for place, text in texts:
        line = " ".join(text.split())
        found += [
            f"{place}: {line[max(0, match.start() - 30) : match.end() + 30]}"
            f" (instead: {pattern.instead})"
            for pattern in patterns
            for match in pattern.fault.finditer(line)
        ]
    return found


def collectMessages(folder: Path) -> Iterator[Text]:
    """Yield the texts in the modules below a folder that are not docstrings; what is computed in
    them is left out."""
    for path in sorted(folder.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        docstrings = {id(node) for node in _docstrings(tree)}
        yield from _messages(tree, path, docstrings)


def collectDocstrings(folder: Path) -> Iterator[Text]:
    """Yield all docstrings of the modules below a folder, also those of variables."""
    for path in sorted(folder.rglob("*.py")):
        for node in _docstrings(ast.parse(path.read_text("utf-8"))):
            yield Text(f"{path}:{node.lineno}", str(node.value))


def collectComments(folder: Path) -> Iterator[Text]:
    """Yield the comments in the modules below a folder, each with its following lines."""
    for path in sorted(folder.rglob("*.py")):
        for match in _COMMENT.finditer(path.read_text("utf-8")):
            line = match.string.count("\n", 0, match.start()) + 1
            yield Text(f"{path}:{line}", re.sub(r"\n[ \t]*#", " ", match[0]))


_COMMENT = re.compile(r"(?:^|(?<=[ \t]))# .*(?:\n[ \t]*# .*)*", re.MULTILINE)


def _docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield value


def _messages(node: ast.AST, path: Path, docstrings: set[int]) -> Iterator[Text]:
    text = _readText(node)
    if text is not None:
        if text.strip() and id(node) not in docstrings:
            yield Text(f"{path}:{getattr(node, 'lineno', 0)}", text)
        if isinstance(node, ast.Constant):
            return
        children = [part for part in ast.walk(node) if isinstance(part, ast.FormattedValue)]
        for part in children:
            yield from _messages(part.value, path, docstrings)
        return
    for child in ast.iter_child_nodes(node):
        yield from _messages(child, path, docstrings)


def _readText(node: ast.AST) -> str | None:
    """Return the text of an expression, with dots for what is computed; L{None} if it has none."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(_readText(part) or "\N{HORIZONTAL ELLIPSIS}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = _readText(node.left), _readText(node.right)
        return None if left is None or right is None else left + right
    return None
