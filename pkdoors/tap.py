"""What C{twistd pkdoors} loads: the options, and the wiring of the daemon's parts."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from twisted.application.service import IService
from twisted.logger import globalLogPublisher

from pkdoors.admin.socket import AdminSocket
from pkdoors.alarm import Alarm
from pkdoors.audit import AuditFile
from pkdoors.cleanlog import cleanLog
from pkdoors.config import Config
from pkdoors.doors import Door
from pkdoors.drops import Drops
from pkdoors.errors import PkdoorsError
from pkdoors.firewall.counted import CountedFirewall
from pkdoors.heap import Heap
from pkdoors.herald import Herald
from pkdoors.hooks import Hooks
from pkdoors.instance import AnyInstance, Instance
from pkdoors.interfaces import IFirewall
from pkdoors.keeper import Doorkeeper
from pkdoors.locksmith import Locksmith
from pkdoors.notify import Notifier
from pkdoors.operator import Operator
from pkdoors.options import Options
from pkdoors.reloading import Reloader
from pkdoors.seals.seenfile import SeenFile
from pkdoors.service import DoorService
from pkdoors.tally import Tally
from pkdoors.walls import Walls

__all__ = ["Options", "makeService"]

STATE = Path("/var/lib/pkdoors")
"""What has to survive a boot: a sealed knock from before it must open nothing after it."""


def makeService(options: Options) -> IService:
    """
    The daemon, ready to be started. What it lacks is one line on the terminal, and status 1.
    """
    cleanLog(globalLogPublisher)
    reactor = takeReactor()
    # Twisted's clock is the time of day. Where somebody sets that back, timers come late.
    reactor.seconds = time.monotonic
    sys.excepthook = _withoutTraceback
    try:
        refuseUid(options)
        service = wire(options.config, reactor, options.again)
        heedHangup(options, reactor, service.reload)
        service.prepare()
    except PkdoorsError as error:
        raise SystemExit(f"pkdoors: {error}") from error
    return service


def takeReactor() -> Any:
    """
    Twisted's reactor, without TLS, which nothing here speaks: pyOpenSSL would be a quarter of the
    daemon's memory, and of the time that it takes to start. Twisted does without where that is not
    installed, and an entry of L{None} says that it is not; Python's reference, 5.3.1.
    """
    modules: dict[str, Any] = sys.modules
    isFirst = modules.setdefault("OpenSSL", None) is None
    try:
        from twisted.internet import reactor
    finally:
        if isFirst:
            del modules["OpenSSL"]
    return reactor


def heedHangup(options: Options, reactor: Any, reload: Callable[[], None]) -> None:
    """
    See that a SIGHUP reloads. The kernel sends one, too, where the terminal of a daemon in the
    foreground goes away: then it ends in order, unless nohup(1) said that it shall not.
    """
    foreground = options.parent is None or options.parent.get("nodaemon")
    before = signal.getsignal(signal.SIGHUP)
    isBound = bool(foreground) and before != signal.SIG_IGN and _hasTerminal()

    def heed(*_: object) -> None:
        isGone = isBound and not _hasTerminal()
        reactor.callFromThread(reactor.stop if isGone else reload)

    signal.signal(signal.SIGHUP, heed)


def _hasTerminal() -> bool:
    """Whether this process has a controlling terminal; C{tty(4)}."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def refuseUid(options: Options) -> None:
    """
    See that twistd shall not give up its privileges.

    @raise PkdoorsError: it shall. Then no knock could open anything.
    """
    parent = options.parent
    if parent is not None and (parent.get("uid") or parent.get("euid")):
        raise PkdoorsError(
            "twistd's --uid would take the right to change the firewall from the daemon: "
            "leave it out, or have a service manager start it with CAP_NET_ADMIN"
        )


def wire(config: Config, reactor: Any, read: Callable[[], Config] | None = None) -> DoorService:
    """
    Put the parts together.

    @param read: reads the configuration anew.
    @raise PkdoorsError: C{auto} cannot find out which firewall to use.
    """
    isDry = config.firewall == "dry-run"
    herald, tally, hooks = Herald(), Tally(), Hooks(reactor)
    audit = AuditFile("" if isDry else config.audit)
    for hear in (tally.hear,) if isDry else (tally.hear, audit.hear, hooks.hear):
        herald.subscribe(hear)
    firewalls = [CountedFirewall(each, tally) for each in chooseFirewalls(config, reactor)]
    walls = Walls(reactor, firewalls, herald)
    instance = AnyInstance() if isDry else Instance()
    seenFile = None if isDry else SeenFile(STATE / instance.path("seen").name)
    smith = Locksmith(config.doors, seenFile, reactor.seconds)
    keeper = Doorkeeper(
        reactor, walls, config.doors, herald, smith.make, tally, logKnocks=config.logKnocks
    )
    alarm = Alarm(keeper.hear, lambda: tally.dropped(), reactor.seconds)
    reloader = Reloader(
        *(reactor, config, read or (lambda: config), keeper, smith, herald, alarm.hear),
        lambda new: [] if isDry else [*hooks.examine(new.doors), *audit.use(new.audit)],
    )
    tally.dropped = Drops(reloader.takeDrops, walls.dropped).counts
    operator = Operator(reactor, keeper, reloader, herald, tally, walls)
    notifier = Notifier(reactor, os.environ, lambda: guarding(keeper.doors, walls.name))
    herald.subscribe(notifier.hear)
    parts = (audit, hooks, AdminSocket(reactor, config.admin, operator), Heap(), notifier)
    return DoorService(reactor, keeper, reloader, instance, smith, herald, walls.name, parts)


def guarding(doors: Iterable[Door], firewallName: str) -> str:
    """What the daemon does, in a few words."""
    return f"guarding {', '.join(map(str, doors))} with {firewallName}"


def chooseFirewalls(config: Config, reactor: Any) -> list[IFirewall]:
    """
    The firewall that was asked for; for C{auto} firewalld where it runs, else nftables. With
    firewalld there are two: it cannot end an opening when it is itself killed, but nftables can.

    Each is imported only where it is used: their libraries come from the distribution.
    """
    name = config.chosenFirewall(_isFirewalldThere)
    if config.zone and name != "firewalld":
        raise PkdoorsError(
            f"a zone (--zone) counts only with firewalld, and it is {name} here: "
            "leave it out, or start firewalld"
        )
    if name == "dry-run":
        from pkdoors.firewall.dryrun import DryRunFirewall

        return [DryRunFirewall(reactor)]
    from pkdoors.firewall.nftables import NftablesFirewall

    guard = NftablesFirewall(reactor)
    if name == "nftables":
        return [guard]
    from pkdoors.firewall.bus import BusThread
    from pkdoors.firewall.firewalld import FirewalldFirewall

    thread = BusThread(reactor.callFromThread)
    return [guard, FirewalldFirewall(reactor, thread, zone=config.zone)]


def _isFirewalldThere() -> bool:
    from pkdoors.firewall.zonebus import isRunning

    return isRunning()


def _withoutTraceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Where the start fails, its one line is in the log already; all else is a mistake of ours."""
    if not isinstance(error, PkdoorsError):
        sys.__excepthook__(kind, error, trace)
