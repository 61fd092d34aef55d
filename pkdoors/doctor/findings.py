"""What the check has found, and how that is printed. Pure."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import NoReturn

from pkdoors.errors import PkdoorsError
from pkdoors.util.oneline import printable
from pkdoors.util.output import tellText

OK, INFO, WARNING, ERROR = LEVELS = ("OK", "INFO", "WARNING", "ERROR")
"""From good to bad. INFO is worth knowing, and needs no action."""
_STATUS = {OK: 0, INFO: 0, WARNING: 1, ERROR: 2}

AS_ROOT = "run the same command with sudo"
"""The remedy if this process may not look at something."""

_INDENT = " " * (max(map(len, LEVELS)) + 2)


@dataclass(frozen=True, slots=True)
class Finding:
    """
    @ivar level: one of L{LEVELS}.
    @ivar subject: what the finding is about: a port, the firewall, ...
    @ivar text: what is wrong, or that nothing is.
    @ivar remedy: what to do about it; empty for L{OK}.
    """

    level: str
    subject: str
    text: str
    remedy: str = ""


def fromError(subject: str, error: Exception) -> Finding:
    """Return the finding for an error of ours: these say what is wrong, a colon, and what to do."""
    text, _, remedy = str(error).partition(": ")
    if text.endswith("refused") or not remedy:  # a reason follows, not a remedy
        return Finding(ERROR, subject, str(error), "see its log (`journalctl -e`)")
    return Finding(ERROR, subject, text, remedy)


def fromFailure(subject: str, error: Exception) -> Finding:
    """Return the finding for anything that goes wrong during the check."""
    if isinstance(error, PkdoorsError):
        return fromError(subject, error)
    if isinstance(error, PermissionError):
        return Finding(WARNING, subject, "only root can check this", AS_ROOT)
    text = f"this check failed: {type(error).__name__}: {error}"
    return Finding(WARNING, subject, text, "check it yourself, and report the failure to pkdoors")


def exitStatusOf(findings: Iterable[Finding]) -> int:
    """Return the exit status: 0 if all is well, 1 for warnings, 2 for errors."""
    return max((_STATUS[finding.level] for finding in findings), default=0)


def selectFaults(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that count: warnings and errors."""
    return [finding for finding in findings if _STATUS[finding.level]]


def tellFindings(findings: Iterable[Finding], isQuiet: bool, isJSON: bool) -> NoReturn:
    """
    Print the findings, and end with their exit status.

    @param isQuiet: whether to print faults alone.
    """
    findings = list(findings)
    chosen = selectFaults(findings) if isQuiet else findings
    if isJSON:
        tellText(f"{asJSON(chosen)}\n")
    elif chosen:
        tellText(f"{asTable(chosen)}\n")
    raise SystemExit(exitStatusOf(findings))


def asTable(findings: Iterable[Finding]) -> str:
    """Return the findings for people: a line each, and further lines for the remedy."""
    findings = list(findings)
    width = max((len(finding.subject) for finding in findings), default=0) + 2
    return "\n".join(line for finding in findings for line in _formatLines(finding, width))


def _formatLines(finding: Finding, width: int) -> Iterable[str]:
    start = f"{finding.level:<{len(_INDENT)}}{printable(finding.subject):<{width}}"
    yield start + printable(finding.text)
    if finding.remedy:
        first, *others = (printable(line) for line in finding.remedy.split("\n"))
        yield f"{'':<{len(start)}}-> {first}"
        yield from (f"{'':<{len(start)}}   {line}" for line in others)


def asJSON(findings: Iterable[Finding]) -> str:
    """Return the findings for programs: a list of objects with the four fields."""
    return json.dumps([asdict(finding) for finding in findings], indent=1)
