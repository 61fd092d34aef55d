"""Tests of L{pkdoors.firewall.kernel}."""

import errno
import struct

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import FirewallError
from pkdoors.firewall import kernel as kernelModule
from pkdoors.firewall.kernel import GuardGone, Kernel, mayAdminister
from tests.fakes import FakeNetlink

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


class KernelTests(SynchronousTestCase):
    """
    Tests of L{Kernel}.
    """

    def setUp(self) -> None:
        """Have a kernel, and the privilege."""
        self.netlink = FakeNetlink(self)
        self.patch(kernelModule, "mayAdminister", lambda status: True)

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

    def test_ask(self) -> None:
        """The answer to a question is told, be it in pieces."""
        self.netlink.answers = [b"an", b"swer"]
        self.assertEqual(b"answer", Kernel().ask(b"question"))
        self.assertEqual([b"question"], self.netlink.sent)

    def test_askInVain(self) -> None:
        """A question that cannot be asked has no answer, and what is asked next has its own."""
        kernel = Kernel()
        self.netlink.answers = [b"late", OSError(errno.ENOBUFS, "No buffer space available")]
        self.assertEqual(b"", kernel.ask(b"question"))
        self.netlink.answers = [b"answer"]
        self.assertEqual(b"answer", kernel.ask(b"question"))

    def test_close(self) -> None:
        """The socket can be closed."""
        kernel = Kernel()
        kernel.close()
        self.assertFalse(self.netlink.isOpen)
