"""What other processes than the daemon ask of the guard in the kernel, or do to it."""

import time
from collections.abc import Callable, Collection

from pkdoors.firewall.guard.guard import HANDOVER, TABLE
from pkdoors.firewall.nftables.table import GuardTable, openTable
from pkdoors.model.doors import Door


def isGuarded(
    doors: Collection[Door],
    makeTable: Callable[[Callable[[], float]], GuardTable] = openTable,
) -> bool:
    """
    Return whether the kernel has a guard that can be trusted to keep at least these doors closed: a
    guard that was saved and loaded again, with what was open then, cannot be trusted, nor can one
    of other doors, nor an empty one.

    @raise FirewallError: the kernel's tables cannot be read.
    """
    table = makeTable(time.monotonic)
    try:
        return table.isGuarding(doors)
    finally:
        table.close()


def removeGuard(makeTable: Callable[[Callable[[], float]], GuardTable] = openTable) -> list[str]:
    """
    Remove our table from the kernel.

    @return: what was removed, a line each.
    @raise FirewallError: the kernel refused.
    """
    table = makeTable(time.monotonic)
    try:
        openings = table.countOpenings()
        removed = [table.delete(name) for name in (TABLE, HANDOVER)]
    finally:
        table.close()
    count = "1 opening" if openings == 1 else f"{openings} openings"
    return [f"nftables: the table inet {TABLE}, with the guard and {count}"] if any(removed) else []
