"""The closings of one key at one door, found by what they close. Pure."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from pkdoors.locks.relayed._moments import Moment
from pkdoors.locks.sealed.replaynotes import ALL
from pkdoors.model.sources import Source, SourceSet, firstAddress, readSource

_Place = tuple[int, int, str]
"""The version and the number of the first address of a source, and its text."""


class Plot:
    """
    The closings of one key at one door.

    @ivar moments: when, by source.
    """

    __slots__ = ("_inOrder", "_sources", "moments")

    def __init__(self) -> None:
        self.moments: dict[str, Moment] = {}
        self._sources = SourceSet()
        self._inOrder: list[_Place] = []  # so the parts of a network stand together

    def put(self, text: str, moment: Moment) -> None:
        """Note a closing for a source, or for L{ALL}."""
        if text not in self.moments and text != ALL:
            source = readSource(text)
            self._sources.add(source)
            insort(self._inOrder, (*_placeOf(source), text))
        self.moments[text] = moment

    def pop(self, text: str) -> Moment:
        """Forget the closing for a source."""
        if text != ALL:
            source = readSource(text)
            self._sources.discard(source)
            del self._inOrder[bisect_left(self._inOrder, (*_placeOf(source), text))]
        return self.moments.pop(text)

    def findOverlapping(self, source: Source) -> Iterator[Moment]:
        """Yield the closings of whatever has an address in common with a source."""
        if ALL in self.moments:
            yield self.moments[ALL]
        for found in self._sources.containing(source):
            yield self.moments[str(found)]
        if isinstance(source, IPv4Network | IPv6Network):
            start = bisect_left(self._inOrder, (*_placeOf(source), ""))
            end = bisect_left(self._inOrder, (source.version, int(source[-1]) + 1, ""))
            for *_, text in self._inOrder[start:end]:
                yield self.moments[text]


def _placeOf(source: Source) -> tuple[int, int]:
    return source.version, int(firstAddress(source))
