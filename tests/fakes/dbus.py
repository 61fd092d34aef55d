"""D-Bus, and the thread that uses it."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from twisted.internet.defer import Deferred, execute
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.firewalld.thread import BusThread
from tests.fakes.modules import makeModule, replaceModule

T = TypeVar("T")


class FakeDBusException(Exception):
    """C{dbus.DBusException}."""

    def __init__(self, message: str, name: str = "org.fedoraproject.FirewallD1.Exception") -> None:
        super().__init__(message)
        self._message = message
        self._name = name

    def get_dbus_message(self) -> str:
        """Return what went wrong."""
        return self._message

    def get_dbus_name(self) -> str:
        """Return the kind of error."""
        return self._name


class FakeDBus:
    """
    D-Bus.

    @ivar names: the names that have an owner; L{None} if there is no bus.
    @ivar connections: how many connections are open.
    @ivar isDeadly: whether the end of the connection would end the process.
    @ivar zones: the zones that firewalld lists; if it is an error, it is raised.
    @ivar timeouts: the seconds that calls were given.
    """

    def __init__(self, *names: str) -> None:
        self.names: tuple[str, ...] | None = names
        self.zones: list[str] | FakeDBusException = ["public", "internal", "trusted"]
        self.connections = 0
        self.isDeadly = True
        self.loop: object = None
        self.timeouts: list[float] = []

    def install(self, test: SynchronousTestCase) -> None:
        """Make C{import dbus} give this."""
        module = makeModule("dbus", DBusException=FakeDBusException, SystemBus=self.connect)
        replaceModule(test, "dbus", module)

    def connect(self, private: bool = False, mainloop: object = None) -> "FakeDBus":
        """C{dbus.SystemBus}."""
        assert private, "a shared connection cannot be closed"
        self.loop = mainloop
        if self.names is None:
            raise FakeDBusException("Failed to connect to socket /run/dbus/system_bus_socket")
        self.connections += 1
        return self

    def set_exit_on_disconnect(self, onOff: bool) -> None:
        """Set whether the process ends with the connection."""
        self.isDeadly = onOff

    def call_blocking(self, *call: str, timeout: float = -1.0) -> None:
        """Call a method and wait."""
        self.timeouts.append(timeout)

    def call_async(self, *call: str, timeout: float = -1.0) -> None:
        """Call a method."""
        self.timeouts.append(timeout)

    def name_has_owner(self, name: str) -> bool:
        """Return whether a name has an owner."""
        assert self.connections and self.names is not None
        return name in self.names

    def get_object(self, name: str, path: str, introspect: bool = True) -> "FakeDBus":
        """Return a proxy of firewalld."""
        assert self.connections and self.names is not None and name in self.names
        assert (name, path) == ("org.fedoraproject.FirewallD1", "/org/fedoraproject/FirewallD1")
        assert not introspect, "that needs a main loop, which a start does not have"
        return self

    def getZones(self, dbus_interface: str) -> list[str]:
        """Return the names of firewalld's zones, as the proxy does."""
        assert self.connections, "asked over a connection that is closed"
        assert dbus_interface == "org.fedoraproject.FirewallD1.zone"
        if isinstance(self.zones, FakeDBusException):
            raise self.zones
        return self.zones

    def close(self) -> None:
        """End the connection."""
        self.connections -= 1


class SyncBusThread(BusThread):
    """
    Does the work of a L{BusThread} at once.

    @ivar isStuck: whether firewalld does not answer.
    """

    def __init__(self) -> None:
        super().__init__(lambda work, *arguments: work(*arguments))
        self.isRunning = False
        self.isStuck = False

    def start(self) -> None:
        """See L{BusThread.start}."""
        assert not self.isRunning, "started twice"
        self.isRunning = True

    def stop(self) -> None:
        """See L{BusThread.stop}."""
        self.isRunning = False

    def tell(self, hear: Callable[[str], None], what: str) -> None:
        """See L{BusThread.tell}."""
        assert self.isRunning, "nobody would say this"
        hear(what)

    def callBlocking(self, work: Callable[[], T], timeout: float) -> T:
        """See L{BusThread.callBlocking}."""
        assert self.isRunning, "nobody would do this"
        if self.isStuck:
            raise TimeoutError
        return work()

    def call(self, work: Callable[[], T]) -> Deferred[T]:
        """See L{BusThread.call}."""
        assert self.isRunning, "nobody would do this"
        return Deferred() if self.isStuck else execute(work)

    def defer(self, place: Hashable, work: Callable[[], T]) -> Deferred[T]:
        """See L{BusThread.defer}."""
        return self.call(work)

    def offer(self, place: Hashable, work: Callable[[], T]) -> Deferred[T]:
        """See L{BusThread.offer}."""
        return self.call(work)
