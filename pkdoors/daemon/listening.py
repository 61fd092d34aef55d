"""
How the daemon hears knocks: from the kernel's packet log, or from a socket for each knock port.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from twisted.logger import Logger

from pkdoors.config.config import Config
from pkdoors.errors import FirewallError, ListenError
from pkdoors.firewall.netlink.logsocket import PacketLog
from pkdoors.knockports.plan import Plan
from pkdoors.model.doors import listTcpKnockPorts

PREFERS_CAPTURE = False
"""Whether C{auto} captures knocks if the kernel can; C{bench.hearing} compares both ways."""

T = TypeVar("T")

_log = Logger()


class IKnockPorts(Protocol[T]):
    """
    Hears the ports of a plan. L{pkdoors.knockports.knockports.KnockPorts} does this with sockets,
    L{pkdoors.knockports.knocklog.KnockLog} with the packet log.

    @ivar method: C{"capture"} or C{"sockets"}.
    @ivar plan: what is heard now.
    @ivar onTurn: called after the knocks of each turn were handled.
    @ivar onChange: called when L{troubles} have changed.
    """

    method: str
    plan: Plan
    onTurn: Callable[[], None]
    onChange: Callable[[], None]

    def check(self, plan: Plan) -> None:
        """
        Check that this process may hear a plan.

        @raise ListenError: it may not.
        """

    def listen(self, plan: Plan) -> None:
        """Hear what can be had of a plan, at once."""

    async def search(self, plan: Plan) -> T:
        """Return what L{use} needs; the caller must call that, or L{giveUp}."""

    async def use(self, search: T) -> None:
        """Hear the plan of a search from now on."""

    def giveUp(self, search: T) -> None:
        """Continue as before."""

    def retry(self) -> None:
        """Try what is missing now."""

    def troubles(self) -> list[str]:
        """Return why some knocks are not heard now, a sentence for each reason."""

    def newDrops(self) -> int:
        """Return how many datagrams were lost since the last call."""

    def stop(self) -> None:
        """Hear nothing more."""


def mayCapture(config: Config) -> bool:
    """Return whether the packet log hears the knocks of a configuration, if the kernel can."""
    if config.firewall == "dry-run":
        return False
    # Sockets cannot hear knocks over TCP.
    prefers = PREFERS_CAPTURE or bool(listTcpKnockPorts(config.doors))
    return config.listen == "capture" or (config.listen == "auto" and prefers)


def choosePacketLog(config: Config, canCapture: Callable[[], str]) -> PacketLog | None:
    """
    Return the packet log that hears the knocks; L{None} if sockets do. A dry run has no rules that
    could write into the log.

    @param canCapture: returns why this host cannot capture knocks; empty if it can. Called only for
        C{auto}.
    @raise ListenError: sockets must hear the knocks, and cannot, as some are over TCP.
    """
    if not mayCapture(config):
        return None
    if config.listen == "auto" and (reason := canCapture()):
        for door in config.doors:
            if door.sequence.tcpPorts():
                raise ListenError(
                    f"door {door.name}: this host cannot hear its knocks over TCP ({reason}): use "
                    "UDP ports only"
                )
        _log.info("knocks are heard by sockets: {reason}", reason=reason)
        return None
    return PacketLog()


def explainNoCapture(config: Config, reactor: Any) -> str:
    """Return why this host cannot capture the knocks of a configuration; empty if it can."""
    from pkdoors.firewall.nftables.capturing import Capturing
    from pkdoors.firewall.nftables.firewall import NftablesFirewall

    try:
        NftablesFirewall(reactor, capturing=Capturing(PacketLog())).prepare(config.doors)
    except FirewallError as error:
        return str(error)
    return ""
