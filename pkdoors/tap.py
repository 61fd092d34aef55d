"""What C{twistd pkdoors} loads: the options, and the wiring of the daemon's parts."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as ListOf
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from twisted.application.service import IService
from twisted.logger import ILogObserver, LogEvent, Logger, globalLogPublisher
from zope.interface import provider

from pkdoors.admin.operations import Operations
from pkdoors.admin.unixsocket import AdminSocket
from pkdoors.config.config import Config
from pkdoors.config.lastgood import STATE, LastGood
from pkdoors.config.options import Options as DaemonOptions
from pkdoors.daemon.audit import AuditFile
from pkdoors.daemon.failclosed import keepClosed
from pkdoors.daemon.heap import MemoryTrim
from pkdoors.daemon.hooks import Hooks
from pkdoors.daemon.locksmith import Locksmith
from pkdoors.daemon.reload import Reloader
from pkdoors.daemon.replayfile import ReplayFile
from pkdoors.daemon.sdnotify import Notifier
from pkdoors.daemon.sealturns import SealTurns
from pkdoors.daemon.service import DoorService
from pkdoors.doorkeeper.doorkeeper import Doorkeeper
from pkdoors.errors import PkdoorsError
from pkdoors.events.counters import Counters
from pkdoors.events.publisher import EventPublisher
from pkdoors.firewall.counted import CountedFirewall
from pkdoors.firewall.interface import IFirewall
from pkdoors.firewall.stack import FirewallStack
from pkdoors.host.descriptors import raiseLimit
from pkdoors.host.instance import AlreadyRunning, AnyInstance, Instance
from pkdoors.knockports.drops import Drops
from pkdoors.knockports.knockports import KnockPorts
from pkdoors.knockports.lossalarm import LossAlarm
from pkdoors.model.doors import Door
from pkdoors.util.cleanlog import cleanLog
from pkdoors.util.oneline import oneLine
from pkdoors.util.output import complain

__all__ = ["Options", "makeService"]

_log = Logger()


class Options(DaemonOptions):
    """
    The options of C{twistd pkdoors}. If they, or the file, are wrong, the ports stay closed as the
    last good configuration says; see L{keepClosed}.
    """

    def parseOptions(self, options: ListOf[str] | None = None) -> None:
        """See L{DaemonOptions.parseOptions}."""
        self._arguments = tuple(options or ())
        with self.closedOnFailure():
            super().parseOptions(options)

    def refuse(self, line: str) -> NoReturn:
        """See L{DaemonOptions.refuse}."""
        super().refuse(line + self.keepClosed())

    @contextmanager
    def closedOnFailure(self) -> Iterator[None]:
        """
        Keep the ports closed if what is done meanwhile fails in a way that nobody foresaw. What the
        host lacks, a descriptor say, is one line; a mistake of ours has its traceback all the same.
        """
        try:
            yield
        except PkdoorsError:
            raise
        except OSError as error:
            raise SystemExit(f"pkdoors: cannot start: {error}{self.keepClosed()}") from error
        except Exception:
            complain("pkdoors", f"cannot start, by a mistake in pkdoors itself{self.keepClosed()}")
            raise

    def keepClosed(self) -> str:
        """See L{keepClosed}."""
        if self["firewall"] == "dry-run":  # it touches nothing
            return ""
        return keepClosed(self.lastGood(), Instance(), takeReactor())

    def lastGood(self) -> LastGood:
        """The copy of the configuration that is meant."""
        return LastGood(STATE, self.guessFile(self._arguments))


def makeService(options: Options) -> IService:
    """
    The daemon, ready to be started. What it lacks is one line on the terminal, and status 1.
    """
    heedInterrupt()
    raiseLimit()
    cleanLog(globalLogPublisher)
    reactor = takeReactor()
    # Twisted's clock is the time of day. Where somebody sets that back, timers come late.
    reactor.seconds = time.monotonic
    sys.excepthook = _withoutTraceback
    try:
        with options.closedOnFailure():
            refuseUid(options)
            lastGood = options.lastGood()
            service = wire(
                *(options.config, reactor, options.reread),
                *(lastGood, options.keepClosed, options.file),
            )
            heedHangup(options, reactor, service.reload)
            service.prepare()
    except AlreadyRunning as error:
        raise SystemExit(f"pkdoors: {error}") from error
    except PkdoorsError as error:
        raise SystemExit(f"pkdoors: {error}{options.keepClosed()}") from error
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


def heedInterrupt() -> None:
    """
    See that Ctrl-C ends the daemon at any moment: at once before the reactor runs, when there is
    nothing yet that a L{KeyboardInterrupt} would have to put in order, then as Twisted does it. One
    that Twisted has caught before, while it loaded plugins, is in the log, which repeats it later.
    """

    def heed(number: int, frame: object = None) -> None:
        reactor: Any = sys.modules.get("twisted.internet.reactor")
        if reactor is not None and reactor.running:
            reactor.sigInt(number)
        else:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    @provider(ILogObserver)
    def hear(event: LogEvent) -> None:
        text = str(event.get("log_text", "")).rstrip()
        if event.get("isError") and text.endswith("KeyboardInterrupt:"):
            heed(signal.SIGINT)

    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:  # else it is ignored
        signal.signal(signal.SIGINT, heed)
        globalLogPublisher.addObserver(hear)


def heedHangup(options: Options, reactor: Any, reload: Callable[[], None]) -> None:
    """
    See that a SIGHUP reloads. The kernel sends one, too, where the terminal of a daemon in the
    foreground goes away: then it ends in order, unless nohup(1) said that it shall not.
    """
    # Only twistd has a background; twist has not.
    foreground = options.parent is None or options.parent.get("nodaemon", True)
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


def seenPath(lasting: str) -> Path:
    """
    Return where a daemon notes the sealed knocks that it saw. The name lasts as long as the
    configuration has its place, whatever network namespace the daemon is in; two daemons of one
    host, which have a configuration each, have two.

    @param lasting: the configuration file, or, if there is none, the files of keys.
    """
    return STATE / f"{sha256(lasting.encode()).hexdigest()[:16]}.seen"


def wire(
    config: Config,
    reactor: Any,
    read: Callable[[], Config] | None = None,
    lastGood: LastGood | None = None,
    keepClosed: Callable[[], str] = lambda: "",
    file: str = "",
) -> DoorService:
    """
    Put the parts together.

    @param read: reads the configuration anew.
    @param lastGood: where to keep a copy of each configuration that is in place.
    @param keepClosed: see L{DoorService}.
    @param file: where the configuration is; empty if it is not in a file.
    @raise PkdoorsError: C{auto} cannot find out which firewall to use.
    """
    isDry = config.firewall == "dry-run"
    lasting = file or "\n".join(sorted({door.authorizedKeys for door in config.doors}))
    publisher, counters, hooks = EventPublisher(), Counters(), Hooks(reactor)
    audit = AuditFile("" if isDry else config.audit)
    for hear in (counters.hear,) if isDry else (counters.hear, audit.hear, hooks.hear):
        publisher.subscribe(hear)
    firewalls = [CountedFirewall(each, counters) for each in chooseFirewalls(config, reactor)]
    stack = FirewallStack(reactor, firewalls, publisher)
    instance = AnyInstance() if isDry else Instance()
    replayFile = None if isDry else ReplayFile(seenPath(lasting), reactor.seconds)
    smith = Locksmith(config.doors, replayFile, reactor.seconds)
    keeper = Doorkeeper(
        reactor, stack, config.doors, publisher, smith.make, counters, logKnocks=config.logKnocks
    )
    ports = KnockPorts(reactor, keeper.hear)
    counters.dropped = Drops(ports.newDrops, stack.dropped).counts
    ports.onTurn = LossAlarm(counters.dropped, reactor.seconds).look

    def taken(new: Config) -> list[str]:
        if isDry:
            return []
        if lastGood is not None:
            lastGood.write(new.doors)
        return [*hooks.examine(new.doors), *audit.use(new.audit)]

    def troubles() -> list[str]:
        return [*ports.troubles(), *smith.examine(), *filter(None, [audit.trouble])]

    reloader = Reloader(config, read or (lambda: config), keeper, smith, publisher, ports, taken)
    operations = Operations(reactor, keeper, reloader, publisher, counters, stack, troubles)
    notifier = Notifier(reactor, os.environ, lambda: stateOf(keeper.doors, stack.name, troubles()))
    publisher.subscribe(notifier.hear)
    ports.onChange = notifier.tellStatus
    turns = SealTurns(reactor, publisher.wallClock, smith, keeper.heed)
    parts = (
        turns,
        audit,
        hooks,
        AdminSocket(reactor, config.admin, operations),
        MemoryTrim(),
        notifier,
    )
    return DoorService(
        *(reactor, keeper, reloader, instance, smith, publisher, stack.name, parts, keepClosed)
    )


MAX_STATE = 2000
"""Characters of L{stateOf}."""


def stateOf(doors: Iterable[Door], firewallName: str, troubles: Iterable[str] = ()) -> str:
    """What the daemon does, in one line, and what it cannot do."""
    wrong = "; ".join(troubles)
    guards = f"guarding {', '.join(map(str, doors))} with {firewallName}"
    if not wrong:
        return guards
    return oneLine(f"degraded: {wrong} ({guards})", MAX_STATE)


def chooseFirewalls(config: Config, reactor: Any) -> list[IFirewall]:
    """
    The firewall that was asked for; for C{auto} firewalld where it runs, else nftables. With
    firewalld there are two: it cannot end an opening when it is itself killed, but nftables can.

    Each is imported only where it is used: their libraries come from the distribution.
    """
    name = config.chooseFirewall(_isFirewalldThere)
    if config.zone and config.firewall == "auto" and name != "firewalld":
        _log.warn("firewalld does not run: its zone (--zone) counts for nothing now")
    elif config.zone and name != "firewalld":
        raise PkdoorsError(
            f"a zone (--zone) counts only with firewalld, and it is {name} here: "
            "leave it out, or start firewalld"
        )
    if name == "dry-run":
        from pkdoors.firewall.dryrun import DryRunFirewall

        return [DryRunFirewall(reactor)]
    from pkdoors.firewall.nftables.firewall import NftablesFirewall

    guard = NftablesFirewall(reactor)
    if name == "nftables":
        return [guard]
    from pkdoors.firewall.firewalld.firewall import FirewalldFirewall
    from pkdoors.firewall.firewalld.thread import BusThread

    thread = BusThread(reactor.callFromThread)
    return [guard, FirewalldFirewall(reactor, thread, zone=config.zone)]


def _isFirewalldThere() -> bool:
    from pkdoors.firewall.firewalld.connection import isRunning

    try:
        return isRunning()
    except Exception as error:  # D-Bus has many; none of them may keep the ports from being guarded
        _log.warn("cannot ask whether firewalld runs ({error}): taking nftables alone", error=error)
        return False


def _withoutTraceback(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """If the start fails, that is one line. All else is a mistake of ours."""
    if not isinstance(error, PkdoorsError):
        sys.__excepthook__(kind, error, trace)
    elif not error.isLogged:
        complain("pkdoors", str(error))
