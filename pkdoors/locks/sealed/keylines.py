"""The lines of a file of authorized keys, of which only those are parsed that are new. Pure."""

import re
from collections.abc import Iterator

from pkdoors.errors import BadValue
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey, parseLine

MAX_KEYS = 16_384
"""The most keys from one place, about 30 MB."""

_BEGIN, _END = re.compile("^-{4,5} ?BEGIN "), re.compile("^-{4,5} ?END ")
"""The lines around a key in another format than that of OpenSSH's public keys."""
_OTHER_FORMAT = (
    "it has another format than OpenSSH's, as PuTTY saves it: convert it with "
    "`ssh-keygen -i -f FILE`"
)
_PRIVATE = "it is a private key, which belongs on the client alone: use the line of its .pub file"
_VARYING = re.compile(r"'[^']*'|[0-9]+")


class KeyLines:
    """
    The lines of one file.

    @param path: the file's name, for the complaints.
    @ivar keys: the keys that are known so far, in the order of the lines; a new list after each
        change.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lines: list[str] = []
        self._new: list[str] = []  # not parsed when they were loaded
        self._former: dict[str, AuthorizedKey | str] = {}
        self._parsed: dict[str, AuthorizedKey | str] = {}  # by line; a refused one has a reason
        self.keys: list[AuthorizedKey] = []
        self._isFull = False

    def load(self, text: str) -> int:
        """
        Take over a new text. A key whose line is gone is gone, and one whose line is still there
        stays. Return how many lines are new, and wait for L{parse}.
        """
        # With ten thousand lines each of these steps takes half a millisecond.
        before = self._former = self._parsed  # to free very many keys at once would take as long
        self._lines = [*map(str.strip, text.split("\n"))]
        if "--BEGIN " in text or "-- BEGIN " in text:
            self._lines = [*_withoutBlocks(self._lines)]
        self._parsed = {line: before[line] for line in self._lines if line in before}
        new = (line for line in dict.fromkeys(self._lines) if line not in before)
        self._new = [line for line in new if line and line[0] != "#"]
        self._collect()
        return len(self._new)

    def parse(self) -> Iterator[None]:
        """Parse the new lines, one in each step; after the last one, their keys are known."""
        for line in self._new:
            self._parsed[line] = _parse(line)
            if self._former:
                self._former.popitem()
            yield
        self._former = {}
        self._collect()

    def complaints(self) -> list[str]:
        """
        Return a sentence for the lines that are refused, one for each kind of reason, with the
        first such line.
        """
        kinds: dict[str, list[tuple[int, str]]] = {}
        for number, line in enumerate(self._lines, 1):
            reason = self._parsed.get(line)
            if isinstance(reason, str):
                kinds.setdefault(_VARYING.sub("", reason), []).append((number, reason))
        found = [self._complain(*lines[0], len(lines) - 1) for lines in kinds.values()]
        if self._isFull:
            found.append(
                f"{self._path} has more than {MAX_KEYS} keys: only the first {MAX_KEYS} may knock"
            )
        return found

    def _complain(self, number: int, reason: str, more: int) -> str:
        if not more:
            return f"{self._path}, line {number}: this key is refused: {reason}"
        return f"{self._path}, line {number}, and {more} more like it: refused: {reason}"

    def _collect(self) -> None:
        found = map(self._parsed.get, self._lines)
        keys = [key for key in found if isinstance(key, AuthorizedKey)]
        self.keys, self._isFull = keys[:MAX_KEYS], len(keys) > MAX_KEYS


def _withoutBlocks(lines: list[str]) -> Iterator[str]:
    """Yield the lines; of a key in several lines, only the first is left."""
    isInside = False
    for line in lines:
        yield "" if isInside else line
        isInside = (isInside or bool(_BEGIN.match(line))) and not _END.match(line)


def _parse(line: str) -> AuthorizedKey | str:
    if _BEGIN.match(line):
        return _PRIVATE if "PRIVATE" in line else _OTHER_FORMAT
    try:
        return parseLine(line)
    except BadValue as error:
        return str(error)


def parseAuthorizedKeys(text: str, path: str) -> tuple[list[AuthorizedKey], list[str]]:
    """
    Read a file of keys at once.

    @param path: the file's name, for the complaints.
    @return: the keys, and a sentence for each kind of line that is refused.
    """
    lines = KeyLines(path)
    lines.load(text)
    for _ in lines.parse():
        pass
    return lines.keys, lines.complaints()
