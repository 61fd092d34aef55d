"""firewalld on a host."""

from tests.lab.bus import Bus
from tests.lab.hosts import Host, Process, _serial, eventually

_STATE = (
    "dbus-send",
    "--system",
    "--print-reply",
    "--dest=org.fedoraproject.FirewallD1",
    "/org/fedoraproject/FirewallD1",
    "org.freedesktop.DBus.Properties.Get",
    "string:org.fedoraproject.FirewallD1",
    "string:state",
)


class Firewalld:
    """firewalld with its own bus and configuration; the host's programs find it."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._bus = Bus(host)
        self._settings = host.folder / f"firewalld-{next(_serial)}"
        self._settings.mkdir()
        self.start()

    @property
    def bus(self) -> Process:
        """The bus's process."""
        return self._bus.process

    def startBus(self) -> None:
        """Start the bus again, and wait until it is ready."""
        self._bus.start()

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.process = self._host.spawn(
            "firewalld",
            "--nofork",
            "--nopid",
            "--log-target",
            "console",
            "--system-config",
            str(self._settings),
        )
        if not (eventually(self._answersOrEnded) and self.process.popen.poll() is None):
            raise AssertionError(f"firewalld did not start: {self.process.log()}")

    def _answersOrEnded(self) -> bool:
        # `firewall-cmd --state` takes much longer to start than dbus-send.
        ended = self.process.popen.poll() is not None
        return ended or "RUNNING" in self._host.status(*_STATE)[1]

    def cmd(self, *options: str) -> str:
        """Run C{firewall-cmd}."""
        return self._host.run("firewall-cmd", *options)
