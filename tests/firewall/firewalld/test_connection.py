"""Tests of L{pkdoors.firewall.firewalld.connection}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall.firewalld import connection
from pkdoors.firewall.firewalld.connection import (
    CALL_TIMEOUT,
    FirewalldRefusal,
    FirewalldTimeout,
    checkZone,
    connect,
    importClientClass,
    isRunning,
    translateErrors,
)
from tests.fakes.dbus import FakeDBus, FakeDBusException
from tests.fakes.modules import makeModule, replaceModule

BUS_NAME = "org.fedoraproject.FirewallD1"
MISSING = (
    "python-firewall is missing: install python3-firewall (Debian, Ubuntu, Fedora); "
    "a virtual environment needs --system-site-packages to see it; "
    "without firewalld, choose --firewall nftables"
)
SILENT = "firewalld does not answer: check it (systemctl status firewalld)"


class IsRunningTests(SynchronousTestCase):
    """
    Tests of L{isRunning}.
    """

    def setUp(self) -> None:
        """Have a D-Bus."""
        self.bus = FakeDBus("org.freedesktop.DBus", "org.fedoraproject.FirewallD1")
        self.bus.install(self)

    def test_runs(self) -> None:
        """firewalld runs if its name has an owner; no connection is left."""
        self.assertIs(True, isRunning())
        self.assertEqual(0, self.bus.connections)

    def test_runsNot(self) -> None:
        """Otherwise it does not; no connection is left."""
        self.bus.names = ("org.freedesktop.DBus",)
        self.assertIs(False, isRunning())
        self.assertEqual(0, self.bus.connections)

    def test_noBus(self) -> None:
        """Nor does it run if there is no bus at all."""
        self.bus.names = None
        self.assertIs(False, isRunning())

    def test_missing(self) -> None:
        """
        Without python3-dbus the message names the package to install. Without firewalld, nobody
        needs it.
        """
        replaceModule(self, "dbus", None)
        found: list[str | None] = [None, "/usr/sbin/firewalld"]
        self.patch(connection, "which", lambda name, path: found.pop(0))
        self.assertIs(False, isRunning())
        self.assertEqual(MISSING, str(self.assertRaises(FirewallError, isRunning)))


class ClientClassTests(SynchronousTestCase):
    """
    Tests of L{importClientClass} and L{connect}.
    """

    def test_missing(self) -> None:
        """Without python3-firewall the message names the package."""
        replaceModule(self, "firewall", None)
        replaceModule(self, "firewall.client", None)
        self.assertEqual(MISSING, str(self.assertRaises(FirewallError, importClientClass)))

    def test_connect(self) -> None:
        """
        The client must not print errors, and gets a connection of its own, whose end does not end
        the daemon.
        """
        bus = FakeDBus()
        bus.install(self)

        def makeClient(bus: object, wait: int = 0, quiet: bool = False) -> tuple[object, bool]:
            return bus, quiet

        module = makeModule("firewall.client", FirewallClient=makeClient)
        replaceModule(self, "firewall", makeModule("firewall", client=module))
        replaceModule(self, "firewall.client", module)
        loop = makeModule("dbus.mainloop.glib", DBusGMainLoop=lambda: "loop")
        replaceModule(self, "dbus.mainloop.glib", loop)
        self.assertEqual((bus, True), connect())
        self.assertEqual("loop", bus.loop)
        self.assertEqual((1, False), (bus.connections, bus.isDeadly))

    def test_impatient(self) -> None:
        """Whatever the client asks, its calls time out after some seconds, and not after 25."""
        bus = FakeDBus(BUS_NAME)
        bus.install(self)
        self.assertTrue(isRunning())
        bus.call_blocking("addRichRule")
        bus.call_async("Introspect")
        self.assertEqual([CALL_TIMEOUT, CALL_TIMEOUT], bus.timeouts)


class ExamineTests(SynchronousTestCase):
    """
    Tests of L{checkZone}.
    """

    def setUp(self) -> None:
        """Have a D-Bus with firewalld on it."""
        self.bus = FakeDBus(BUS_NAME)
        self.bus.install(self)

    def refusal(self, zone: str = "") -> str:
        """Return the message; no connection is left."""
        error = self.assertRaises(FirewallError, checkZone, zone)
        self.assertEqual(0, self.bus.connections)
        return str(error)

    def test_good(self) -> None:
        """A zone that firewalld has is accepted, and so is none; no connection is left."""
        checkZone("internal")
        self.bus.zones = []
        checkZone("")
        self.assertEqual(0, self.bus.connections)

    def test_notRunning(self) -> None:
        """If firewalld does not run, or there is no bus, the message says what to do."""
        for names in ((), None):
            self.bus.names = names
            self.assertEqual(
                "firewalld is not running: start it (systemctl start firewalld), "
                "or choose --firewall nftables",
                self.refusal("internal"),
            )

    def test_noZone(self) -> None:
        """The message names a zone that does not exist, and the command that lists the others."""
        self.assertEqual(
            "firewalld has no zone 'nowhere': `firewall-cmd --get-zones` lists its zones",
            self.refusal("nowhere"),
        )

    def test_silent(self) -> None:
        """If firewalld does not answer, the message says so."""
        self.bus.zones = FakeDBusException("gone", "org.freedesktop.DBus.Error.NoReply")
        self.assertEqual(SILENT, self.refusal("internal"))

    def test_missing(self) -> None:
        """Without python3-dbus the message names the package to install."""
        replaceModule(self, "dbus", None)
        self.assertEqual(MISSING, self.refusal())


class TranslatedTests(SynchronousTestCase):
    """
    Tests of L{translateErrors}: messages for the operator.
    """

    def setUp(self) -> None:
        """Have a D-Bus."""
        FakeDBus().install(self)

    def refusal(self, message: str, name: str = f"{BUS_NAME}.Exception") -> str:
        """Return our message for a message of firewalld's."""

        def work() -> None:
            raise FakeDBusException(message, name)

        return str(self.assertRaises(FirewalldRefusal, translateErrors, work))

    def test_result(self) -> None:
        """
        The result of the work is returned, and errors that do not come from D-Bus are raised
        unchanged.
        """
        self.assertEqual(5, translateErrors(lambda: 5))
        self.assertRaises(ZeroDivisionError, translateErrors, lambda: 1 // 0)

    def test_silent(self) -> None:
        """If the bus or firewalld ends during a call, the message says so."""
        for name in ("Disconnected", "FileNotFound", "NoReply", "NoServer", "ServiceUnknown"):
            gone = FakeDBusException("gone", f"org.freedesktop.DBus.Error.{name}")

            def work(error: Exception = gone) -> None:
                raise error

            self.assertEqual(
                SILENT, str(self.assertRaises(FirewalldTimeout, translateErrors, work)), name
            )

    def test_code(self) -> None:
        """The code of a refusal is available to callers that can handle it."""
        self.assertEqual(
            "NOT_ENABLED", FirewalldRefusal(BUS_NAME, "NOT_ENABLED: 'rule' not in").code
        )

    def test_privilege(self) -> None:
        """Without the privilege, the message says what to do."""
        for name in (
            "org.fedoraproject.FirewallD1.NotAuthorizedException",
            "org.freedesktop.DBus.Error.AccessDenied",
        ):
            self.assertEqual(
                "no privilege to change the firewall (firewalld): run as root; for the service, "
                "install polkitd, then run `pkdoors install-service` to add the rule that allows "
                "it",
                self.refusal("Not Authorized: changing", name),
            )

    def test_zone(self) -> None:
        """The message names a zone that does not exist, and the command that lists the others."""
        self.assertEqual(
            "firewalld has no zone 'nowhere': `firewall-cmd --get-zones` lists its zones",
            self.refusal("INVALID_ZONE: nowhere"),
        )

    def test_flushed(self) -> None:
        """
        If somebody flushed firewalld's tables, the message names the command that restores them.
        """
        message = (
            "COMMAND_FAILED: 'python-nftables' failed: internal:0:0-0: Error: Could not process "
            "rule: No such file or directory\n\nJSON blob:\n{...}"
        )
        self.assertEqual(
            "firewalld's own rules are gone from the kernel (somebody flushed nftables): "
            "run `systemctl restart firewalld` to restore them",
            self.refusal(message),
        )

    def test_reloadedAfterFlush(self) -> None:
        """So does the message after a reload in that state."""
        message = "COMMAND_FAILED: UNKNOWN_ERROR: nonexistent or underflow of priority count"
        self.assertIn("run `systemctl restart firewalld` to restore them", self.refusal(message))

    def test_otherFailure(self) -> None:
        """Not every failed command, nor every missing file, is a flush."""
        for message in ("COMMAND_FAILED: out of memory", "INVALID: No such file or directory"):
            self.assertEqual(f"firewalld refused: {message}", self.refusal(message))

    def test_other(self) -> None:
        """Any other error is reported in firewalld's words, on one line, cut if it is long."""
        self.assertEqual(
            "firewalld refused: INVALID_RULE: bad rule", self.refusal("INVALID_RULE: bad\n  rule")
        )
        self.assertEqual(len("firewalld refused: ") + 300, len(self.refusal("x" * 1000)))
