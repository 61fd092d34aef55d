"""The facts about this host that judges need. Reading them changes nothing."""

from functools import cached_property

from pkdoors.daemon.listening import mayCapture
from pkdoors.doctor._daemonfacts import DaemonFacts
from pkdoors.doctor._guard import GuardState, isGuarded, isInGrace
from pkdoors.doctor._listeners import findDeafPorts, selectListening
from pkdoors.doctor._tables import IN, Tables, isLost
from pkdoors.doctor.packetfilter.forwards import isForwarded
from pkdoors.doctor.packetfilter.iptables import SavedTables, hasMatches, withIptables
from pkdoors.doctor.packetfilter.packets import newPacket
from pkdoors.doctor.packetfilter.ruleset import Ruleset, readRuleset
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.host.proc import Owner
from pkdoors.host.procnet import Socket
from pkdoors.model.doors import listProtectedPorts
from pkdoors.model.ports import PortRange


class Facts(DaemonFacts):
    """
    What is true of this host.
    """

    @cached_property
    def sockets(self) -> dict[str, list[Socket]] | None:
        """The sockets of TCP and of UDP; L{None} if they are unknown."""
        with self.reading("sockets"):
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
            with self.reading("knock ports"):
                return found, self.sources.proc.findOwners({socket.inode for socket in found})
        return None

    @cached_property
    def tables(self) -> Tables | None:
        """The tables of nftables; L{None} if they are unknown."""
        if self.mayAdminister:
            with self.reading("nftables"):
                versions = (4, 6) if self.sources.proc.hasIPv6() else (4,)
                ruleset = readRuleset(self.sources.tables())
                return Tables(withIptables(ruleset, self._readIptables(ruleset)), versions)
        return None

    def _readIptables(self, ruleset: Ruleset) -> list[SavedTables]:
        """Read the rules of iptables, the new one and the old one, if there are any."""
        kinds = {"nft": hasMatches(ruleset), "legacy": bool(self.legacyTables)}
        return [
            SavedTables(family, kind == "legacy", text)
            for kind, isThere in kinds.items()
            if isThere
            for family, text in self.sources.saveIptables(kind)
        ]

    @cached_property
    def legacyTables(self) -> list[tuple[str, str]]:
        """The tables of the old iptables that exist; see L{Proc.listLegacyTables}."""
        with self.reading("iptables"):
            return self.sources.proc.listLegacyTables()
        return []

    @cached_property
    def guard(self) -> GuardState | None:
        """The state of our own table; L{None} if it is unknown."""
        if self.tables is not None:
            with self.reading("guard"):
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
            with self.reading("zones"):
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
            with self.reading("protected ports"):
                return {ports: isGuarded(self.tables, ports) for ports in self.ports}
        return {}

    @cached_property
    def isForwarded(self) -> dict[PortRange, bool]:
        """Whether each protected port is forwarded; empty if that is unknown."""
        if self.tables is not None:
            with self.reading("protected ports"):
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
