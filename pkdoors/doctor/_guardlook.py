"""Looks at the table of the guard from outside, and changes nothing."""

import time

from pkdoors.doctor._ownership import GuardState
from pkdoors.firewall.guard.guard import HANDOVER
from pkdoors.firewall.netlink.dump import Table
from pkdoors.firewall.netlink.messages import OWNED
from pkdoors.firewall.nftables.table import GuardTable, openTable

PATIENCE = 2.0
"""Seconds that a daemon may take to replace its guard; with few openings it takes milliseconds."""
_STEP = 0.1
_LASTING = 0x4  # NFT_TABLE_F_PERSIST


def lookAtGuard() -> GuardState:
    """
    Return what there is of our tables.

    @raise FirewallError: nftables does not tell.
    """
    guard = openTable(time.monotonic)
    try:
        survey = guard.survey()
        table = survey.table or Table()
        return GuardState(
            isThere=survey.table is not None,
            isOurs=survey.isOurs,
            isOfThisBoot=survey.isOf(guard.boot),
            isOwned=table.flags & OWNED == OWNED and bool(table.owner),
            isLasting=bool(table.flags & _LASTING),
            canBeOwned=guard.isOwned,
            isHandingOver=_isLeftBehind(guard),
        )
    finally:
        guard.close()


def _isLeftBehind(guard: GuardTable) -> bool:
    """Return whether the table that guards during a replacement stays."""
    end = time.monotonic() + PATIENCE
    while isThere := guard.survey(HANDOVER).table is not None:
        if time.monotonic() > end:
            break
        time.sleep(_STEP)
    return isThere
