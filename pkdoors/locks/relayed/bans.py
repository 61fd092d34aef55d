"""The keys that a fleet's operators have banned, and the orders that this host has seen. Pure."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.knocks.order import BAN, UNBAN, SealedOrder
from pkdoors.knocks.wire import fingerprint
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey

MAX_BANS = 16_384
"""Keys whose newest ban, or end of one, is remembered: about 4 MB. If there are more, the oldest
end of a ban is forgotten. A ban never is: then another order to ban is refused."""
MAX_ORDERS = 4096
"""Orders that are remembered, under 1 MB; then the oldest one is forgotten. If that comes back, it
changes nothing, either: it ends what began before it, and the newest ban counts."""


class BanNote(NamedTuple):
    """
    The newest order about a key.

    @ivar key: its fingerprint.
    @ivar stamp: milliseconds since 1970.
    """

    key: str
    isBanned: bool
    stamp: int


class OrderNote(NamedTuple):
    """
    An order that was accepted.

    @ivar digest: see L{SealedOrder.digest}.
    @ivar ban: what it changed; L{None} if nothing about any key.
    """

    digest: str
    ban: BanNote | None = None


class Bans:
    """
    Remembers bans and orders.

    @param note: called with each accepted order, before it counts, to leave a note to the next
        daemon.
    """

    def __init__(self, note: Callable[[OrderNote], None] = lambda note: None) -> None:
        self._note = note
        self._newest: dict[str, BanNote] = {}
        self._orders: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        """Return how many keys are banned."""
        return sum(note.isBanned for note in self._newest.values())

    def findRefusal(self, key: AuthorizedKey) -> str:
        """Return why a key may not knock, because it, or its authority, is banned; else empty."""
        blobs = filter(None, (key.blob, key.authority))
        if self._newest and any(self.findBan(fingerprint(blob)) for blob in blobs):
            return f"the key of {key} is banned in the whole fleet"
        return ""

    def findBan(self, key: str) -> int:
        """Return the stamp of the ban of a key, given by its fingerprint; 0 if it is not banned."""
        found = self._newest.get(key)
        return found.stamp if found is not None and found.isBanned else 0

    def hasSeen(self, sealed: SealedOrder) -> bool:
        """Return whether an order was accepted before."""
        return sealed.digest in self._orders

    def accept(self, sealed: SealedOrder) -> bool:
        """
        Note an order that an operator has given. Return whether it changes anything: an order about
        a key is worthless if a newer one is known.

        @raise BadValue: there are too many bans.
        """
        ban = self._makeNote(sealed)
        if ban is not None:
            self._makeRoom(ban)
        self._note(OrderNote(sealed.digest, ban))
        self._putOrder(sealed.digest)
        if ban is not None:
            self._newest[ban.key] = ban
        return ban is not None or sealed.order.verb not in (BAN, UNBAN)

    def learn(self, notes: Iterable[OrderNote]) -> None:
        """Take over the notes of an earlier daemon."""
        for note in notes:
            if note.digest:
                self._putOrder(note.digest)
            if note.ban is not None and self._isNewer(note.ban):
                self._newest[note.ban.key] = note.ban

    def makeNotes(self) -> list[OrderNote]:
        """Return all that the next daemon must know; a ban without its order has no digest."""
        bans = [OrderNote("", ban) for ban in self._newest.values()]
        return [*bans, *map(OrderNote, self._orders)]

    def _makeNote(self, sealed: SealedOrder) -> BanNote | None:
        """Return what an order changes about a key; L{None} if nothing."""
        order = sealed.order
        if order.verb not in (BAN, UNBAN):
            return None
        note = BanNote(order.what, order.verb == BAN, order.stamp)
        return note if self._isNewer(note) else None

    def _isNewer(self, note: BanNote) -> bool:
        """Return whether a note counts. Of two with the same stamp, the ban does."""
        before = self._newest.get(note.key)
        return before is None or (note.stamp, note.isBanned) > (before.stamp, before.isBanned)

    def _makeRoom(self, note: BanNote) -> None:
        if note.key in self._newest or len(self._newest) < MAX_BANS:
            return
        ended = [each for each in self._newest.values() if not each.isBanned]
        if not ended:
            raise BadValue(
                f"{MAX_BANS} keys are banned already, the maximum: remove these keys from the "
                "files of authorized keys, or use revoked_keys"
            )
        del self._newest[min(ended, key=lambda each: each.stamp).key]

    def _putOrder(self, digest: str) -> None:
        self._orders[digest] = None
        if len(self._orders) > MAX_ORDERS:
            self._orders.popitem(last=False)
