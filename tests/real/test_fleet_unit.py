"""Tests of the fleet's process as a service of systemd, in its whole sandbox."""

from pkdoors.fleet.access import makeUser
from tests.lab.case import SEQUENCE
from tests.lab.fleet.resp import RespClient
from tests.lab.hosts import CLIENT4, STRANGER4, eventually
from tests.lab.sealing import makeKey, publicLine, sealed
from tests.real.test_service import CONF, INSTALL, PKDOORS, ServiceTestCase

PASSWORD = "hush"
ENGINE = f"""\
bind {CLIENT4}
dir {{folder}}
save ""
{makeUser("prod", "web1", PASSWORD)}
user root on >root ~* +@all
user default off
"""
FLEET = f"""\
name = "prod"
host = "web1"
hosts = ["web1"]
engine = "redis://{CLIENT4}:6379"
password = "/etc/pkdoors/fleet.password"
"""


class FleetServiceTests(ServiceTestCase):
    """Both services on one host, and an engine on another one."""

    def setUp(self) -> None:
        """Start the engine and the services."""
        super().setUp()
        self.key = makeKey()
        folder = self.folder / "engine"
        folder.mkdir()
        (folder / "conf").write_text(ENGINE.format(folder=folder))
        self.engine = self.client.spawn("redis-server", str(folder / "conf"))
        self.addCleanup(self.engine.stop)
        for name, text in (
            ("fleet.toml", FLEET),
            ("fleet.password", PASSWORD),
            ("authorized_keys", publicLine(self.key)),
        ):
            path = self.file(CONF).with_name(name)
            path.touch(0o600 if name == "fleet.password" else 0o644)
            path.write_text(text)
        keys = "authorized_keys = '/etc/pkdoors/authorized_keys'\nfleet = true\n"
        self.output = self.configure(keys)
        self.machine.run("systemctl", "start", "pkdoors", "pkdoors-fleet")

    def ask(self, *words: str | bytes | int) -> object:
        """Ask the engine."""
        with self.client.inside(), RespClient(CLIENT4, 6379, "root", "root", None) as asking:
            return asking.ask(*words)

    def fleetLog(self) -> str:
        """Return what the fleet's process has written, and the state of its unit."""
        return self.machine.log() + self.machine.status("systemctl", "status", "pkdoors-fleet")[1]

    def test_works(self) -> None:
        """Both directions work, by way of a process without any privilege."""
        up = eventually(lambda: self.ask("GET", "pk:prod:up:web1"))
        self.assertTrue(up, self.fleetLog())
        self.machine.run(PKDOORS, "open", STRANGER4)
        events = "XLEN", "pk:prod:events:web1"
        self.assertTrue(eventually(lambda: self.ask(*events)), self.fleetLog())
        seal = sealed(self.key, SEQUENCE, door="ssh", bind=CLIENT4)
        self.ask("XADD", "pk:prod:log:web1", "*", "s", seal, "a", CLIENT4)
        # A daemon without notes of closings refuses it for a minute, but it has judged it.
        self.assertTrue(self.machine.says("relayed by web1"), self.fleetLog())
        self.assertUnprivileged()
        process = self.machine.process("pkdoors-fleet")
        lines = (process / "status").read_text().splitlines()
        status = dict(line.split(":\t") for line in lines)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(0, int(status[name], 16), name)
        user = self.machine.run("getent", "passwd", "pkdoors-fleet").split(":")
        self.assertEqual([user[2]] * 4, status["Uid"].split("\t"))
        self.assertEqual(user[3], status["Groups"].strip())
        seen = {path.name for path in (process / "root/etc/pkdoors").iterdir()}
        self.assertEqual({"fleet.toml", "fleet.password"}, seen, "and no sequence")

    def test_reload(self) -> None:
        """C{systemctl reload} connects again; uninstalling stops both services."""
        self.assertTrue(eventually(lambda: self.ask("GET", "pk:prod:up:web1")), self.fleetLog())
        self.machine.run("systemctl", "reload", "pkdoors-fleet")
        self.assertEqual("active", self.machine.show("ActiveState", "pkdoors-fleet"))
        self.machine.run(*INSTALL, "--uninstall")
        self.assertEqual("inactive", self.machine.show("ActiveState", "pkdoors-fleet"))
