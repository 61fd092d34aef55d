"""A D-Bus system bus of a host's own."""

from tests.lab.hosts import Host, Process, _serial, eventually

_CONF = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow send_destination="*"/><allow own="*"/><allow eavesdrop="true"/>
  </policy>
</busconfig>
"""


class Bus:
    """
    The bus; the host's programs find it.

    @ivar address: as programs find it.
    @ivar process: C{dbus-daemon}.
    """

    process: Process

    def __init__(self, host: Host) -> None:
        self._host = host
        self._path = host.folder / f"bus-{next(_serial)}"
        self._path.with_suffix(".conf").write_text(_CONF.format(path=self._path))
        self.address = f"unix:path={self._path}"
        host.environment["DBUS_SYSTEM_BUS_ADDRESS"] = self.address
        self.start()

    def start(self) -> None:
        """Start the bus, and wait until it is ready."""
        self._path.unlink(missing_ok=True)
        config = self._path.with_suffix(".conf")
        self.process = self._host.spawn(
            "dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"
        )
        if not eventually(self._path.exists):
            raise AssertionError("dbus-daemon did not start")
