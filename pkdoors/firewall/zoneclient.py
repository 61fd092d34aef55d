"""
What pkdoors asks of firewalld, in its own words. Everything here blocks, in the thread that owns
the connection.
"""

from collections.abc import Callable, Iterator
from typing import Any

from pkdoors.doors import Address
from pkdoors.errors import FirewallError
from pkdoors.firewall.exposures import exposuresOf
from pkdoors.firewall.routes import hardwareAddress, routeInterface
from pkdoors.richrules import isOurs
from pkdoors.zones import ActiveZones, Client, Exposure, hasHardwareSources, zoneOf

BUS_NAME = "org.fedoraproject.FirewallD1"

_UNREACHABLE = {
    f"org.freedesktop.DBus.Error.{name}"
    for name in ("Disconnected", "FileNotFound", "NoReply", "NoServer", "ServiceUnknown")
}
_SILENT = "firewalld does not answer: see what it does (systemctl status firewalld)"
_MISSING = (
    "python-firewall is missing: install python3-firewall (Debian, Ubuntu, Fedora); "
    "a virtual environment needs --system-site-packages to see it; "
    "without firewalld, choose --firewall nftables"
)


def isRunning() -> bool:
    """
    Whether firewalld runs, asked on a connection that is closed again.

    @raise FirewallError: that cannot be asked, because C{python3-dbus} is missing.
    """
    try:
        import dbus
    except ImportError as error:
        raise FirewallError(_MISSING) from error
    try:
        bus = _systemBus()
    except dbus.DBusException:  # no system bus, so nothing runs on it
        return False
    try:
        return bool(bus.name_has_owner(BUS_NAME))
    finally:
        bus.close()


def clientClass() -> Any:
    """
    The class of firewalld's client. An instance works on the thread and main loop that made it.

    @raise FirewallError: C{python3-firewall} is missing.
    """
    try:
        from firewall.client import FirewallClient
    except ImportError as error:
        raise FirewallError(_MISSING) from error
    return FirewallClient


def connect() -> Any:
    """A connection to firewalld; whether there is one says its C{connected}."""
    from dbus.mainloop.glib import DBusGMainLoop

    return clientClass()(_systemBus(DBusGMainLoop()), quiet=True)


def _systemBus(loop: Any = None) -> Any:
    """
    A connection of our own to the system bus. As it is by default, its end would end us.

    @param loop: the main loop that its signals go to; L{None} for no signals.
    """
    from dbus import SystemBus

    bus = SystemBus(private=True, mainloop=loop)
    bus.set_exit_on_disconnect(False)
    return bus


class ZoneClient:
    """
    firewalld's zones.

    @param zone: the zone for everything; empty for what firewalld says.
    """

    def __init__(self, zone: str = "", connect: Callable[[], Any] = connect) -> None:
        self._zone = zone
        self._connect = connect
        self._client = connect()
        self._lost: Callable[[str], None] | None = None

    def onLoss(self, lost: Callable[[str], None]) -> None:
        """Have this called, in this thread, when firewalld may have forgotten all our rules."""
        self._lost = lost
        self._listen()

    def _listen(self) -> None:
        lost = self._lost
        if lost is not None:
            self._client.connect("reloaded", lambda: lost("firewalld was reloaded"))
            self._client.connect("connection-changed", lambda: lost(self._change()))

    def _change(self) -> str:
        return "firewalld is back" if self._client.connected else "firewalld went away"

    def knockZones(self) -> list[str]:
        """The zones in which knocks can arrive: all that have packets to judge."""
        if self._zone:
            return [self._zone]
        return sorted({*self._activeZones(), self._defaultZone()})

    def zoneOf(self, source: Address) -> str:
        """The zone that the packets of an address are put in."""
        if self._zone:
            return self._zone
        active = self._activeZones()
        hardware = hardwareAddress(source) if hasHardwareSources(active) else ""
        client = Client(source, routeInterface(source), hardware)
        return zoneOf(client, active, self._defaultZone(), self._entries)

    def rules(self, zone: str) -> list[str]:
        """The rich rules of a zone."""
        return list(self._ask("getRichRules", zone))

    def add(self, zone: str, rule: str, seconds: int = 0) -> None:
        """Add a rich rule, for so many seconds or (0) until it is removed."""
        try:
            self._ask("addRichRule", zone, rule, seconds)
        except _Code as error:
            if error.code != "ALREADY_ENABLED":
                raise
            if seconds:  # firewalld would keep the old timeout
                self.remove(zone, rule)
                self._ask("addRichRule", zone, rule, seconds)

    def remove(self, zone: str, rule: str) -> None:
        """Remove a rich rule; that it is not there is no error."""
        try:
            self._ask("removeRichRule", zone, rule)
        except _Code as error:
            if error.code != "NOT_ENABLED":
                raise

    def release(self) -> list[str]:
        """
        Remove all our rules, of all zones, those too that C{--runtime-to-permanent} made permanent.

        @return: what was removed, a line each.
        """
        removed = []
        for zone in self._ask("getZones"):
            for rule in filter(isOurs, self.rules(zone)):
                self.remove(zone, rule)
                removed.append(f"firewalld, zone {zone}: {rule}")
        for zone in self._ask("config").getZoneNames():
            permanent = self._ask("config").getZoneByName(zone)
            for rule in filter(isOurs, map(str, permanent.getRichRules())):
                permanent.removeRichRule(rule)
                removed.append(f"firewalld, zone {zone}, permanent: {rule}")
        return removed

    def exposures(self, zone: str) -> Iterator[Exposure]:
        """What the zone lets everybody reach."""
        return exposuresOf(zone, self._ask)

    def _activeZones(self) -> ActiveZones:
        zones: ActiveZones = self._ask("getActiveZones")
        return zones

    def _defaultZone(self) -> str:
        return str(self._ask("getDefaultZone"))

    def _entries(self, ipset: str) -> list[str]:
        try:
            return [str(entry) for entry in self._ask("getEntries", ipset)]
        except _Code:  # a set whose entries time out does not tell them
            return []

    def _ask(self, method: str, *arguments: object) -> Any:
        from dbus import DBusException

        try:
            return getattr(self._reachable(), method)(*arguments)
        except DBusException as error:
            name, message = str(error.get_dbus_name()), str(error.get_dbus_message())
            if name in _UNREACHABLE:
                raise FirewallError(_SILENT) from error
            raise _Code(name, message) from error

    def _reachable(self) -> Any:
        """The client; a new one where the bus was started anew, for its connections are not."""
        if not self._client.bus.get_is_connected():
            self._client = self._connect()
            self._listen()
        if not self._client.connected:
            raise FirewallError(_SILENT)
        return self._client


class _Code(FirewallError):
    """firewalld refused. Its messages begin with a code, C{"NOT_ENABLED: ..."}."""

    def __init__(self, name: str, message: str) -> None:
        self.code = message.partition(":")[0]
        super().__init__(_explain(name, self.code, message))


def _explain(name: str, code: str, message: str) -> str:
    if "NotAuthorized" in name or "AccessDenied" in name:
        return "no privilege to change the firewall (firewalld): run as root"
    if code == "INVALID_ZONE":
        return (
            f"firewalld has no zone {message.partition(': ')[2]!r}: "
            "`firewall-cmd --get-zones` lists those it has"
        )
    if code == "COMMAND_FAILED" and "No such file or directory" in message:
        return (
            "firewalld's own rules are gone from the kernel (somebody flushed nftables): "
            "`systemctl restart firewalld` brings them back"
        )
    return f"firewalld refused: {' '.join(message.split())[:300]}"
