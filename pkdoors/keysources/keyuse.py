"""Which doors use a file, or a folder, of authorized keys, and what that means for its keys."""

import time
from collections.abc import Callable, Iterable, Sequence

from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.model.doors import Door


class KeyUse:
    """
    The use of keys of which no door is known: all of them count.

    @cvar right: what their owners may do.
    """

    right = "may knock"

    def count(self, keys: Iterable[AuthorizedKey]) -> int:
        """Return how many keys open something now."""
        return sum(1 for _ in keys)

    def hasOthers(self) -> bool:
        """Return whether each door has keys from another path as well."""
        return False

    def describeTrouble(self, trouble: object) -> str:
        """Return a sentence about keys that cannot be used."""
        scope = "some keys cannot be used" if self.hasOthers() else "nobody may knock with a key"
        return f"{scope}: {trouble}"


class DoorUse(KeyUse):
    """
    The use of keys for doors.

    @param path: the file, or the folder.
    @param findDoors: returns the doors that use a path.
    @param findKeys: returns the keys at a path.
    """

    def __init__(
        self,
        path: str,
        findDoors: Callable[[str], Sequence[Door]],
        findKeys: Callable[[str], Sequence[AuthorizedKey]],
    ) -> None:
        self._path = path
        self._findDoors = findDoors
        self._findKeys = findKeys

    def count(self, keys: Iterable[AuthorizedKey]) -> int:
        """See L{KeyUse.count}. A key may have expired, or be for other doors."""
        doors, today = {door.name for door in self._findDoors(self._path)}, time.time()
        return sum(not key.findIdleness(doors, today) for key in keys)

    def hasOthers(self) -> bool:
        """See L{KeyUse.hasOthers}."""
        doors = self._findDoors(self._path)
        return bool(doors) and all(
            any(self._findKeys(other) for other in door.authorizedKeys if other != self._path)
            for door in doors
        )
