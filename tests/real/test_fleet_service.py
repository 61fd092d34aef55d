"""Tests of the daemon as a service that belongs to a fleet: what its sandbox lets it do."""

import json

from tests.lab.sealing import makeKey, publicLine
from tests.real.test_service import ServiceTestCase

SOCKET = "/run/pkdoors/fleet.sock"
USER = """
getent group pkdoors-fleet || groupadd --system pkdoors-fleet
getent passwd pkdoors-fleet || useradd --system --gid pkdoors-fleet --no-create-home pkdoors-fleet
"""
"""Make the user of the fleet's process, unless there is one."""
STATUS = ("curl", "-sS", "--unix-socket", SOCKET, "http://pkdoors/status")


class FleetServiceTests(ServiceTestCase):
    """
    The service, with all that systemd takes away from it.
    """

    def test_socket(self) -> None:
        """
        The user of the fleet's process can use its socket, and nothing else of the daemon's, though
        the daemon is not in its group; so it is after a restart.
        """
        self.machine.run("sh", "-ec", USER)
        for name, text in (
            ("keys", publicLine(makeKey())),
            ("fleet.toml", 'name = "prod"\nhost = "a"\nhosts = ["a"]\nengine = "rediss://b"\n'),
        ):
            file = self.file(f"/etc/pkdoors/{name}")
            file.touch(0o644)
            file.write_text(text)
        self.begin("authorized_keys = '/etc/pkdoors/keys'\nfleet = true\n")
        for _ in range(2):
            self.assertTrue(self.machine.says("FleetSite starting"), self.machine.log())
            self.assertIn("version", json.loads(self.ask("pkdoors-fleet")))
            self.assertNotIn("version", self.ask("nobody"))
            who = ("setpriv", "--reuid=pkdoors-fleet", "--regid=pkdoors-fleet", "--clear-groups")
            for command in (
                ("ls", "/run/pkdoors"),
                ("test", "-r", "/etc/pkdoors/pkdoors.toml"),
                (
                    "curl",
                    "-sS",
                    "--unix-socket",
                    "/run/pkdoors/admin.sock",
                    "http://pkdoors/status",
                ),
            ):
                self.assertNotEqual(0, self.machine.status(*who, *command)[0], command)
            self.assertUnprivileged()
            self.machine.run("systemctl", "restart", "pkdoors")

    def ask(self, user: str) -> str:
        """Return what a user gets at the socket."""
        group = "pkdoors-fleet" if user == "pkdoors-fleet" else "nogroup"
        who = ("setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups")
        return self.machine.status(*who, *STATUS)[1]
