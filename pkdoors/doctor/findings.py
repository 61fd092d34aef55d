"""What the check has found, and how it is shown. Pure."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from pkdoors.util.oneline import printable

OK, INFO, WARNING, ERROR = LEVELS = ("OK", "INFO", "WARNING", "ERROR")
"""From good to bad. INFO is worth knowing, and needs no action."""
_STATUS = {OK: 0, INFO: 0, WARNING: 1, ERROR: 2}

_INDENT = " " * (max(map(len, LEVELS)) + 2)


@dataclass(frozen=True, slots=True)
class Finding:
    """
    @ivar subject: what it is about: a port, the firewall, ...
    @ivar remedy: how to mend it; empty for L{OK}.
    """

    level: str
    subject: str
    text: str
    remedy: str = ""


def fromError(subject: str, error: Exception) -> Finding:
    """What one of our own errors tells: they say what is wrong, a colon, and what to do."""
    text, _, remedy = str(error).partition(": ")
    if text.endswith("refused") or not remedy:  # what follows is the reason
        return Finding(ERROR, subject, str(error), "see its log (`journalctl -e`)")
    return Finding(ERROR, subject, text, remedy)


def statusOf(findings: Iterable[Finding]) -> int:
    """Return the exit status: 0 if all is well, 1 for warnings, 2 for errors."""
    return max((_STATUS[each.level] for each in findings), default=0)


def asTable(findings: Iterable[Finding]) -> str:
    """For people: a line each, and more for the remedy."""
    findings = list(findings)
    width = max((len(each.subject) for each in findings), default=0) + 2
    return "\n".join(line for each in findings for line in _lines(each, width))


def _lines(finding: Finding, width: int) -> Iterable[str]:
    start = f"{finding.level:<{len(_INDENT)}}{printable(finding.subject):<{width}}"
    yield start + printable(finding.text)
    if finding.remedy:
        first, *more = (printable(line) for line in finding.remedy.split("\n"))
        yield f"{'':<{len(start)}}-> {first}"
        yield from (f"{'':<{len(start)}}   {line}" for line in more)


def asJSON(findings: Iterable[Finding]) -> str:
    """For programs: a list of objects with the four fields."""
    return json.dumps([asdict(each) for each in findings], indent=1)
