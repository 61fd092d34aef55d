"""Tests of L{pkdoors.firewall.netlink.logsocket}."""

import errno
import socket
import struct
from collections import deque
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import pkdoors.firewall.netlink.logsocket
from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink.logsocket import FIRST_GROUP, GROUPS, LogSocket, PacketLog
from pkdoors.firewall.netlink.packetlog import bindGroup, setUpGroup
from tests.lab.packets import makeDatagram, makeLogged


class FakeConnection:
    """
    A netlink socket.

    @ivar taken: the groups that other programs have.
    @ivar mayForce: whether this process may have a buffer of any size.
    @ivar errno: what the kernel answers to everything else.
    """

    def __init__(self) -> None:
        self.taken: set[int] = set()
        self.mayForce = True
        self.errno = 0
        self.sent: list[bytes] = []
        self.options: dict[tuple[int, int], int] = {}
        self.inbox: deque[bytes] = deque()
        self.drops: int | None = 5
        self.isOpen = True

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Set an option."""
        if option == 33 and not self.mayForce:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        self.options[level, option] = value

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        """What the kernel counts."""
        assert (level, option) == (socket.SOL_SOCKET, 55)
        if self.drops is None:
            raise OSError(errno.ENOPROTOOPT, "Protocol not available")
        return struct.pack("=9I", *[7] * 8, self.drops)[:size]

    def send(self, message: bytes) -> None:
        """Answer at once."""
        self.sent.append(message)
        (group,) = struct.unpack_from("!H", message, 18)
        number = errno.EPERM if group in self.taken else self.errno
        self.inbox.append(struct.pack("=IHHIIi", 36, 2, 0, 0, 0, -number) + message[:16])

    def recv(self, size: int) -> bytes:
        """Return what comes next."""
        if not self.inbox:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        return self.inbox.popleft()[:size]

    def fileno(self) -> int:
        """Return a number."""
        return 9

    def close(self) -> None:
        """Be closed."""
        self.isOpen = False


class LogSocketTests(SynchronousTestCase):
    """Tests of L{LogSocket}."""

    def setUp(self) -> None:
        """Have a kernel."""
        module = pkdoors.firewall.netlink.logsocket
        self.patch(module, "checkPrivilege", lambda: None)
        self.kernel: Any = FakeConnection()

    def open(self) -> LogSocket:
        """Return a socket."""
        return LogSocket(lambda: self.kernel)

    def test_binds(self) -> None:
        """The first free group is bound and set up."""
        self.kernel.taken = {FIRST_GROUP, FIRST_GROUP + 1}
        log, group = self.open(), FIRST_GROUP + 2
        self.assertEqual((group, 9), (log.group, log.fileno()))
        self.assertEqual([bindGroup(group), setUpGroup(group)], self.kernel.sent[-2:])

    def test_allTaken(self) -> None:
        """If others have all groups, nothing is left open."""
        self.kernel.taken = set(range(FIRST_GROUP, FIRST_GROUP + GROUPS))
        error = self.assertRaises(FirewallError, self.open)
        self.assertIn("are taken: use --listen sockets", str(error))
        self.assertFalse(self.kernel.isOpen)

    def test_noPacketLog(self) -> None:
        """A kernel without the packet log is said to be one."""
        self.kernel.errno = errno.EOPNOTSUPP
        error = self.assertRaises(FirewallError, self.open)
        self.assertIn("has no packet log (Operation not supported)", str(error))
        self.assertFalse(self.kernel.isOpen)

    def test_silence(self) -> None:
        """No answer is an error, too."""
        self.kernel.send = lambda message: None
        self.assertIn("(Resource temporarily", str(self.assertRaises(FirewallError, self.open)))
        self.kernel.recv = lambda size: b""
        self.assertIn("(Protocol error)", str(self.assertRaises(FirewallError, self.open)))

    def test_packetsBefore(self) -> None:
        """Packets that come before the answer are no answer."""
        self.kernel.inbox.append(makeLogged(*makeDatagram(17001, b"knock\n")))
        self.assertEqual(FIRST_GROUP, self.open().group)

    def test_buffer(self) -> None:
        """The buffer is as large as it may be, and an overflow is no error."""
        self.open()
        self.assertEqual({(socket.SOL_SOCKET, 33): 8 << 20, (270, 5): 1}, self.kernel.options)
        self.kernel.mayForce, self.kernel.options = False, {}
        self.open()
        self.assertEqual(8 << 20, self.kernel.options[socket.SOL_SOCKET, socket.SO_RCVBUF])

    def test_receive(self) -> None:
        """Messages come as they are."""
        log = self.open()
        self.kernel.inbox.append(b"message")
        self.assertEqual(b"message", log.receive())
        self.assertRaises(BlockingIOError, log.receive)

    def test_drops(self) -> None:
        """The kernel's count is read, if there is one."""
        log = self.open()
        self.assertEqual(5, log.countDrops())
        self.kernel.drops = None
        self.assertEqual(0, log.countDrops())

    def test_close(self) -> None:
        """The end closes the socket."""
        self.open().close()
        self.assertFalse(self.kernel.isOpen)


class PacketLogTests(SynchronousTestCase):
    """Tests of L{PacketLog}."""

    def setUp(self) -> None:
        """Make one."""
        self.made: list[Any] = []

        def makeSocket() -> Any:
            self.made.append(FakeConnection())
            return self.made[-1]

        self.log = PacketLog(makeSocket)

    def test_check(self) -> None:
        """Nothing stays open."""
        self.log.check()
        self.assertEqual([False], [each.isOpen for each in self.made])

    def test_open(self) -> None:
        """It is opened once, until the end."""
        self.log.close()
        self.assertIs(self.log.open(), self.log.open())
        self.assertEqual([True], [each.isOpen for each in self.made])
        self.log.close()
        self.assertEqual([False], [each.isOpen for each in self.made])
