"""The facts about this host that judges need. Reading them changes nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from shlex import quote
from sysconfig import get_path

from pkdoors.config.config import ADMIN_SOCKET, CONF_FILE, SEED_FILE, Config
from pkdoors.daemon.listening import mayCapture
from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor._guard import GuardState, isGuarded, isInGrace
from pkdoors.doctor._listeners import findDeafPorts, selectListening
from pkdoors.doctor._tables import IN, Tables, isLost
from pkdoors.doctor.findings import Finding, fromFailure
from pkdoors.doctor.packetfilter.forwards import isForwarded
from pkdoors.doctor.packetfilter.packets import newPacket
from pkdoors.doctor.packetfilter.ruleset import readRuleset
from pkdoors.doctor.sources import Sources
from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.firewall.netlink.kernel import mayAdminister
from pkdoors.host.proc import Owner
from pkdoors.host.procnet import Socket
from pkdoors.host.systemd import START
from pkdoors.model.doors import listKnockPorts, listProtectedPorts, listTcpKnockPorts
from pkdoors.model.ports import PortRange


class Facts:
    """
    What is true of this host.

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
    def _reading(self, subject: str) -> Iterator[None]:
        """Turn an error while a fact is read into a failure."""
        try:
            yield
        except Exception as error:
            self._failures.append(fromFailure(subject, error))

    @cached_property
    def mayAdminister(self) -> bool | None:
        """Whether this process may change the firewall; L{None} if that is unknown."""
        with self._reading("privilege"):
            return mayAdminister(self.sources.proc.readStatus())
        return None

    @cached_property
    def isFirewalldThere(self) -> bool | None:
        """Whether firewalld runs; L{None} if that is unknown."""
        with self._reading("firewall"):
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
        with self._reading("service"):
            return self.conf in (CONF_FILE, SEED_FILE) and self.sources.isService()
        return False

    @cached_property
    def daemon(self) -> Daemon:
        """The daemon. It can be started even if it is unknown whether it runs."""
        with self._reading("daemon"):
            process = self.sources.holder()
            reload = self._makeReloadCommand(process)
            return Daemon(process, self._makeStartCommand(), self.conf, reload, self.isService)
        return Daemon(None, self._makeStartCommand(), self.conf, isKnown=False)

    def _makeStartCommand(self) -> str:
        if self.isService:
            return f"`{START}`"
        pkdoors = quote(str(Path(get_path("scripts"), "pkdoors")))
        return f"`{pkdoors} daemon` with the options of this check"

    def _makeReloadCommand(self, process: int | None) -> str:
        if not self.config.admin:
            return f"kill -HUP {process}"
        if self.conf == CONF_FILE or self.config.admin == ADMIN_SOCKET:
            return "pkdoors reload"
        return f"pkdoors reload --admin {quote(self.config.admin)}"

    @cached_property
    def troubles(self) -> list[str]:
        """What the running daemon cannot do at present, as it reports itself."""
        if self.daemon.process is not None and self.mayAdminister:
            with self._reading("daemon"):
                return self.sources.troubles(self.config.admin)
        return []

    @cached_property
    def sockets(self) -> dict[str, list[Socket]] | None:
        """The sockets of TCP and of UDP; L{None} if they are unknown."""
        with self._reading("sockets"):
            return {
                protocol: self.sources.proc.readSockets(protocol) for protocol in ("tcp", "udp")
            }
        return None

    @cached_property
    def listening(self) -> dict[str, list[Socket]]:
        """The sockets that wait for clients. They are selected once, since there may be very many
        connections, and very many ports."""
        found = self.sockets or {}
        return {protocol: selectListening(found[protocol], protocol) for protocol in found}

    @cached_property
    def knockSockets(self) -> tuple[list[Socket], dict[int, Owner]] | None:
        """The sockets on knock ports over UDP, and their owners; L{None} if they are unknown.
        Finding the owners takes long."""
        return self._findSockets("udp", self.knocks)

    @cached_property
    def tcpKnockSockets(self) -> tuple[list[Socket], dict[int, Owner]] | None:
        """The same for those over TCP."""
        return self._findSockets("tcp", self.tcpKnocks)

    def _findSockets(
        self, protocol: str, ports: list[int]
    ) -> tuple[list[Socket], dict[int, Owner]] | None:
        if self.sockets is not None:
            wanted = set(ports)
            listening = selectListening(self.sockets[protocol], protocol)
            found = [socket for socket in listening if socket.port in wanted]
            with self._reading("knock ports"):
                return found, self.sources.proc.findOwners({socket.inode for socket in found})
        return None

    @cached_property
    def tables(self) -> Tables | None:
        """The tables of nftables; L{None} if they are unknown."""
        if self.mayAdminister:
            with self._reading("nftables"):
                versions = (4, 6) if self.sources.proc.hasIPv6() else (4,)
                return Tables(readRuleset(self.sources.tables()), versions)
        return None

    @cached_property
    def guard(self) -> GuardState | None:
        """The state of our own table; L{None} if it is unknown."""
        if self.tables is not None:
            with self._reading("guard"):
                return self.sources.guard()
        return None

    @cached_property
    def isOwned(self) -> bool:
        """Whether the running daemon owns its table. Another owner protects nothing."""
        return self.guard is not None and self.guard.isOwned and self.daemon.process is not None

    @cached_property
    def zones(self) -> list[Zone] | None:
        """The zones of firewalld; L{None} if it does not run, or they are unknown."""
        if self.isFirewalldThere:
            with self._reading("zones"):
                return self.sources.zones(self.config.zone)
        return None

    @cached_property
    def areZonesKnown(self) -> bool:
        """Whether all is known of the zones; without firewalld there is nothing to know."""
        return not self.isFirewalldThere or self.zones is not None

    @cached_property
    def captured(self) -> frozenset[int] | None:
        """The knock ports that are heard without sockets; L{None} if sockets hear them. Without a
        daemon, those that it will hear."""
        if self.config.listen == "sockets" or self.config.firewall == "dry-run":
            return None
        if self.daemon.process is None or self.guard is None:
            return frozenset(self.knocks) if self._willCapture() else None
        return self.guard.captured

    def _willCapture(self) -> bool:
        """Return whether a daemon that starts now captures knocks."""
        if not mayCapture(self.config):
            return False
        return self.config.listen == "capture" or not self.sources.explainNoCapture()

    @cached_property
    def deaf(self) -> list[int]:
        """The knock ports in the file that the running daemon does not listen on."""
        if not self._mayBeOutdated:
            return []
        if self.captured is not None:
            return [port for port in self.knocks if port not in self.captured]
        if self.knockSockets is None:
            return []
        interfaces = self.config.interfaces
        return findDeafPorts(self.knocks, *self.knockSockets, self.daemon, interfaces)

    @cached_property
    def unguarded(self) -> list[PortRange]:
        """The protected ports in the file that the running daemon does not guard."""
        tables = self.tables
        if tables is None or not tables.guard.chains or not self._mayBeOutdated:
            return []
        return [
            ports
            for ports in self.ports
            if not (self.isGuarded.get(ports) or isInGrace(tables, ports))
        ]

    @cached_property
    def _mayBeOutdated(self) -> bool:
        """Whether a running daemon could have read the file before it was changed."""
        return self.daemon.process is not None and bool(self.conf) and bool(self.mayAdminister)

    @cached_property
    def isGuarded(self) -> dict[PortRange, bool]:
        """Whether the guard keeps each protected port closed; empty if that is unknown."""
        if self.tables is not None:
            with self._reading("protected ports"):
                return {ports: isGuarded(self.tables, ports) for ports in self.ports}
        return {}

    @cached_property
    def isForwarded(self) -> dict[PortRange, bool]:
        """Whether each protected port is forwarded; empty if that is unknown."""
        if self.tables is not None:
            with self._reading("protected ports"):
                return {ports: _isForwarded(self.tables, ports) for ports in self.ports}
        return {}

    @cached_property
    def cut(self) -> tuple[PortRange, ...]:
        """The protected ports whose sessions end with their opening."""
        return listProtectedPorts(door for door in self.config.doors if door.cutSessions)

    def hooks(self, ports: PortRange) -> tuple[str, ...]:
        """Return the hooks that packets to a protected port pass: forwarded ones never come in."""
        return IN[:1] if self.isForwarded.get(ports) else IN

    def isReachable(self, ports: PortRange) -> bool:
        """Return whether clients reach a port without a door."""
        sockets = self.listening.get(ports.protocol, ())
        return (
            any(socket.port == ports.first and not socket.isLocal() for socket in sockets)
            and not any(map(ports.isWithin, self.ports))
            and not (self.tables is not None and isLost(self.tables, ports))
            and (self.zones is None or any(zone.exposing(ports) for zone in self.zones))
        )


def _isForwarded(tables: Tables, ports: PortRange) -> bool:
    return any(
        isForwarded(tables.others, newPacket(ports.protocol, ports.first, version), version)
        for version in tables.versions
    )
