"""Finds the key of a sealed knock by the knock's hint. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey

MAX_NONCES = 16
"""Nonces whose hints are remembered. An attacker can take a new nonce each time; the memory only
saves work if he copies a nonce, and the budget covers the rest."""

HINT_DIGITS = 8
"""See L{pkdoors.knocks.seal.hintOf}."""

Lines = tuple[AuthorizedKey, ...]
"""The lines of a file that have one and the same key."""
Index = Mapping[str, list[Lines]]
"""Hint -> the keys that have it: one, except with a chance of one in four thousand million."""


class HintIndex:
    """
    Hashes every distinct key once for each nonce. The doors that share a file share its index.

    @param keys: gives the lines of the file; the same list for as long as they stay the same.
    """

    def __init__(self, keys: Callable[[], Sequence[AuthorizedKey]]) -> None:
        self._keys = keys
        self._known: Sequence[AuthorizedKey] | None = None
        self._begun: list[tuple[Any, Lines]] = []  # hash of a key so far, and the key's lines
        self._indexes: OrderedDict[str, Index] = OrderedDict()

    def find(self, nonce: str, hint: str) -> list[Lines]:
        """
        Return the keys that a hint may stand for, each with all of its lines.

        @param hint: eight hex digits.
        """
        self._refresh()
        index = self._indexes.get(nonce)
        if index is None:
            index = self._indexes[nonce] = self._index(nonce.encode("ascii"))
            if len(self._indexes) > MAX_NONCES:
                self._indexes.popitem(last=False)
        return index.get(hint[:HINT_DIGITS], [])

    def _refresh(self) -> None:
        keys = self._keys()
        if keys is self._known:
            return
        lines: dict[bytes, Lines] = {}
        for key in keys:
            lines[key.blob] = (*lines.get(key.blob, ()), key)
        # The blob, up to half a kilobyte, is hashed here, and only the nonce for each knock.
        self._begun = [(sha256(blob), each) for blob, each in lines.items()]
        self._known = keys
        self._indexes.clear()

    def _index(self, nonce: bytes) -> Index:
        index: dict[str, list[Lines]] = {}
        for begun, lines in self._begun:
            digest = begun.copy()
            digest.update(nonce)
            index.setdefault(digest.hexdigest()[:HINT_DIGITS], []).append(lines)
        return index
