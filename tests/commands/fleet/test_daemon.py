"""Tests of L{pkdoors.commands.fleet.daemon}."""

from typing import Any

from pkdoors.commands.service import daemon
from pkdoors.config.commandline import WRONG_CONFIG
from pkdoors.fleet.tap import SOCKET, makeService
from tests.commands.fleet.fleetcase import FleetCommandTestCase


class DaemonTests(FleetCommandTestCase):
    """C{pkdoors fleet daemon}."""

    def setUp(self) -> None:
        """Have nothing run."""
        super().setUp()
        self.runs: list[tuple[str, Any]] = []

        def run(name: str, wanted: Any, pidfile: str, makeLog: object) -> None:
            self.runs.append((name, wanted))

        self.patch(daemon, "runTwistd", run)

    def test_options(self) -> None:
        """It runs the plugin with the files that the user names, or with the usual ones."""
        self.says("daemon")
        end = self.run_("fleet", "daemon", "--file", "/f.toml", "--socket", "/s")
        self.assertEqual((0, "", ""), end)
        (name, first), (_, second) = self.runs
        self.assertEqual("pkdoors-fleet", name)
        self.assertEqual((str(self.folder / "fleet.toml"), SOCKET), (first.path, first["socket"]))
        self.assertEqual(("/f.toml", "/s"), (second.path, second["socket"]))

    def test_named(self) -> None:
        """The daemon's file can name another one, and must be there."""
        conf = self.folder / "pkdoors.toml"
        conf.write_text('fleet_file = "/other/fleet.toml"\n')
        self.says("daemon")
        self.assertEqual("/other/fleet.toml", self.runs[0][1].path)
        conf.unlink()
        end = self.assertRaises(SystemExit, makeService, self.runs[0][1])
        self.assertEqual(WRONG_CONFIG, end.code)

    def test_wrong(self) -> None:
        """With a wrong configuration it ends with one line and a status of its own."""
        self.write(host='"web9"')
        self.says("daemon")
        end = self.assertRaises(SystemExit, makeService, self.runs[0][1])
        self.assertEqual(WRONG_CONFIG, end.code)
