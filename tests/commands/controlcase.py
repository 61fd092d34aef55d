"""A daemon on a real socket for tests of commands, and a long status."""

import os
import time

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.admin.records import StatusRecord
from pkdoors.adminclient.responses import readRecord
from tests.fakes.admin import FakeAdmin, makeDoor, makeOpening
from tests.test_cli import CommandTestCase, End

LONGEST = "2001:db8:1234:5678:9abc:def0:1234:5678"


def longStatus() -> StatusRecord:
    """Return a status in which everything is as long as it can be."""
    admin = FakeAdmin()
    name = "a-door-with-a-very-long-name-000"
    admin.doors = [makeDoor(name, ",".join(f"{port}/tcp" for port in range(6000, 6040)))]
    admin.openings = [
        makeOpening(LONGEST, name, 3599.0, user="somebody with [red]a long comment " * 5),
        makeOpening("192.0.2.7", name, 9.0, trouble="COMMAND_FAILED: no such zone " * 9),
    ]
    return readRecord(StatusRecord, admin.status())


class ControlTestCase(CommandTestCase):
    """Has a daemon."""

    def setUp(self) -> None:
        """Start the daemon."""
        super().setUp()
        self.admin = FakeAdmin().__enter__()
        self.addCleanup(self.admin.__exit__)

    def ask(self, command: str, *arguments: str, **environment: str) -> End:
        """Run a command with this daemon."""
        return self.run_(command, "--admin", self.admin.path, *arguments, **environment)

    def says(self, *arguments: str) -> str:
        """Return what a command prints, which succeeds."""
        end = self.ask(*arguments)
        self.assertEqual((0, ""), (end.status, end.stderr))
        return end.stdout

    def fails(self, *arguments: str, status: int = 1) -> str:
        """Return the one line of a command that fails."""
        end = self.ask(*arguments)
        self.assertEqual((status, "", 1), (end.status, end.stdout, end.stderr.count("\n")), end)
        self.assertTrue(end.stderr.startswith(f"pkdoors {arguments[0]}: "), end.stderr)
        return end.stderr.partition(": ")[2].rstrip("\n")


def setZone(test: SynchronousTestCase, zone: str) -> None:
    """Set the time zone for a test."""
    before = os.environ.get("TZ")

    def restore() -> None:
        if before is None:
            os.environ.pop("TZ", None)
        else:
            os.environ["TZ"] = before
        time.tzset()

    os.environ["TZ"] = zone
    time.tzset()
    test.addCleanup(restore)
