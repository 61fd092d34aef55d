"""Tests of L{pkdoors.firewall.netlink.kernel}."""

import contextlib
import errno
import random
import socket
import struct
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink import kernel as kernelModule
from pkdoors.firewall.netlink.kernel import GuardGone, Kernel, NotPermitted, SetFull, mayAdminister
from tests.fakes.netlink import FakeNetlink

NO_PRIVILEGE = (
    "no privilege to change the firewall (nftables): run as root, "
    "or with the capability CAP_NET_ADMIN"
)


def answer(number: int) -> bytes:
    """The kernel's answer to one message."""
    return struct.pack("=IHHIIi", 36, 2, 0, 0, 0, -number) + bytes(16)


class MayAdministerTests(SynchronousTestCase):
    """
    Tests of L{mayAdminister}.
    """

    def status(self, capabilities: str) -> str:
        """What the kernel tells of a process with some capabilities."""
        return (
            "Name:\ttwistd\nCapInh:\t0000000000000000\nCapPrm:\t000001ffffffffff\n"
            f"CapEff:\t{capabilities}\nCapBnd:\t000001ffffffffff\n"
        )

    def test_may(self) -> None:
        """Root may, and who has CAP_NET_ADMIN alone."""
        for capabilities in ("000001ffffffffff", "0000000000001000"):
            self.assertIs(True, mayAdminister(self.status(capabilities)), capabilities)

    def test_mayNot(self) -> None:
        """Who has all but that may not, nor who has none, whatever he could get."""
        for capabilities in ("000001ffffffefff", "0000000000000000"):
            self.assertIs(False, mayAdminister(self.status(capabilities)), capabilities)

    def test_unknown(self) -> None:
        """Where the kernel does not tell, he may not."""
        self.assertIs(False, mayAdminister("Name:\ttwistd\n"))


class KernelTestCase(SynchronousTestCase):
    """
    A netlink socket, and the privilege.
    """

    def setUp(self) -> None:
        """Have a kernel, and the privilege."""
        self.netlink = FakeNetlink(self)
        self.patch(kernelModule, "mayAdminister", lambda status: True)


class KernelTests(KernelTestCase):
    """
    Tests of L{Kernel}.
    """

    def refusal(self, *numbers: int) -> FirewallError:
        """What a batch fails with that the kernel answers to with these errors."""
        self.netlink.answers = [b"".join(map(answer, numbers))]
        error: FirewallError = self.assertRaises(FirewallError, Kernel().transact, b"batch")
        return error

    def test_noNftables(self) -> None:
        """A kernel without nftables is named as that."""
        self.netlink.refusal = OSError(errno.EPROTONOSUPPORT, "Protocol not supported")
        self.assertEqual(
            "this kernel has no nftables (Protocol not supported): load its module "
            "(modprobe nf_tables), or run a kernel that has it",
            str(self.assertRaises(FirewallError, Kernel)),
        )

    def test_noPrivilege(self) -> None:
        """Without the privilege the sentence says what to do, and no socket is left."""
        self.patch(kernelModule, "mayAdminister", lambda status: False)
        self.assertEqual(NO_PRIVILEGE, str(self.assertRaises(FirewallError, Kernel)))
        self.assertFalse(self.netlink.isOpen)

    def test_transact(self) -> None:
        """A batch is sent as it is, once; its answers may be in one piece or in several."""
        kernel = Kernel()
        for answers in ([answer(0) + answer(0)], [answer(0), answer(0)]):
            self.netlink.answers = list(answers)
            kernel.transact(b"batch")
        self.assertEqual([b"batch", b"batch"], self.netlink.sent)

    def test_guardGone(self) -> None:
        """That our table is missing is an error of its own kind."""
        error = self.refusal(errno.ENOENT, 0)
        self.assertIsInstance(error, GuardGone)
        self.assertEqual(
            "the guard is gone (somebody flushed nftables): pkdoors puts it back", str(error)
        )

    def test_full(self) -> None:
        """A set that is full, a lost privilege, and anything else are sentences."""
        self.assertEqual(
            "too many openings: a set of the guard is full", str(self.refusal(0, errno.ENFILE))
        )
        self.assertEqual(NO_PRIVILEGE, str(self.refusal(errno.EPERM)))
        self.assertEqual("nftables refused: File exists", str(self.refusal(errno.EEXIST)))

    def test_otherRefusalsAreNotGone(self) -> None:
        """They are not taken for a missing table: closing would else be thought done."""
        self.assertIsInstance(self.refusal(errno.ENFILE), SetFull)
        self.assertIsInstance(self.refusal(errno.EPERM), NotPermitted)
        for number in (errno.ENFILE, errno.EPERM, errno.EEXIST):
            self.assertNotIsInstance(self.refusal(number), GuardGone)

    def test_silence(self) -> None:
        """No answer is no success."""
        self.assertRaises(FirewallError, Kernel().transact, b"batch")

    def test_notSent(self) -> None:
        """What cannot be sent is no success either."""
        self.netlink.answers = [OSError(errno.ENOBUFS, "No buffer space available")]
        error = self.assertRaises(FirewallError, Kernel().transact, b"batch")
        self.assertEqual("nftables refused: No buffer space available", str(error))

    def test_nextBatch(self) -> None:
        """After a batch that failed the next one has its own answer."""
        kernel = Kernel()
        self.netlink.answers = [answer(errno.EEXIST) + answer(errno.EEXIST)]
        self.assertRaises(FirewallError, kernel.transact, b"batch")
        self.netlink.answers = [answer(0)]
        kernel.transact(b"batch")

    def test_nextBatchAfterBrokenAnswer(self) -> None:
        """What is left of an answer that broke off is not taken for the next one's."""
        kernel = Kernel()
        self.netlink.answers = [answer(errno.EEXIST), OSError(errno.ENOBUFS, "No buffer space")]
        self.assertRaises(FirewallError, kernel.transact, b"batch")
        self.netlink.answers = [answer(0)]
        kernel.transact(b"batch")

    def test_port(self) -> None:
        """The port is the kernel's name for the socket."""
        self.assertEqual(4711, Kernel().port)

    def test_given(self) -> None:
        """A socket that is given is used, and no other made."""
        self.netlink.make(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 12)
        self.netlink.bind((0, 0))
        self.netlink.refusal = OSError(errno.EMFILE, "Too many open files")
        given: Any = self.netlink
        self.netlink.answers = [answer(0)]
        Kernel(given).transact(b"batch")
        self.assertEqual([b"batch"], self.netlink.sent)


def part(body: bytes, kind: int = 10 << 8 | 12, flags: int = 2) -> bytes:
    """A message of a dump, padded to whole words."""
    data = struct.pack("=IHHIIBBH", 20 + len(body), kind, flags, 0, 0, 1, 0, 0) + body
    return data + bytes(-len(data) % 4)


def done(number: int = 0) -> bytes:
    """The end of a dump."""
    return struct.pack("=IHHIIi", 20, 3, 2, 0, 0, -number)


class DumpTests(KernelTestCase):
    """
    Tests of L{Kernel.dump}.
    """

    def dump(self, *answers: bytes | OSError) -> list[tuple[int, bytes]]:
        """What comes of some answers."""
        self.netlink.answers = list(answers)
        return Kernel().dump(b"question")

    def test_parts(self) -> None:
        """The answer may be in parts; their ends are not among it."""
        expected = [(10 << 8 | 12, body) for body in (b"aaaa", b"bbbb", b"cccc")]
        found = self.dump(part(b"aaaa") + part(b"bbbb"), part(b"cccc"), done())
        self.assertEqual(expected, found)
        self.assertEqual([b"question"], self.netlink.sent)

    def test_single(self) -> None:
        """What is no dump has one message."""
        self.assertEqual([(10 << 8, b"aaaa")], self.dump(part(b"aaaa", 10 << 8, flags=0)))

    def test_noSuchThing(self) -> None:
        """That it is not there is an empty answer."""
        self.assertEqual([], self.dump(answer(errno.ENOENT)))

    def test_goneMeanwhile(self) -> None:
        """So it is when it goes in the middle: half an answer is none."""
        self.assertEqual([], self.dump(part(b"aaaa"), done(errno.ENOENT)))

    def test_refused(self) -> None:
        """A refusal is an error, at the beginning or at the end."""
        for refused in ([answer(errno.EPERM)], [part(b"aaaa"), done(errno.EPERM)]):
            error = self.assertRaises(FirewallError, self.dump, *refused)
            self.assertEqual(NO_PRIVILEGE, str(error))

    def test_interrupted(self) -> None:
        """A dump that a change has interrupted is begun again; not for ever."""
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
        """What cannot be read is an error, and what is asked next has its own answer."""
        kernel = Kernel()
        self.netlink.answers = [part(b"late"), OSError(errno.ENOBUFS, "No buffer space available")]
        self.assertRaises(FirewallError, kernel.dump, b"question")
        self.netlink.answers = [part(b"good"), done()]
        self.assertEqual([(10 << 8 | 12, b"good")], kernel.dump(b"question"))

    def test_garbage(self) -> None:
        """Whatever comes is an answer or an error of ours."""
        source = random.Random(20261127)
        good = part(b"aaaa") + answer(errno.ENOENT) + done()
        for _ in range(2000):
            broken = bytearray(good[: source.randrange(len(good) + 1)])
            for _ in range(source.randrange(4)):
                if broken:
                    broken[source.randrange(len(broken))] = source.randrange(256)
            with contextlib.suppress(FirewallError):
                self.dump(bytes(broken))


class CloseTests(KernelTestCase):
    """
    Tests of L{Kernel.close}.
    """

    def test_close(self) -> None:
        """The socket can be closed."""
        kernel = Kernel()
        kernel.close()
        self.assertFalse(self.netlink.isOpen)
