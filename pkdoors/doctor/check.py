"""C{pkdoors check}: what is wrong on this host, found without changing anything."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from shlex import quote
from sysconfig import get_path

from pkdoors.config.config import ADMIN_SOCKET, CONF_FILE, SEED_FILE, Config
from pkdoors.doctor import _outgoing as outgoing
from pkdoors.doctor import _ownership as ownership
from pkdoors.doctor import _setup as hosting
from pkdoors.doctor import _tables as filtering
from pkdoors.doctor import _tracking as tracking
from pkdoors.doctor import listeners as listening
from pkdoors.doctor import zones as zoning
from pkdoors.doctor._daemon import Daemon, degraded, otherFile
from pkdoors.doctor._guarding import closed, inGrace
from pkdoors.doctor._guardlook import lookAtGuard
from pkdoors.doctor._ownership import GuardState
from pkdoors.doctor._saved import savedFiles
from pkdoors.doctor._tables import Tables
from pkdoors.doctor.findings import OK, WARNING, Finding, fromError
from pkdoors.doctor.packetfilter import forwards, savedrules
from pkdoors.doctor.packetfilter.packets import newPacket
from pkdoors.doctor.packetfilter.ruleset import readRuleset
from pkdoors.doctor.packetfilter.savedrules import Saved
from pkdoors.errors import AskError, FirewallError, PkdoorsError
from pkdoors.files.access import hookFlaw, whyNotRun
from pkdoors.files.configured import whyNotWrite
from pkdoors.files.trust import Flaw
from pkdoors.firewall.firewalld.survey import isFirewalldThere, surveyZones
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.firewall.netlink.kernel import mayAdminister
from pkdoors.firewall.netlink.listing import listTables
from pkdoors.host.instance import Instance
from pkdoors.host.proc import Owner, Proc
from pkdoors.host.procnet import Socket
from pkdoors.host.systemd import START, isInstalled
from pkdoors.host.units import isOn, mayService, nftablesFiles
from pkdoors.install.servicecode import codeFlaw
from pkdoors.knockports.binding import hasAddress
from pkdoors.model.doors import knockPorts, protectedPorts
from pkdoors.model.ports import PortRange

PATIENCE = 5.0
"""Seconds that the running daemon may take to answer."""

SCANNED = range(61_000, 65_536)
"""Where a UDP port that nobody has is looked for, to see what becomes of datagrams to it."""


def countKeys(path: str) -> tuple[int, list[str]]:
    """
    How many keys of a file may knock, and why the others may not.

    @raise KeyFileError: none can, because of the file.
    """
    from pkdoors.config.keyfile import readKeys  # with all the cryptography

    keys, complaints = readKeys(Path(path))
    return len(keys), complaints


def askTroubles(admin: str) -> list[str]:
    """
    Return what keeps the running daemon from doing all that it should, as it says itself.

    @param admin: the path of its socket; empty for none.
    """
    from pkdoors.admin.records import StatusRecord
    from pkdoors.adminclient.client import AdminClient
    from pkdoors.adminclient.responses import readRecord

    try:
        answer = AdminClient(admin, PATIENCE).status() if admin else None
        return list(readRecord(StatusRecord, answer).troubles) if admin else []
    except AskError:
        return []


@dataclass(frozen=True, slots=True)
class Host:
    """
    Where the facts come from. Each may raise anything.
    """

    proc: Proc = field(default_factory=Proc)
    holder: Callable[[], int | None] = field(default_factory=lambda: Instance().holder)
    tables: Callable[[], str] = listTables
    guard: Callable[[], GuardState] = lookAtGuard
    savedFiles: Callable[[], list[Saved]] = savedFiles
    isFirewalldThere: Callable[[], bool] = isFirewalldThere
    zones: Callable[[str], list[Zone]] = surveyZones
    nftablesFiles: Callable[[], list[tuple[str, str]]] = nftablesFiles
    isOn: Callable[[str], bool] = isOn
    isThere: Callable[[str], bool] = hasAddress
    troubles: Callable[[str], list[str]] = askTroubles
    keys: Callable[[str], tuple[int, list[str]]] = countKeys
    isService: Callable[[], bool] = isInstalled
    mayService: Callable[[str, str], bool] = mayService
    whyNotRun: Callable[[str], str] = whyNotRun
    whyNotWrite: Callable[[str], str] = whyNotWrite
    hookFlaw: Callable[[Sequence[str]], Flaw | None] = hookFlaw
    codeFlaw: Callable[[], Flaw | None] = codeFlaw


class Check:
    """
    Looks at one thing after the other. What cannot be looked at is a finding, too, and what follows
    does without.

    @param config: the options of the daemon that is meant to run here.
    @param conf: the file that they are in; empty where there is none.
    """

    def __init__(self, config: Config, host: Host, conf: str = "") -> None:
        self._config = config
        self._host = host
        self._conf = conf
        self._ports = protectedPorts(config.doors)
        self._knocks = knockPorts(config.doors)
        # What is not known yet, or cannot be.
        self._mayAdminister = False
        self._isFirewalldThere: bool | None = None
        self._daemon = Daemon()
        self._told: list[str] = []
        self._deaf: list[int] = []
        self._unguarded: list[PortRange] = []
        self._sockets: dict[str, list[Socket]] | None = None
        self._waiting: dict[str, list[Socket]] = {}
        self._tables: Tables | None = None
        self._zones: list[Zone] | None = None
        self._isOwned = False

    def run(self) -> Iterator[Finding]:
        """Everything that is found, good and bad."""
        for subject, part in (
            ("configuration", self._notes),
            ("privilege", self._privilege),
            ("firewall", self._firewall),
            ("daemon", self._process),
            ("sequence", self._sequences),
            ("keys", self._authorized),
            ("service", self._readable),
            ("code", self._code),
            ("hooks", self._programs),
            ("audit", self._audit),
            ("IPv6", self._ipv6),
            ("interfaces", self._addresses),
            ("tracking", self._tracking),
            ("SYN cookies", self._cookies),
            ("saved rules", self._saved),
            ("iptables", self._legacy),
            ("sockets", self._readSockets),
            ("nftables", self._readTables),
            ("guard", self._guard),
            ("nftables.service", self._service),
            ("zones", self._readZones),
            ("daemon", self._changed),
            ("protected ports", self._protected),
            ("forwards", self._offloaded),
            ("knock ports", self._knockPorts),
            ("knock ports", self._audible),
            ("scans", self._silence),
        ):
            yield from _guarded(subject, part)

    def _notes(self) -> Iterable[Finding]:
        return [Finding(OK, "configuration", note) for note in self._config.notes]

    def _privilege(self) -> Iterable[Finding]:
        self._mayAdminister = mayAdminister(self._host.proc.status())
        yield hosting.privilege(self._mayAdminister)

    def _firewall(self) -> Iterable[Finding]:
        try:
            self._isFirewalldThere = self._host.isFirewalldThere()
        except FirewallError:
            if self._config.firewall in ("auto", "firewalld"):
                raise
        yield hosting.firewall(self._config, self._isFirewalldThere)

    def _process(self) -> Iterable[Finding]:
        # How to start it is known also where it is not known whether it runs.
        self._daemon = Daemon(None, self._start(), self._conf)
        process = self._host.holder()
        isService = self._isForService() and self._host.isService()
        self._daemon = Daemon(process, self._start(), self._conf, self._reload(process), isService)
        yield hosting.running(self._daemon)
        if process is not None and self._mayAdminister:
            self._told = self._host.troubles(self._config.admin)
            yield from map(degraded, self._told)

    def _start(self) -> str:
        if self._isForService() and self._host.isService():
            return f"`{START}`"
        twistd = quote(str(Path(get_path("scripts"), "twistd")))
        return f"`{twistd} pkdoors` with the options of this check"

    def _reload(self, process: int | None) -> str:
        if not self._config.admin:
            return f"kill -HUP {process}"
        if self._conf == CONF_FILE or self._config.admin == ADMIN_SOCKET:
            return "pkdoors reload"
        return f"pkdoors reload --admin {quote(self._config.admin)}"

    def _isForService(self) -> bool:
        """Whether this is what the service has, which is started without options."""
        return self._conf in (CONF_FILE, SEED_FILE)

    def _sequences(self) -> Iterable[Finding]:
        for door in self._config.doors:
            if not door.authorizedKeys:  # a seal is the key, and the sequence only a filter
                yield from hosting.strength(door)

    def _authorized(self) -> Iterable[Finding]:
        for path in self._keyFiles():
            yield from hosting.keys(path, *self._host.keys(path))

    def _keyFiles(self) -> list[str]:
        return sorted({door.authorizedKeys for door in self._config.doors} - {""})

    def _readable(self) -> Iterable[Finding]:
        """Whether the service can read what it has to."""
        if self._isForService() and self._host.isService():
            files = [("configuration", self._conf), *(("keys", each) for each in self._keyFiles())]
            for subject, path in files:
                if not self._host.mayService("-r", path):
                    yield hosting.unreadable(subject, path)

    def _code(self) -> Iterable[Finding]:
        """Whether others can change what the service runs."""
        if self._isForService() and self._host.isService():
            flaw = self._host.codeFlaw()
            yield hosting.code(*(flaw.why, flaw.remedy) if flaw else ("", ""))

    def _programs(self) -> Iterable[Finding]:
        for door in self._config.doors:
            for key, command in door.hooks().items():
                program = command[0]
                trouble = self._host.whyNotRun(program) or self._whyNotForService("-x", program)
                flaw = self._host.hookFlaw(command)
                if flaw is not None and not trouble:
                    yield outgoing.distrusted(door, key, flaw.why, flaw.remedy)
                else:
                    yield outgoing.hook(door, key, program, trouble)

    def _whyNotForService(self, how: str, path: str) -> str:
        isForbidden = (
            self._isForService() and self._host.isService() and not self._host.mayService(how, path)
        )
        return "is not for the user that the service runs as" if isForbidden else ""

    def _audit(self) -> Iterable[Finding]:
        if self._config.audit:
            yield outgoing.audit(self._config.audit, self._host.whyNotWrite(self._config.audit))

    def _ipv6(self) -> Iterable[Finding]:
        if not self._config.interfaces or any(":" in each for each in self._config.interfaces):
            yield hosting.ipv6(self._host.proc.hasIPv6())

    def _addresses(self) -> Iterable[Finding]:
        for each in self._config.interfaces:
            isTold = any(each in trouble for trouble in self._told)
            if not isTold and not self._host.isThere(each):
                yield listening.missing(each)

    def _tracking(self) -> Iterable[Finding]:
        tracked = self._host.proc.tracked()
        if tracked is not None:
            yield hosting.tracking(*tracked)

    def _cookies(self) -> Iterable[Finding]:
        return tracking.cookies(self._host.proc.cookies(), self._ports)

    def _saved(self) -> Iterable[Finding]:
        return savedrules.saved(self._host.savedFiles())

    def _service(self) -> Iterable[Finding]:
        isOn = self._host.isOn("nftables.service")
        return hosting.flushing(self._host.nftablesFiles(), isOn, self._isOwned)

    def _legacy(self) -> Iterable[Finding]:
        return hosting.legacy(self._host.proc.legacyTables()) if self._mayAdminister else ()

    def _readSockets(self) -> Iterable[Finding]:
        found = {each: self._host.proc.sockets(each) for each in ("tcp", "udp")}
        self._sockets = found
        # There may be very many connections, and very many ports.
        self._waiting = {each: listening.waiting(found[each], each) for each in found}
        return ()

    def _readTables(self) -> Iterable[Finding]:
        if self._mayAdminister:
            versions = (4, 6) if self._host.proc.hasIPv6() else (4,)
            self._tables = Tables(readRuleset(self._host.tables()), versions)
        return ()

    def _guard(self) -> Iterable[Finding]:
        if self._tables is None:
            return ()
        state = self._host.guard()
        self._isOwned = state.isOwned and self._daemon.process is not None
        return ownership.guard(state, self._daemon)

    def _readZones(self) -> Iterable[Finding]:
        if self._isFirewalldThere:
            self._zones = self._host.zones(self._config.zone)
        return ()

    def _changed(self) -> Iterable[Finding]:
        """Whether a running daemon has not read yet what its file says: that is told once."""
        if self._daemon.process is None or not self._conf or not self._mayAdminister:
            return
        if self._sockets is not None:
            self._deaf = listening.deafPorts(
                self._knocks, *self._knockSockets, self._daemon, self._config.interfaces
            )
        if self._tables is not None and self._tables.guard.chains:
            self._unguarded = [
                each
                for each in self._ports
                if not (self._isGuarded[each] or filtering.isInGrace(self._tables, each))
            ]
        # It knows better why it does not listen than that it has another sequence.
        deaf = () if self._told else self._deaf
        if deaf or self._unguarded:
            yield otherFile(self._daemon, deaf, self._unguarded, self._knocks)

    @cached_property
    def _isGuarded(self) -> dict[PortRange, bool]:
        tables = self._tables
        return {
            each: tables is not None and filtering.isGuarded(tables, each) for each in self._ports
        }

    def _protected(self) -> Iterable[Finding]:
        for each in self._ports:
            isForwarded = self._isForwarded(each)
            if self._tables is not None and self._areZonesKnown():
                yield from self._closed(each, self._tables)
            if self._sockets is not None:
                yield listening.listener(each, self._waiting, isForwarded)
            if self._tables is not None:
                yield from self._judged(each, self._tables, isForwarded)

    def _closed(self, ports: PortRange, tables: Tables) -> Iterable[Finding]:
        isGuarded = self._isGuarded[ports]
        isLost = filtering.isLost(tables, ports, self._hooks(ports))
        if not isGuarded and filtering.isInGrace(tables, ports):
            yield inGrace(ports)
        elif ports not in self._unguarded:
            behind = isGuarded and filtering.isGuardedForwards(tables, ports)
            yield closed(ports, isGuarded, isLost, self._zones, self._daemon, behind)
        if isGuarded and self._zones and self._asksZones():
            yield from zoning.exposed(ports, self._zones)

    def _judged(self, ports: PortRange, tables: Tables, isForwarded: bool) -> Iterable[Finding]:
        """What others' rules do with the port."""
        why = "then a knock opens nothing"
        yield from filtering.lost(tables, ports, why, self._hooks(ports))
        yield from tracking.untracked(
            tables.foreign, ports, tables.versions, self._cut, isForwarded
        )
        yield from forwards.redirects(tables.foreign, ports, tables.versions, self._isReachable)

    def _offloaded(self) -> Iterable[Finding]:
        if self._tables is not None and forwards.hasFlowtable(self._tables.foreign):
            for each in self._cut:
                yield from forwards.offloaded(self._tables.foreign, each, self._tables.versions)

    @cached_property
    def _cut(self) -> tuple[PortRange, ...]:
        return protectedPorts(each for each in self._config.doors if each.cutSessions)

    def _isReachable(self, ports: PortRange) -> bool:
        """Whether clients reach a port without any door."""
        waiting = [each for each in self._waiting.get(ports.protocol, ()) if not each.isLocal()]
        return (
            any(each.port == ports.first for each in waiting)
            and not any(map(ports.isWithin, self._ports))
            and not (self._tables is not None and filtering.isLost(self._tables, ports))
            and (self._zones is None or any(each.exposing(ports) for each in self._zones))
        )

    def _areZonesKnown(self) -> bool:
        return not self._isFirewalldThere or self._zones is not None

    def _asksZones(self) -> bool:
        """Whether the daemon has firewalld open the ports: else its zones must not close them."""
        return self._config.chosenFirewall(lambda: self._isFirewalldThere) == "firewalld"

    def _isForwarded(self, ports: PortRange) -> bool:
        tables = self._tables
        return tables is not None and any(
            forwards.isForwarded(
                tables.others, newPacket(ports.protocol, ports.first, version), version
            )
            for version in tables.versions
        )

    def _hooks(self, ports: PortRange) -> tuple[str, ...]:
        """Those that packets pass: what is forwarded does not come in."""
        return filtering.IN[:1] if self._isForwarded(ports) else filtering.IN

    def _knockPorts(self) -> Iterable[Finding]:
        if self._sockets is not None:
            udp, owners = self._knockSockets
            if not self._mayAdminister and any(each.inode not in owners for each in udp):
                raise PermissionError
            yield from listening.knockPorts(
                self._knocks,
                *(udp, owners, self._daemon, self._config.interfaces),
                isTold=bool(self._deaf),
            )

    @cached_property
    def _knockSockets(self) -> tuple[list[Socket], dict[int, Owner]]:
        """What there is on the knock ports, and whose it is; to find that takes long."""
        sockets = self._sockets["udp"] if self._sockets is not None else []
        knocks = set(self._knocks)
        udp = [each for each in sockets if each.port in knocks]
        return udp, self._host.proc.owners({each.inode for each in udp})

    def _audible(self) -> Iterable[Finding]:
        """Whether knocks come as far as the daemon."""
        if self._tables is not None:
            yield from filtering.lostKnocks(self._tables, self._knocks)
        if self._zones is not None:
            if self._asksZones():
                deaf = set(self._deaf)
                heard = [port for port in self._knocks if port not in deaf]
                yield from zoning.knocksLetIn(heard, self._zones, self._daemon)
            else:
                yield from zoning.besideZones(self._knocks, self._ports, self._zones)

    def _silence(self) -> Iterable[Finding]:
        if self._tables is not None and self._sockets is not None and self._areZonesKnown():
            taken = {*self._knocks, *(each.port for each in self._sockets["udp"])}
            free = next(port for port in SCANNED if port not in taken)
            yield filtering.silence(self._tables, free, self._zones or ())


def _guarded(subject: str, part: Callable[[], Iterable[Finding]]) -> Iterator[Finding]:
    """One part; what goes wrong in it is a finding."""
    try:
        yield from part()
    except PkdoorsError as error:
        yield fromError(subject, error)
    except PermissionError:
        yield Finding(WARNING, subject, "only root may look at it", "`sudo pkdoors check ...`")
    except Exception as error:
        text = f"could not be looked at: {type(error).__name__}: {error}"
        yield Finding(WARNING, subject, text, "look at it yourself, and tell pkdoors' makers")
