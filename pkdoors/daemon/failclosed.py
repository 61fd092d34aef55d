"""What a daemon does that cannot start: the ports of its last good configuration stay closed."""

from collections.abc import Callable, Collection
from typing import Any

from pkdoors.config.lastgood import LastGood
from pkdoors.errors import PkdoorsError
from pkdoors.firewall.interface import IFirewall
from pkdoors.firewall.nftables.firewall import NftablesFirewall
from pkdoors.firewall.nftables.standalone import isGuarded
from pkdoors.host.instance import AlreadyRunning, Instance
from pkdoors.model.doors import Door, listProtectedPorts


def keepClosed(
    lastGood: LastGood,
    instance: Instance,
    reactor: Any,
    makeFirewall: Callable[[Any], IFirewall] = NftablesFirewall,
    isGuarded: Callable[[Collection[Door]], bool] = isGuarded,
) -> str:
    """
    Leave a guard that is in place, or put that of the last good configuration there. Where there
    was no good configuration yet, nothing is touched; nor while another daemon runs.

    @param isGuarded: whether there is a guard for some doors at least.
    @return: what was done, as the end of a sentence; empty for nothing.
    """
    doors = lastGood.read()
    try:
        instance.refuseSecond()
        if isGuarded(doors):
            return "; the guard that is in place stays, and nobody can knock until this is mended"
        if not doors:
            return "; pkdoors has closed no port, as it has no earlier configuration to go by"
        firewall = makeFirewall(reactor)
        firewall.prepare(doors)
        firewall.start(doors, lambda reason: None)
        firewall.stop()
    except AlreadyRunning:
        return ""
    except (PkdoorsError, OSError) as error:  # descriptors may be lacking
        return f"; the last good guard could not be put in place: {error}" if doors else ""
    ports = ", ".join(map(str, listProtectedPorts(doors)))
    return (
        f"; the guard of the last good configuration keeps {ports} closed, and nobody can knock "
        "until this is mended"
    )
