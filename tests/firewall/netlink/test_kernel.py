"""Tests of L{pkdoors.firewall.netlink.kernel}."""

import contextlib
import errno
import random
import socket
import struct
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink import kernel
from pkdoors.firewall.netlink.kernel import (
    GuardGone,
    Kernel,
    NotPermitted,
    SetFull,
    borrowKernel,
    mayAdminister,
)
from tests.fakes.netlink import FakeNetlink

NO_PRIVILEGE = (
    "no privilege to change the firewall (nftables): run as root, "
    "or with the capability CAP_NET_ADMIN"
)


def answer(number: int) -> bytes:
    """Return the kernel's answer to one message."""
    return struct.pack("=IHHIIi", 36, 2, 0, 0, 0, -number) + bytes(16)


class MayAdministerTests(SynchronousTestCase):
    """
    Tests of L{mayAdminister}.
    """

    def status(self, capabilities: str) -> str:
        """Return the kernel's status of a process with some capabilities."""
        return (
            "Name:\ttwistd\nCapInh:\t0000000000000000\nCapPrm:\t000001ffffffffff\n"
            f"CapEff:\t{capabilities}\nCapBnd:\t000001ffffffffff\n"
        )

    def test_may(self) -> None:
        """Root may change the firewall, and so may a process with CAP_NET_ADMIN alone."""
        for capabilities in ("000001ffffffffff", "0000000000001000"):
            self.assertIs(True, mayAdminister(self.status(capabilities)), capabilities)

    def test_mayNot(self) -> None:
        """
        A process with all other capabilities may not, nor one with none, whatever it could acquire.
        """
        for capabilities in ("000001ffffffefff", "0000000000000000"):
            self.assertIs(False, mayAdminister(self.status(capabilities)), capabilities)

    def test_unknown(self) -> None:
        """If the kernel's status lacks the line, the process may not."""
        self.assertIs(False, mayAdminister("Name:\ttwistd\n"))


class KernelTestCase(SynchronousTestCase):
    """
    A netlink socket, and the privilege.
    """

    def setUp(self) -> None:
        """Make a kernel, and have the privilege."""
        self.netlink = FakeNetlink(self)
        self.patch(kernel, "mayAdminister", lambda status: True)


class KernelTests(KernelTestCase):
    """
    Tests of L{Kernel}.
    """

    def refusal(self, *numbers: int) -> FirewallError:
        """Return the error of a batch that the kernel answers with these errors."""
        self.netlink.answers = [b"".join(map(answer, numbers))]
        error: FirewallError = self.assertRaises(FirewallError, Kernel().transact, b"batch")
        return error

    def test_noNftables(self) -> None:
        """A kernel without nftables is reported as such."""
        self.netlink.refusal = OSError(errno.EPROTONOSUPPORT, "Protocol not supported")
        self.assertEqual(
            "this kernel has no nftables (Protocol not supported): load its module "
            "(modprobe nf_tables), or run a kernel that has it",
            str(self.assertRaises(FirewallError, Kernel)),
        )

    def test_noPrivilege(self) -> None:
        """Without the privilege, the message says what to do, and no socket is left."""
        self.patch(kernel, "mayAdminister", lambda status: False)
        self.assertEqual(NO_PRIVILEGE, str(self.assertRaises(FirewallError, Kernel)))
        self.assertFalse(self.netlink.isOpen)

    def test_transact(self) -> None:
        """A batch is sent unchanged, once; its answers may come in one piece or in several."""
        kernel = Kernel()
        for answers in ([answer(0) + answer(0)], [answer(0), answer(0)]):
            self.netlink.answers = list(answers)
            kernel.transact(b"batch")
        self.assertEqual([b"batch", b"batch"], self.netlink.sent)

    def test_guardGone(self) -> None:
        """A missing table raises an error of its own kind."""
        error = self.refusal(errno.ENOENT, 0)
        self.assertIsInstance(error, GuardGone)
        self.assertEqual(
            "the guard is gone (somebody flushed nftables): pkdoors puts it back", str(error)
        )

    def test_full(self) -> None:
        """A full set, a lost privilege, and any other error have a message each."""
        self.assertEqual(
            "too many openings: a set of the guard is full", str(self.refusal(0, errno.ENFILE))
        )
        self.assertEqual(NO_PRIVILEGE, str(self.refusal(errno.EPERM)))
        self.assertEqual("nftables refused: File exists", str(self.refusal(errno.EEXIST)))

    def test_otherRefusalsAreNotGone(self) -> None:
        """They do not count as a missing table: otherwise a close would seem done."""
        self.assertIsInstance(self.refusal(errno.ENFILE), SetFull)
        self.assertIsInstance(self.refusal(errno.EPERM), NotPermitted)
        for number in (errno.ENFILE, errno.EPERM, errno.EEXIST):
            self.assertNotIsInstance(self.refusal(number), GuardGone)

    def test_silence(self) -> None:
        """No answer is not a success."""
        self.assertRaises(FirewallError, Kernel().transact, b"batch")

    def test_notSent(self) -> None:
        """A batch that cannot be sent is not a success either."""
        self.netlink.answers = [OSError(errno.ENOBUFS, "No buffer space available")]
        error = self.assertRaises(FirewallError, Kernel().transact, b"batch")
        self.assertEqual("nftables refused: No buffer space available", str(error))

    def test_nextBatch(self) -> None:
        """After a failed batch, the next one has its own answer."""
        kernel = Kernel()
        self.netlink.answers = [answer(errno.EEXIST) + answer(errno.EEXIST)]
        self.assertRaises(FirewallError, kernel.transact, b"batch")
        self.netlink.answers = [answer(0)]
        kernel.transact(b"batch")

    def test_nextBatchAfterBrokenAnswer(self) -> None:
        """The rest of an answer that broke off does not count as the next one's."""
        kernel = Kernel()
        self.netlink.answers = [answer(errno.EEXIST), OSError(errno.ENOBUFS, "No buffer space")]
        self.assertRaises(FirewallError, kernel.transact, b"batch")
        self.netlink.answers = [answer(0)]
        kernel.transact(b"batch")

    def test_port(self) -> None:
        """The port is the kernel's name for the socket."""
        self.assertEqual(4711, Kernel().port)

    def test_given(self) -> None:
        """A given socket is used, and no other is made."""
        self.netlink.make(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 12)
        self.netlink.bind((0, 0))
        self.netlink.refusal = OSError(errno.EMFILE, "Too many open files")
        given: Any = self.netlink
        self.netlink.answers = [answer(0)]
        Kernel(given).transact(b"batch")
        self.assertEqual([b"batch"], self.netlink.sent)


def part(body: bytes, kind: int = 10 << 8 | 12, flags: int = 2) -> bytes:
    """Return a message of a dump, padded to whole words."""
    data = struct.pack("=IHHIIBBH", 20 + len(body), kind, flags, 0, 0, 1, 0, 0) + body
    return data + bytes(-len(data) % 4)


def done(number: int = 0) -> bytes:
    """Return the end of a dump."""
    return struct.pack("=IHHIIi", 20, 3, 2, 0, 0, -number)


class DumpTests(KernelTestCase):
    """
    Tests of L{Kernel.dump}.
    """

    def dump(self, *answers: bytes | OSError) -> list[tuple[int, bytes]]:
        """Return the result of a dump with some answers."""
        self.netlink.answers = list(answers)
        return Kernel().dump(b"question")

    def test_parts(self) -> None:
        """The answer may come in parts; their ends are not in the result."""
        expected = [(10 << 8 | 12, body) for body in (b"aaaa", b"bbbb", b"cccc")]
        found = self.dump(part(b"aaaa") + part(b"bbbb"), part(b"cccc"), done())
        self.assertEqual(expected, found)
        self.assertEqual([b"question"], self.netlink.sent)

    def test_single(self) -> None:
        """An answer that is not a dump has one message."""
        self.assertEqual([(10 << 8, b"aaaa")], self.dump(part(b"aaaa", 10 << 8, flags=0)))

    def test_noSuchThing(self) -> None:
        """If the thing does not exist, the answer is empty."""
        self.assertEqual([], self.dump(answer(errno.ENOENT)))

    def test_goneMeanwhile(self) -> None:
        """The same holds if it is deleted meanwhile: half an answer counts as none."""
        self.assertEqual([], self.dump(part(b"aaaa"), done(errno.ENOENT)))

    def test_refused(self) -> None:
        """A refusal is an error, at the beginning or at the end."""
        for refused in ([answer(errno.EPERM)], [part(b"aaaa"), done(errno.EPERM)]):
            error = self.assertRaises(FirewallError, self.dump, *refused)
            self.assertEqual(NO_PRIVILEGE, str(error))

    def test_interrupted(self) -> None:
        """A dump that a change has interrupted is tried again, but not for ever."""
        for interrupted in (
            [part(b"aaaa", flags=0x12), done()],
            [part(b"aaaa"), answer(errno.EINTR)],
            [part(b"aaaa"), done(errno.EINTR)],
        ):
            self.netlink.sent.clear()
            error = self.assertRaises(FirewallError, self.dump, *interrupted)
            self.assertIn("changes too fast to be read", str(error))
            self.assertEqual(5, len(self.netlink.sent))

    def test_notRead(self) -> None:
        """An answer that cannot be read is an error, and the next question has its own answer."""
        kernel = Kernel()
        self.netlink.answers = [part(b"late"), OSError(errno.ENOBUFS, "No buffer space available")]
        self.assertRaises(FirewallError, kernel.dump, b"question")
        self.netlink.answers = [part(b"good"), done()]
        self.assertEqual([(10 << 8 | 12, b"good")], kernel.dump(b"question"))

    def test_garbage(self) -> None:
        """Whatever comes, the result is an answer or an error of ours."""
        source = random.Random(20261127)
        good = part(b"aaaa") + answer(errno.ENOENT) + done()
        for _ in range(2000):
            broken = bytearray(good[: source.randrange(len(good) + 1)])
            for _ in range(source.randrange(4)):
                if broken:
                    broken[source.randrange(len(broken))] = source.randrange(256)
            with contextlib.suppress(FirewallError):
                self.dump(bytes(broken))


class BorrowTests(KernelTestCase):
    """
    Tests of L{borrowKernel}.
    """

    def setUp(self) -> None:
        """Begin without a connection."""
        super().setUp()
        self.patch(kernel, "_idle", [])

    def test_stays(self) -> None:
        """
        A connection is not closed, also not after an error, as the kernel would let changes wait;
        the next borrower gets the same one.
        """
        with self.assertRaises(FirewallError), borrowKernel() as first:
            raise FirewallError("it is not there")
        self.assertTrue(self.netlink.isOpen)
        with borrowKernel() as second:
            self.assertIs(first, second)

    def test_several(self) -> None:
        """Two borrowers at a time have two connections."""
        with borrowKernel() as first, borrowKernel() as second:
            self.assertIsNot(first, second)


class CloseTests(KernelTestCase):
    """
    Tests of L{Kernel.close}.
    """

    def test_close(self) -> None:
        """The socket can be closed."""
        kernel = Kernel()
        kernel.close()
        self.assertFalse(self.netlink.isOpen)
