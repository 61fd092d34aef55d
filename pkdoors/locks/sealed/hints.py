"""Find the key of a sealed knock by the knock's hint. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any

from pkdoors.knocks.seal import Sealed
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.certified import Authorities

MAX_NONCES = 16
"""Nonces whose hints are remembered. This saves work only if an attacker copies a nonce. If he uses
a new one each time, the budget limits the work."""

HINT_DIGITS = 8
"""See L{pkdoors.knocks.seal.hintOf}."""

Lines = tuple[AuthorizedKey, ...]
"""The lines of a file that have the same key."""
Index = Mapping[str, list[Lines]]
"""Hint -> the keys that have it. Two keys share a hint with a chance of one in four thousand
million."""


class HintIndex:
    """
    Hashes every distinct key once for each nonce. Doors that share a file share its index.

    @param keys: returns the lines of the file; the same list while the file stays the same.
    """

    def __init__(self, keys: Callable[[], Sequence[AuthorizedKey]]) -> None:
        self._keys = keys
        self._known: Sequence[AuthorizedKey] | None = None
        self._bindsElsewhere = False
        self._authorities = Authorities()
        self._begun: list[tuple[Any, Lines]] = []  # a hash fed with a key, and the key's lines
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

    def certify(self, sealed: Sealed, today: float) -> Lines:
        """See L{Authorities.certify}."""
        self._refresh()
        return self._authorities.certify(sealed, today)

    def mayBindElsewhere(self) -> bool:
        """Return whether any key's knock may be bound to another address than its sender's."""
        self._refresh()
        return self._bindsElsewhere

    def _refresh(self) -> None:
        keys = self._keys()
        if keys is self._known:
            return
        lines = _groupByKey(key for key in keys if not key.isAuthority)
        self._authorities.lines = _groupByKey(key for key in keys if key.isAuthority)
        # Hash the blob, up to half a kilobyte, here once; for a knock only the nonce is hashed.
        self._begun = [(sha256(blob), group) for blob, group in lines.items()]
        self._bindsElsewhere = any(key.isForOthers or key.hasPrefix for key in keys)
        self._known = keys
        self._indexes.clear()

    def _index(self, nonce: bytes) -> Index:
        index: dict[str, list[Lines]] = {}
        for begun, lines in self._begun:
            digest = begun.copy()
            digest.update(nonce)
            index.setdefault(digest.hexdigest()[:HINT_DIGITS], []).append(lines)
        return index


def _groupByKey(keys: Iterable[AuthorizedKey]) -> dict[bytes, Lines]:
    lines: dict[bytes, Lines] = {}
    for key in keys:
        lines[key.blob] = (*lines.get(key.blob, ()), key)
    return lines
