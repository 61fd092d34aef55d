"""What one host knows of its fleet, and the notes about that on the disk."""

from pkdoors.daemon.notes.ordersfile import OrdersFile, ordersPath
from pkdoors.daemon.notes.replayfile import ReplayFile
from pkdoors.locks.relayed.bans import Bans, OrderNote
from pkdoors.locks.relayed.memory import FleetMemory
from pkdoors.locks.relayed.tombstones import Tombstones
from pkdoors.locks.sealed.replays import ClosedNote


class FleetNotes:
    """
    Closings go into the notes of used seals, and are lost with them: then every seal from before is
    refused. Orders go into a file of their own, which must never lose a ban.

    @ivar memory: what the host knows.
    """

    def __init__(self) -> None:
        self.memory = FleetMemory(Tombstones(self._noteClosed), Bans(self._noteOrder))
        self._replayFile: ReplayFile | None = None
        self._ordersFile: OrdersFile | None = None

    def start(self, replayFile: ReplayFile, isLate: bool = False) -> None:
        """
        Learn what earlier daemons knew, and begin to write.

        @param replayFile: the notes of used seals, which have been read.
        @param isLate: whether this daemon has run for a while without being in a fleet.
        """
        if self._replayFile is not None:
            return
        self._replayFile = replayFile
        replayFile.keep(self.memory.tombstones, isLate)
        self._ordersFile = OrdersFile(ordersPath(replayFile.path))
        self._ordersFile.start(self.memory.bans)

    def stop(self) -> None:
        """Write nothing more."""
        if self._ordersFile is not None:
            self._ordersFile.close()

    def _noteClosed(self, note: ClosedNote) -> None:
        if self._replayFile is not None:
            self._replayFile.noteClosed(note)

    def _noteOrder(self, note: OrderNote) -> None:
        if self._ordersFile is not None:
            self._ordersFile.note(note)
