"""Makes a daemon of its parts: who hears whom, and what comes first and last."""

from collections.abc import Callable, Iterable, MutableMapping
from functools import partial
from typing import TYPE_CHECKING, Any

from pkdoors.admin.operations import Operations
from pkdoors.admin.unixsocket import AdminSocket
from pkdoors.config.config import Config
from pkdoors.config.file import findFleetFile
from pkdoors.config.lastgood import LastGood
from pkdoors.daemon.audit import AuditFile
from pkdoors.daemon.component import Component, OnDemand, Optional
from pkdoors.daemon.firewalls import chooseFirewalls
from pkdoors.daemon.gatewayalarm import GatewayAlarm
from pkdoors.daemon.hooks.runner import Hooks
from pkdoors.daemon.listening import IKnockPorts, choosePacketLog, explainNoCapture
from pkdoors.daemon.locksmith import Locksmith
from pkdoors.daemon.rates import Rates
from pkdoors.daemon.reload import ConfigFollowers, Reloader
from pkdoors.daemon.sdnotify import Health, Notifier
from pkdoors.daemon.sealturns import SealTurns
from pkdoors.daemon.service import DoorService
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.events.counters import Counters
from pkdoors.events.publisher import EventPublisher
from pkdoors.files.marks import findMark
from pkdoors.firewall.counted import CountedFirewall
from pkdoors.firewall.netlink.logsocket import PacketLog
from pkdoors.firewall.stack import FirewallStack
from pkdoors.host.instance import AnyInstance, Instance
from pkdoors.knockports.drops import Drops, LogDrops
from pkdoors.knockports.knocklog import KnockLog
from pkdoors.knockports.knockports import KnockPorts
from pkdoors.knockports.lossalarm import LossAlarm
from pkdoors.util.turns import makeBeside

if TYPE_CHECKING:
    from pkdoors.daemon.notes.replayfile import ReplayFile
    from pkdoors.locks.sealed.sealjudge import SealJudge


def wire(
    config: Config,
    reactor: Any,
    *,
    read: Callable[[], Config] | None = None,
    lastGood: LastGood | None = None,
    keepClosed: Callable[[], str] = lambda: "",
    file: str = "",
    environment: MutableMapping[str, str] | None = None,
    components: Iterable[Component] = (),
) -> DoorService:
    """
    Make a daemon of its parts.

    @param reactor: its clock must not jump.
    @param read: reads the configuration again.
    @param lastGood: keeps a copy of each one that is in place.
    @param keepClosed: see L{DoorService}.
    @param file: where the configuration is; empty if it is not in a file.
    @param environment: where a service manager says how to notify it.
    @raise PkdoorsError: see L{chooseFirewalls}.
    """
    publisher, counters, beside = EventPublisher(), Counters(), makeBeside(reactor)
    audit, hooks = _makeOutlets(config, reactor, publisher, counters)
    log = choosePacketLog(config, lambda: explainNoCapture(config, reactor))
    stack = _makeStack(config, reactor, publisher, counters, log)
    smith = Locksmith(config.doors, _replayFileMaker(config, file, reactor), reactor.seconds)
    keeper = Doorkeeper(
        reactor,
        stack,
        config.doors,
        publisher,
        smith.make,
        counters,
        logKnocks=config.logKnocks,
        maxOpenings=config.maxOpenings,
    )
    keeper.onClose = lambda door, source: smith.noteClosing(door, source, publisher.wallClock())
    ports = _makePorts(reactor, keeper, stack, counters, log)
    followers, reread = ConfigFollowers(lastGood, hooks, audit, beside), read or (lambda: config)

    async def follow(config: Config) -> list[str]:
        return [*await fleet.apply(config), *await followers.apply(config)]

    reloader = Reloader(
        config,
        reread,
        keeper,
        smith,
        publisher,
        ports,
        follow,
        beside,
        partial(markFiles, file),
    )
    health = Health(keeper, stack.name, ports, smith, audit, reloader, lambda: fleet.troubles())
    rates = Rates(reactor, counters)
    operations = Operations(
        reactor, keeper, reloader, publisher, counters, stack, rates, health.troubles, ports.method
    )
    fleet = OnDemand(
        config,
        lambda config: config.fleet is not None and config.firewall != "dry-run",
        lambda config: _makeFleet(config, reactor, keeper, smith, publisher, operations),
    )
    notifier = Notifier(reactor, environment or {}, health.line)
    publisher.subscribe(notifier.hear)
    ports.onChange = notifier.sendStatus
    return DoorService(
        reactor=reactor,
        keeper=keeper,
        reloader=reloader,
        instance=_makeInstance(config),
        smith=smith,
        publisher=publisher,
        firewallName=stack.name,
        components=[
            SealTurns(reactor, publisher.wallClock, smith, keeper.heed),
            audit,
            hooks,
            rates,
            fleet,
            AdminSocket(reactor, config.admin, operations),
            *components,
            notifier,  # the last: the operator's commands are answered when it says "ready"
        ],
        keepClosed=keepClosed,
    )


def markFiles(file: str, config: Config) -> object:
    """Return what changes with the files that a configuration comes from."""
    fleet = findFleetFile(config, file) if file and config.fleet is not None else ""
    return findMark(file), findMark(fleet)


def _makeOutlets(
    config: Config, reactor: Any, publisher: EventPublisher, counters: Counters
) -> tuple[AuditFile, Hooks]:
    """Return the audit file and the hooks. In a dry run, only the counters hear events."""
    publisher.subscribe(counters.hear)
    isDry = config.firewall == "dry-run"
    audit = AuditFile("" if isDry else config.audit)
    hooks = Hooks(reactor, count=counters.countHook)
    counters.lostLines = lambda: audit.lost
    if not isDry:
        publisher.subscribe(audit.hear)
        publisher.subscribe(hooks.hear)
        publisher.subscribe(GatewayAlarm().hear)
    return audit, hooks


def _makeStack(
    config: Config,
    reactor: Any,
    publisher: EventPublisher,
    counters: Counters,
    log: PacketLog | None,
) -> FirewallStack:
    """Return the firewalls, whose calls are counted."""
    firewalls = [CountedFirewall(one, counters) for one in chooseFirewalls(config, reactor, log)]
    stack = FirewallStack(reactor, firewalls, publisher)
    counters.inPlace = stack.inPlace
    return stack


def _makePorts(
    reactor: Any,
    keeper: Doorkeeper,
    stack: FirewallStack,
    counters: Counters,
    log: PacketLog | None,
) -> IKnockPorts[Any]:
    """Return the knock ports, whose losses are counted and reported."""
    ports: IKnockPorts[Any]
    if log is None:
        ports = KnockPorts(reactor, keeper.hear)
        counters.dropped = Drops(ports.newDrops, stack.countDropped).counts
    else:
        ports = KnockLog(reactor, keeper.hear, log)
        drops = LogDrops(ports.newDrops, stack.countDropped, stack.countJunk)
        counters.dropped = drops.counts
    ports.onTurn = LossAlarm(counters.dropped, reactor.seconds).look
    return ports


def _makeFleet(
    config: Config,
    reactor: Any,
    keeper: Doorkeeper,
    smith: Locksmith,
    publisher: EventPublisher,
    operations: Operations,
) -> Optional:
    """Return this host's part in its fleet."""
    from pkdoors.admin.fleet.fleetsocket import FleetSocket, fleetPath  # only for a fleet
    from pkdoors.daemon.fleet.fleet import Fleet

    def findJudge(name: str) -> "SealJudge | None":
        return smith.judgeOf(keeper.findLock(name))

    assert config.fleet is not None and smith.memory is not None
    fleet = Fleet(reactor, keeper, publisher, findJudge, smith.memory, config.fleet)
    return FleetSocket(reactor, fleetPath(config.admin), operations, fleet)


def _makeInstance(config: Config) -> Instance:
    """Return the right to be the daemon of this host."""
    return AnyInstance() if config.firewall == "dry-run" else Instance()


def _replayFileMaker(config: Config, file: str, reactor: Any) -> "Callable[[], ReplayFile] | None":
    """Return what makes the notes of sealed knocks; L{None} for a daemon that opens nothing."""
    if config.firewall == "dry-run":
        return None
    lasting = file or "\n".join(sorted({"\n".join(door.authorizedKeys) for door in config.doors}))

    def make() -> "ReplayFile":
        from pkdoors.daemon.notes.replayfile import ReplayFile, seenPath  # only for sealed doors

        return ReplayFile(seenPath(lasting), reactor.seconds)

    return make
