"""Tests of L{pkdoors.daemon.listening}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.config import LISTENING, Config
from pkdoors.daemon import listening
from pkdoors.daemon.listening import choosePacketLog, explainNoCapture
from pkdoors.errors import FirewallError, ListenError
from pkdoors.firewall.netlink.logsocket import PacketLog
from pkdoors.firewall.nftables.firewall import NftablesFirewall
from pkdoors.model.doors import Door
from pkdoors.model.knockports import TcpPort
from tests.fakes.doors import makeDoor
from tests.fakes.log import Log
from tests.fakes.reactor import FakeReactor

DOOR = makeDoor()


class ChooseTests(SynchronousTestCase):
    """Tests of L{choosePacketLog}."""

    def setUp(self) -> None:
        """Have a log, and a preference."""
        self.log = Log(self)
        self.patch(listening, "PREFERS_CAPTURE", True)

    def captures(self, listen: str, firewall: str = "nftables", reason: str = "") -> bool:
        """Return whether the daemon captures knocks on a host."""
        config = Config((DOOR,), firewall=firewall, listen=listen)
        log = choosePacketLog(config, lambda: reason)
        return isinstance(log, PacketLog)

    def test_named(self) -> None:
        """What is named is used, without a look at the kernel."""
        self.assertTrue(self.captures("capture", reason="no"))
        self.assertFalse(self.captures("sockets"))
        self.assertEqual([], self.log.lines())

    def test_auto(self) -> None:
        """C{auto} captures if the kernel can; if not, one line says why."""
        self.assertTrue(self.captures("auto"))
        self.assertEqual([], self.log.lines())
        self.assertFalse(self.captures("auto", reason="no packet log"))
        self.assertEqual(["knocks are heard by sockets: no packet log"], self.log.lines())

    def test_tcp(self) -> None:
        """Knocks over TCP need capture, and there is no other way to hear them."""
        config = Config((DOOR, makeDoor((1, TcpPort(2), 3, 4, 5), name="tcp")), listen="auto")
        self.assertIsInstance(choosePacketLog(config, lambda: ""), PacketLog)
        error = self.assertRaises(ListenError, choosePacketLog, config, lambda: "no packet log")
        self.assertEqual(
            "door tcp: this host cannot hear its knocks over TCP (no packet log): use UDP ports "
            "only",
            str(error),
        )

    def test_notPreferred(self) -> None:
        """If sockets are preferred, C{auto} uses them, and nobody needs to know why."""
        self.patch(listening, "PREFERS_CAPTURE", False)
        self.assertEqual(
            [False, True, False], [self.captures(each) for each in ("auto", "capture", "sockets")]
        )
        self.assertFalse(self.captures("auto", reason="no packet log"))
        self.assertEqual([], self.log.lines())

    def test_dryRun(self) -> None:
        """A dry run has no rules that could log."""
        self.assertEqual([False] * 3, [self.captures(each, "dry-run") for each in LISTENING])


class ExplainTests(SynchronousTestCase):
    """Tests of L{explainNoCapture}."""

    def test_reason(self) -> None:
        """The firewall says what is missing."""
        asked: list[tuple[Door, ...]] = []

        def prepare(firewall: NftablesFirewall, doors: tuple[Door, ...]) -> None:
            asked.append(doors)
            if len(asked) > 1:
                raise FirewallError("no packet log")

        self.patch(NftablesFirewall, "prepare", prepare)
        config = Config((DOOR,))
        found = [explainNoCapture(config, FakeReactor()) for _ in range(2)]
        self.assertEqual((["", "no packet log"], [(DOOR,)] * 2), (found, asked))
