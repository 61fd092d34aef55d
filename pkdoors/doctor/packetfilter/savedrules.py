"""Saved rulesets of nftables that contain our table. Pure."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from shlex import quote

from pkdoors.doctor.findings import ERROR, WARNING, Finding
from pkdoors.firewall.guard.guard import HANDOVER, TABLE


@dataclass(frozen=True, slots=True)
class SavedFile:
    """
    A file that nft reads.

    @ivar isWhole: whether all of it was read: the check reads up to a bound.
    """

    name: str
    text: str
    isWhole: bool = True


# Comments, and texts in quotes. The name of a table is never in quotes.
_IGNORED = re.compile(r'"[^"\n]*"|#[^\n]*')
_BLANK = r"(?:[ \t]|\\\n)+"
_OURS = re.compile(
    rf"\b(?:table|chain|rule|set|map|element|counter){_BLANK}inet{_BLANK}"
    rf"(?:{TABLE}|{HANDOVER})(?![\w/.\\-])"
)
_INCLUDE = re.compile(r'^[ \t]*include[ \t]+(?:"([^"\n]+)"|\'([^\'\n]+)\')', re.MULTILINE)
_FILTER = rf"/^table inet ({TABLE}|{HANDOVER}) \{{/,/^\}}/d"
"""For sed: the blocks of our tables, as nft prints them."""
_BLOCK = re.compile(
    rf"^table inet (?:{TABLE}|{HANDOVER}) \{{[^\n]*\n.*?^\}}[^\n]*\n?", re.MULTILINE | re.DOTALL
)
"""The same for Python, to see what that leaves."""


def findIncludes(text: str) -> list[str]:
    """Return the patterns of the files that a file includes, as they are in the file."""
    return [double or single for double, single in _INCLUDE.findall(text)]


def findOurLine(text: str) -> int:
    """Return the number of the first line with our table; 0 if there is none."""
    code = _IGNORED.sub(lambda match: " " * len(match[0]), text)
    match = _OURS.search(code)
    return code.count("\n", 0, match.start()) + 1 if match else 0


def judgeSavedFiles(files: Iterable[SavedFile]) -> Iterator[Finding]:
    """Report files that would load our table again."""
    for file in files:
        line = findOurLine(file.text)
        if line:
            yield Finding(
                ERROR,
                "saved rules",
                f"line {line} of {file.name} has the table of pkdoors. If the file is loaded "
                "before the daemon starts, it opens the doors again that were open when it was "
                "saved. If it is loaded while the daemon owns its table, nftables refuses the "
                "whole file, so the host may have no firewall at all",
                _makeRemedy(file, line),
            )
        elif not file.isWhole:
            text = f"{file.name} is so large that only its beginning was checked"
            command = f"`grep -n {quote(f'inet {TABLE}')} {quote(file.name)}`"
            remedy = f"ensure that it does not have the table of pkdoors: {command}"
            yield Finding(WARNING, "saved rules", text, remedy)


def _makeRemedy(file: SavedFile, line: int) -> str:
    command = f"sed -i -E {quote(_FILTER)} {quote(file.name)}"
    if findOurLine(_BLOCK.sub("", file.text)):
        return f"remove line {line}, and everything else there that names the table inet {TABLE}"
    save = f"nft list ruleset | sed -E {quote(_FILTER)}"
    return f"`{command}`\nand from now on save the rules without that table: `{save}`"
