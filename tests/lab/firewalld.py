"""firewalld on a host."""

from tests.lab.hosts import Host, _serial, eventually

_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*"/><allow own="*"/><allow eavesdrop="true"/>
  </policy>
</busconfig>
"""

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
        self._path = host.folder / f"bus-{next(_serial)}"
        self._path.with_suffix(".conf").write_text(_BUS.format(path=self._path))
        host.environment["DBUS_SYSTEM_BUS_ADDRESS"] = f"unix:path={self._path}"
        self.startBus()
        self._settings = host.folder / f"firewalld-{next(_serial)}"
        self._settings.mkdir()
        self.start()

    def startBus(self) -> None:
        """Start the bus, and wait until it is ready."""
        self._path.unlink(missing_ok=True)
        config = self._path.with_suffix(".conf")
        self.bus = self._host.spawn(
            "dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"
        )
        if not eventually(self._path.exists):
            raise AssertionError("dbus-daemon did not start")

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
