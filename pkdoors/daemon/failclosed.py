"""If a daemon cannot start, the ports of its last good configuration stay closed."""

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
    Leave the guard that is in place or, if there is none, put the guard of the last good
    configuration in place. Touch nothing if there was no good configuration yet, or if another
    daemon runs.

    @param isGuarded: returns whether there is a guard for some of the doors at least.
    @return: what was done, as the end of a sentence; empty if nothing was.
    """
    doors = lastGood.read()
    try:
        instance.refuseSecond()
        if isGuarded(doors):
            return "; the guard that is in place stays, and nobody can knock until you fix this"
        if not doors:
            return "; pkdoors has closed no port, because it has no earlier configuration to use"
        firewall = makeFirewall(reactor)
        firewall.prepare(doors)
        firewall.start(doors, lambda reason: None)
        firewall.stop()
    except AlreadyRunning:
        return ""
    except (PkdoorsError, OSError) as error:  # descriptors may be lacking
        return f"; the last good guard could not be put in place: {error}" if doors else ""
    ports = ", ".join(map(str, listProtectedPorts(doors)))
    kept = f"the guard of the last good configuration keeps {ports} closed, and " if ports else ""
    return f"; {kept}nobody can knock until you fix this"
