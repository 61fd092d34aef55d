"""The guard's table in the kernel, as the firewall uses it."""

import errno
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager

from pkdoors.errors import FirewallError
from pkdoors.firewall.earlier import secondguard
from pkdoors.firewall.guard.guard import HANDOVER, TABLE, Guard
from pkdoors.firewall.netlink.kernel import errorFor
from pkdoors.firewall.netlink.library import Library
from pkdoors.firewall.nftables._replacing import TableReplacer
from pkdoors.firewall.nftables._takeover import Predecessor, readOldGuard
from pkdoors.firewall.nftables.contents.inspection import GuardInspector
from pkdoors.firewall.ways.forwards import Forwards
from pkdoors.firewall.ways.natrules import readForwardsInTurns
from pkdoors.model.doors import Door


def openTable(seconds: Callable[[], float]) -> "GuardTable":
    """
    Return the table of this host's guard.

    @raise FirewallError: this host, or this process, cannot have a guard.
    """
    library = Library()
    return GuardTable(library, library.canOwn(), seconds)


class GuardTable(TableReplacer):
    """
    What the firewall and `pkdoors check` do with the table.
    """

    def judge(self, guard: Guard) -> None:
        """
        Have the kernel check a guard, without putting it in place.

        @raise FirewallError: the kernel would refuse it.
        """
        # Under another name: the present table may be of another version.
        self._library.judge(f"add table inet {HANDOVER}\n{guard.layout.commands(HANDOVER)}")

    def close(self) -> None:
        """Let go of the table, which stays in the kernel."""
        self._library.close()

    def readPredecessor(self, doors: Collection[Door], isSettled: bool) -> Predecessor:
        """
        Return the guard that an earlier daemon left.

        @param isSettled: whether the host booted some time ago. A guard of the previous version
            does not say of which boot it is: soon after a boot it may come from a saved ruleset.
        @raise FirewallError: the kernel's table cannot be read.
        """
        name = TABLE if self.isThere() else HANDOVER  # a daemon may be killed while it hands over
        survey = self.survey(name)
        if survey.table is None:
            return Predecessor()
        if survey.isOurs or secondguard.FORMAT in survey.notes:
            openings = self.listOpenings(survey, doors, name)
            return Predecessor(isThere=True, protected=survey.protected(), openings=openings)
        return readOldGuard(
            self._library.listAsJson(f"table inet {name}"), doors, self._seconds(), isSettled
        )

    @contextmanager
    def beside(self) -> Iterator[GuardInspector]:
        """
        Return what reads the table in another thread: with very many elements that takes a second.

        @raise GuardGone: the table is not there, or was removed meanwhile.
        """
        with self._library.borrowKernel() as kernel:
            inspector = GuardInspector(kernel, self._seconds, self._bootClock)
            before = inspector.tableOf(TABLE)
            yield inspector
            if before is None or inspector.tableOf(TABLE) != before:
                raise errorFor(errno.ENOENT)

    def readFingerprintBeside(self) -> object:
        """Do what L{readFingerprint} does, in another thread; return L{None} if that fails."""
        try:
            with self.beside() as reader:
                return reader.tableOf(TABLE) if self.isOwned else reader.readFingerprint()
        except FirewallError:
            return None

    def readFingerprint(self) -> object:
        """See L{GuardReader.readFingerprint}. Nobody else can change a table that we own."""
        return self.tableOf(TABLE) if self.isOwned else super().readFingerprint()

    def readForwards(self) -> Generator[None, None, Forwards]:
        """Read where the host forwards ports to, see L{readForwardsInTurns}."""
        return readForwardsInTurns(self._kernel.dump)
