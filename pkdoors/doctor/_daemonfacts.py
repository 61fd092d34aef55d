"""The facts about the daemon, its configuration and its keys. Reading them changes nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from shlex import quote
from sysconfig import get_path

from pkdoors.config.config import ADMIN_SOCKET, CONF_FILE, Config
from pkdoors.config.file import findFleetFile
from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor.findings import Finding, fromFailure
from pkdoors.doctor.sources import Sources
from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink.kernel import mayAdminister
from pkdoors.host.systemd import START
from pkdoors.install.sharing import CONFS
from pkdoors.model.doors import listKnockPorts, listProtectedPorts, listTcpKnockPorts

TRIAL = "trial 10m"


class DaemonFacts:
    """
    What is true of the daemon of this host, its configuration and its keys.

    A fact is read when a judge first asks for it, and once, so that the judges need not know in
    which order to read. A fact that cannot be read has a value for "unknown"; the reason is a
    finding, see L{newFailures}.

    @ivar config: the options of the daemon that is meant to run here.
    @ivar sources: where the facts come from.
    @ivar conf: the configuration file that has the options; empty if there is none.
    @ivar ports: the protected ports.
    @ivar knocks: the knock ports over UDP.
    @ivar tcpKnocks: those over TCP.
    """

    def __init__(self, config: Config, sources: Sources, conf: str = "") -> None:
        self.config = config
        self.sources = sources
        self.conf = conf
        self.ports = listProtectedPorts(config.doors)
        self.knocks = listKnockPorts(config.doors)
        self.tcpKnocks = listTcpKnockPorts(config.doors)
        self._failures: list[Finding] = []

    def newFailures(self) -> list[Finding]:
        """Return a finding for each fact that could not be read since the last call."""
        failures, self._failures = self._failures, []
        return failures

    @contextmanager
    def reading(self, subject: str) -> Iterator[None]:
        """Turn an error while a fact is read into a failure."""
        try:
            yield
        except Exception as error:
            self._failures.append(fromFailure(subject, error))

    @cached_property
    def mayAdminister(self) -> bool | None:
        """Whether this process may change the firewall; L{None} if that is unknown."""
        with self.reading("privilege"):
            return mayAdminister(self.sources.proc.readStatus())
        return None

    @cached_property
    def isFirewalldThere(self) -> bool | None:
        """Whether firewalld runs; L{None} if that is unknown."""
        with self.reading("firewall"):
            try:
                return self.sources.isFirewalldThere()
            except FirewallError:
                if self.mayNeedFirewalld:
                    raise
        return None

    @cached_property
    def mayNeedFirewalld(self) -> bool:
        """Whether the options make the daemon use firewalld, or let it."""
        return self.config.firewall in ("auto", "firewalld")

    @cached_property
    def usesFirewalld(self) -> bool:
        """Whether the daemon opens ports in firewalld. If it does not, the zones must let them
        in."""
        return self.config.chooseFirewall(lambda: self.isFirewalldThere) == "firewalld"

    @cached_property
    def isService(self) -> bool:
        """Whether the file is the one that the installed service reads; the service has no other
        options."""
        with self.reading("service"):
            return self.conf in CONFS and self.sources.isService()
        return False

    @cached_property
    def fleetFiles(self) -> list[str]:
        """The files of a fleet that the daemon reads, its configuration first; none without a
        fleet."""
        fleet = self.config.fleet
        if fleet is None:
            return []
        return [findFleetFile(self.config, self.conf), *filter(None, [fleet.operators])]

    @cached_property
    def fleetServiceFiles(self) -> list[str]:
        """Those that the service reads that connects this host with its fleet."""
        fleet = self.config.fleet
        if fleet is None:
            return []
        return [self.fleetFiles[0], *filter(None, [fleet.password, fleet.ca])]

    @cached_property
    def keyFiles(self) -> list[str]:
        """The files, or folders, of authorized keys."""
        return sorted({path for door in self.config.doors for path in door.authorizedKeys})

    @property
    def revokedFiles(self) -> list[str]:
        """The files of revoked keys."""
        return sorted({door.revokedKeys for door in self.config.doors} - {""})

    @cached_property
    def keys(self) -> dict[str, tuple[int, list[str], list[str]]]:
        """What each file of keys has, see L{countKeys}; those that cannot be read are missing."""
        found = {}
        for path in self.keyFiles:
            doors = {door.name for door in self.config.doors if path in door.authorizedKeys}
            with self.reading("keys"):
                found[path] = self.sources.keys(path, doors)
        return found

    def hasOtherKeys(self, path: str) -> bool:
        """Return whether each door that uses a path has keys from another one as well."""
        return all(
            any(self.keys.get(other, (0,))[0] for other in door.authorizedKeys if other != path)
            for door in self.config.doors
            if path in door.authorizedKeys
        )

    @cached_property
    def startsAtBoot(self) -> bool | None:
        """Whether the service starts at boot, before the network is up; L{None} if the daemon is
        not a service, or that is unknown."""
        if self.isService:
            with self.reading("service"):
                return self.sources.startsAtBoot()
        return None

    @cached_property
    def isOnTrial(self) -> bool:
        """Whether C{pkdoors trial} started the daemon, and nobody has kept it yet."""
        with self.reading("daemon"):
            return self.sources.isOnTrial()
        return False

    @cached_property
    def isKept(self) -> bool:
        """Whether the guard can be expected to stay: the daemon runs, and nobody tries it only."""
        isTried = self.isOnTrial or self.startsAtBoot is False
        return self.daemon.process is not None and not isTried

    @cached_property
    def daemon(self) -> Daemon:
        """The daemon. It can be started even if it is unknown whether it runs."""
        with self.reading("daemon"):
            process = self.sources.holder()
            reload = self._makeReloadCommand(process)
            start = self._makeStartCommand(process is not None)
            return Daemon(process, start, self.conf, reload, self.isService)
        return Daemon(None, self._makeStartCommand(False), self.conf, isKnown=False)

    def _makeStartCommand(self, isRunning: bool) -> str:
        if self.isService:
            # A service that nobody has kept yet may close the only way in for good.
            return f"`pkdoors {TRIAL}`" if self.startsAtBoot is False else f"`{START}`"
        pkdoors = quote(str(Path(get_path("scripts"), "pkdoors")))
        if self.conf in CONFS and not isRunning:
            # Without a service, nobody knows whether anybody has tried it.
            return f"`{pkdoors} {TRIAL}`"
        if self.conf:
            return f"`{pkdoors} daemon --conf {quote(self.conf)}`"
        return f"`{pkdoors} daemon` with the options of this check"

    def _makeReloadCommand(self, process: int | None) -> str:
        if not self.config.admin:
            return f"kill -HUP {process}"
        if self.conf == CONF_FILE or self.config.admin == ADMIN_SOCKET:
            return "pkdoors reload"
        return f"pkdoors reload --admin {quote(self.config.admin)}"

    @property
    def troubles(self) -> Sequence[str]:
        """What the running daemon cannot do at present, as it reports itself."""
        return self._status[0]

    @property
    def pending(self) -> Sequence[str]:
        """What has changed in the file since the daemon read it, as far as it knows."""
        return self._status[1]

    @cached_property
    def isUnread(self) -> bool:
        """Whether somebody changed the file after the running daemon had read it."""
        if self.daemon.process is not None:
            with self.reading("daemon"):
                return self.sources.isUnread(self.conf)
        return False

    @cached_property
    def _status(self) -> tuple[Sequence[str], Sequence[str]]:
        if self.daemon.process is not None and self.mayAdminister:
            with self.reading("daemon"):
                return self.sources.status(self.config.admin)
        return (), ()
