"""
Which firewalls the daemon uses. Each is imported only if it is used: their libraries come from the
distribution.
"""

from typing import Any

from twisted.logger import Logger

from pkdoors.config.config import Config
from pkdoors.errors import PkdoorsError
from pkdoors.firewall.interface import IFirewall
from pkdoors.firewall.netlink.logsocket import PacketLog
from pkdoors.host.onethread import OneThread
from pkdoors.util.lane import Lane
from pkdoors.util.turns import makeBeside

_log = Logger()


def chooseFirewalls(config: Config, reactor: Any, log: PacketLog | None = None) -> list[IFirewall]:
    """
    Return the firewalls for a configuration, the innermost first. C{auto} means firewalld if it
    runs, else nftables. With firewalld there are two: it cannot end an opening when it is itself
    killed, but nftables can.

    @param log: the packet log that hears the knocks; L{None} if sockets hear them.
    @raise PkdoorsError: the configuration has a zone, and the firewall has none.
    """
    name = config.chooseFirewall(isFirewalldRunning)
    if config.zone and config.firewall == "auto" and name != "firewalld":
        _log.warn("firewalld is not running: its zone (--zone) has no effect now")
    elif config.zone and name != "firewalld":
        raise PkdoorsError(
            f"a zone (--zone) needs firewalld, and the firewall here is {name}: "
            "leave it out, or start firewalld"
        )
    if name == "dry-run":
        from pkdoors.firewall.dryrun import DryRunFirewall

        return [DryRunFirewall(reactor)]
    from pkdoors.firewall.nftables.capturing import Capturing
    from pkdoors.firewall.nftables.firewall import NftablesFirewall

    capturing = None if log is None else Capturing(log, hearsAll=config.logKnocks)
    thread = OneThread(reactor)
    lane = Lane(reactor, thread, thread.stop)
    guard = NftablesFirewall(reactor, capturing=capturing, beside=makeBeside(reactor), lane=lane)
    if name == "nftables":
        return [guard]
    from pkdoors.firewall.firewalld.firewall import FirewalldFirewall
    from pkdoors.firewall.firewalld.thread import BusThread

    bus = BusThread(reactor.callFromThread)
    return [guard, FirewalldFirewall(reactor, bus, zone=config.zone, letsKnocksIn=log is None)]


def isFirewalldRunning() -> bool:
    """Return whether firewalld runs; C{False} if nobody can tell."""
    from pkdoors.firewall.firewalld.connection import isRunning

    try:
        return isRunning()
    except Exception as error:  # D-Bus has many; none of them may keep the ports unguarded
        _log.warn(
            "cannot find out whether firewalld runs ({error}): using nftables alone", error=error
        )
        return False
