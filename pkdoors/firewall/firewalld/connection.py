"""
Connects to firewalld's bus, and translates its errors.
"""

from collections.abc import Callable
from functools import partial
from shutil import which
from typing import Any, TypeVar

from pkdoors.errors import FirewallError
from pkdoors.util.quoting import hidePorts

T = TypeVar("T")

BUS_NAME = "org.fedoraproject.FirewallD1"
_PATH = "/org/fedoraproject/FirewallD1"

CALL_TIMEOUT = 5.0
"""Seconds for an answer of firewalld's. Most come within 10 ms; while it reloads, for half a
second, it does not answer. D-Bus itself would wait 25 s, with no report to the operator."""

_FOLDERS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin"
"""Where distributions have firewalld, the last one NixOS."""

_NOT_RUNNING = (
    "firewalld is not running: start it (systemctl start firewalld), or choose --firewall nftables"
)
_NO_ZONE = "firewalld has no zone {zone!r}: `firewall-cmd --get-zones` lists its zones"

_UNREACHABLE = {
    f"org.freedesktop.DBus.Error.{name}"
    for name in ("Disconnected", "FileNotFound", "NoReply", "NoServer", "ServiceUnknown")
}
SILENT = "firewalld does not answer: check it (systemctl status firewalld)"
MISSING = (
    "python-firewall is missing: install python3-firewall (Debian, Ubuntu, Fedora); "
    "a virtual environment needs --system-site-packages to see it; "
    "without firewalld, choose --firewall nftables"
)


def isRunning() -> bool:
    """
    Return whether firewalld runs; the connection that asks is closed again.

    @raise FirewallError: C{python3-dbus} is missing, and firewalld is installed.
    """
    try:
        import dbus
    except ImportError as error:
        if which("firewalld", path=_FOLDERS) is None:
            return False
        raise FirewallError(MISSING) from error
    try:
        bus = _systemBus()
    except dbus.DBusException:  # no system bus, so nothing runs on it
        return False
    try:
        return bool(bus.name_has_owner(BUS_NAME))
    finally:
        bus.close()


def checkZone(zone: str) -> None:
    """
    Check that firewalld runs and has a zone; the connection that asks is closed again.

    @param zone: the zone; empty if none in particular is needed.
    @raise FirewallError: firewalld does not run, or does not have the zone.
    """
    if not isRunning():
        raise FirewallError(_NOT_RUNNING)
    bus = _systemBus()
    try:
        if zone and zone not in translateErrors(lambda: _zoneNames(bus)):
            raise FirewallError(_NO_ZONE.format(zone=zone))
    finally:
        bus.close()


def _zoneNames(bus: Any) -> list[str]:
    firewalld = bus.get_object(BUS_NAME, _PATH, introspect=False)
    return list(map(str, firewalld.getZones(dbus_interface=f"{BUS_NAME}.zone")))


def importClientClass() -> Any:
    """
    Import the class of firewalld's client. An instance works on the thread and main loop that made
    it.

    @raise FirewallError: C{python3-firewall} is missing.
    """
    try:
        from firewall.client import FirewallClient
    except ImportError as error:
        raise FirewallError(MISSING) from error
    return FirewallClient


def connect() -> Any:
    """Return a client of firewalld; its C{connected} says whether firewalld is there."""
    from dbus.mainloop.glib import DBusGMainLoop

    return importClientClass()(_systemBus(DBusGMainLoop()), quiet=True)


def _systemBus(loop: Any = None) -> Any:
    """
    Return a connection of our own to the system bus. The end of a default connection would end the
    process.

    @param loop: the main loop that gets its signals; L{None} for no signals.
    """
    from dbus import SystemBus

    bus = SystemBus(private=True, mainloop=loop)
    bus.set_exit_on_disconnect(False)
    # firewalld's client cannot set a timeout. It uses the second to ask for the methods.
    bus.call_blocking = partial(bus.call_blocking, timeout=CALL_TIMEOUT)
    bus.call_async = partial(bus.call_async, timeout=CALL_TIMEOUT)
    return bus


def translateErrors(work: Callable[[], T]) -> T:
    """Do work, and translate the errors that D-Bus raises into ours."""
    from dbus import DBusException

    try:
        return work()
    except DBusException as error:
        name, message = str(error.get_dbus_name()), str(error.get_dbus_message())
        if name in _UNREACHABLE:
            raise FirewalldTimeout(SILENT) from error
        raise FirewalldRefusal(name, message) from error


class FirewalldTimeout(FirewallError):
    """firewalld does not run, or does not answer."""


class FirewalldRefusal(FirewallError):
    """firewalld refused. Its messages begin with a code: C{"NOT_ENABLED: ..."}."""

    def __init__(self, name: str, message: str) -> None:
        self.code = message.partition(":")[0]
        super().__init__(_describeRefusal(name, self.code, message))


def _describeRefusal(name: str, code: str, message: str) -> str:
    """Return what went wrong and what to do about it."""
    if "NotAuthorized" in name or "AccessDenied" in name:
        return (
            "no privilege to change the firewall (firewalld): run as root; for the service, "
            "install polkitd, then run `pkdoors install-service` to add the rule that allows it"
        )
    if code == "INVALID_ZONE":
        return _NO_ZONE.format(zone=message.partition(": ")[2])
    # The second message comes after a reload.
    flushed = "No such file or directory" in message or "underflow of priority" in message
    if code == "COMMAND_FAILED" and flushed:
        return (
            "firewalld's own rules are gone from the kernel (somebody flushed nftables): "
            "run `systemctl restart firewalld` to restore them"
        )
    return f"firewalld refused: {hidePorts(' '.join(message.split()))[:300]}"
