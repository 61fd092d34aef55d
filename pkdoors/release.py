"""C{pkdoors release}: all that pkdoors ever put into a firewall is taken out, and only that."""

from pkdoors.errors import FirewallError
from pkdoors.firewall.nftables import removeGuard
from pkdoors.firewall.zonebus import isRunning
from pkdoors.firewall.zoneclient import ZoneClient
from pkdoors.instance import Instance, InstanceError, Running


def release(force: bool) -> list[str]:
    """
    Take it out.

    @param force: also while a daemon runs.
    @return: what was removed, a line each.
    @raise PkdoorsError: a daemon runs, or a firewall refused.
    """
    instance = Instance()
    if not force:
        try:
            instance.take()
        except Running as error:
            raise InstanceError(f"{error}: end it first, or say --force") from error
    removed = [f"removed from {line}" for line in removeGuard()]
    try:
        if isRunning():
            removed += [f"removed from {line}" for line in ZoneClient().release()]
    except FirewallError as error:
        done = "; ".join(removed) or "nothing was removed"
        raise FirewallError(f"{error} (so far: {done})") from error
    return removed
