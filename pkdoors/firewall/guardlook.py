"""Looks at the table of the guard from outside, and changes nothing."""

import time

from pkdoors.doctor.ownership import GuardState
from pkdoors.firewall.guardtable import openTable
from pkdoors.guard import HANDOVER
from pkdoors.nfdump import Table
from pkdoors.nfnetlink import OWNED

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
            isHandingOver=guard.survey(HANDOVER).table is not None,
        )
    finally:
        guard.close()
