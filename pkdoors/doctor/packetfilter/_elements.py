"""The elements of a set or map of the kernel's firewall, with an index to find them. Pure."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, NamedTuple

_FEW = 8
"""Elements that are searched one after the other: to make an index would take longer."""


class _Index(NamedTuple):
    """
    @ivar plain: items by their only value.
    @ivar starts: where ranges begin, in rising order; those of one set never overlap.
    @ivar ranges: the items that are these ranges.
    @ivar others: all other items: parts of concatenations, prefixes, ...
    """

    plain: dict[Any, Any]
    starts: list[int]
    ranges: list[Any]
    others: list[Any]


class Elements(list[Any]):
    """
    The elements of a set, or the pairs of a map, in nft's order.
    """

    def near(self, values: Iterable[Any] | None) -> Sequence[Any]:
        """
        Return the items that may equal one of some values.

        @param values: L{None} if they are unknown, so that any item may.
        """
        if values is None or len(self) <= _FEW:
            return self
        index = self._index
        found = [item for value in values for item in _lookUp(index, value)]
        return [*found, *index.others]

    @cached_property
    def _index(self) -> _Index:
        plain, ranges, others = {}, [], []
        for item in self:
            key = _getKey(item)
            if isinstance(key, int | str) and key != "*":
                plain[key] = item
            elif _isRange(key):
                ranges.append(item)
            else:
                others.append(item)
        ranges.sort(key=lambda item: _getKey(item)["range"][0])
        return _Index(plain, [_getKey(item)["range"][0] for item in ranges], ranges, others)


def _lookUp(index: _Index, value: Any) -> Iterable[Any]:
    if value in index.plain:
        yield index.plain[value]
    if isinstance(value, int) and (place := bisect_right(index.starts, value)):
        yield index.ranges[place - 1]


def _getKey(item: Any) -> Any:
    return item[0] if isinstance(item, list) else item


def _isRange(key: Any) -> bool:
    """Return whether a key is a range of numbers, and not of addresses."""
    ends = key.get("range", ()) if isinstance(key, dict) else ()
    return bool(ends) and all(isinstance(end, int) for end in ends)
