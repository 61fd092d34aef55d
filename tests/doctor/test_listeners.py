"""Tests of L{pkdoors.doctor._listeners}."""

import sys
from typing import Any, ClassVar

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.doctor._daemon import Daemon
from pkdoors.doctor._listeners import findDeafPorts, judgeCaptured, judgeKnockPorts, judgeListener
from pkdoors.doctor.findings import ERROR, OK, WARNING, Finding
from pkdoors.host.proc import Owner
from pkdoors.host.procnet import BOUND, ESTABLISHED, LISTENS, Socket
from pkdoors.model.ports import parsePortRanges

ANY, LOOPBACK, ELSEWHERE = "00000000", "0100007F", "010200C0"


def socket(port: int, state: str = LISTENS, here: str = ANY, inode: int = 1) -> Socket:
    """Return a socket."""
    return Socket(port, state, inode, here, "00000000:0000")


class ListenersTests(SynchronousTestCase):
    """
    Tests of L{judgeListener}.
    """

    if sys.byteorder != "little":
        skip = "the examples are of a little-endian machine"

    def look(
        self, *tcp: Socket, udp: tuple[Socket, ...] = (), ports: str = "22", forwarded: bool = False
    ) -> Finding:
        """Return the finding."""
        (wanted,) = parsePortRanges(ports)
        return judgeListener(wanted, {"tcp": tcp, "udp": udp}, forwarded)

    def level(self, *tcp: Socket, **how: Any) -> str:
        """Return the level of the finding."""
        return self.look(*tcp, **how).level

    def test_listens(self) -> None:
        """A program may listen on any address but loopback alone."""
        self.assertEqual(OK, self.level(socket(22)))
        self.assertEqual(OK, self.level(socket(22, here=ELSEWHERE)))
        self.assertEqual(OK, self.level(socket(22), socket(22, here=LOOPBACK)))

    def test_nobody(self) -> None:
        """A connection is not a listener, nor is a program on another port or protocol."""
        for found in (
            self.look(),
            self.look(socket(22, ESTABLISHED)),
            self.look(socket(23)),
            self.look(udp=(socket(22, BOUND),)),
        ):
            self.assertEqual((WARNING, "22/tcp"), (found.level, found.subject))
            self.assertIn("`ss -lntp`", found.remedy)

    def test_udp(self) -> None:
        """A program that is bound to a UDP port listens on it."""
        self.assertEqual(OK, self.level(udp=(socket(53, BOUND),), ports="53/udp"))
        found = self.look(udp=(socket(53, ESTABLISHED),), ports="53/udp")
        self.assertIn("`ss -lnup`", found.remedy)

    def test_loopback(self) -> None:
        """A program that listens on loopback only is a warning of its own."""
        found = self.look(socket(22, here=LOOPBACK))
        self.assertEqual(WARNING, found.level)
        self.assertIn("loopback", found.text)

    def test_range(self) -> None:
        """In a range, one port is enough."""
        self.assertEqual(OK, self.level(socket(6005), ports="6000-6010"))
        self.assertEqual(WARNING, self.level(socket(6011), ports="6000-6010"))

    def test_forwarded(self) -> None:
        """A forwarded port needs no listener."""
        self.assertEqual(OK, self.level(forwarded=True))


class KnockPortsTests(SynchronousTestCase):
    """
    Tests of L{judgeKnockPorts}.
    """

    if sys.byteorder != "little":
        skip = "the examples are of a little-endian machine"

    ports = (17003, 17001)
    ours = (socket(17001, BOUND, inode=1), socket(17003, BOUND, inode=2))
    owners: ClassVar = {1: Owner(77, "twistd"), 2: Owner(77, "twistd"), 3: Owner(5, "named")}

    def look(
        self, *sockets: Socket, daemon: int | None = None, at: str = "", **more: bool
    ) -> list[Finding]:
        """Return the findings."""
        running = Daemon(daemon)
        return judgeKnockPorts(self.ports, sockets, self.owners, running, at.split(), **more)

    def test_free(self) -> None:
        """Free ports are good, and so are the daemon's."""
        self.assertEqual(["all 2 are free"], [finding.text for finding in self.look()])
        (found,) = self.look(*self.ours, daemon=77)
        self.assertEqual((OK, "all 2 are heard by the daemon's sockets"), (found.level, found.text))

    def test_taken(self) -> None:
        """A port that another program has is one error, which names the program."""
        other = socket(17001, BOUND, inode=3)
        (found,) = self.look(other, other)
        self.assertEqual((ERROR, "17001/udp"), (found.level, found.subject))
        self.assertIn("named (process 5)", found.text)

    def test_takenByNobody(self) -> None:
        """The kernel itself may have a port."""
        (found,) = self.look(socket(17001, BOUND, inode=9))
        self.assertIn("another program", found.text)

    def test_together(self) -> None:
        """Several ports of one program are one finding, which names no port."""
        (found,) = self.look(*self.ours)
        self.assertEqual((ERROR, "knock ports"), (found.level, found.subject))
        text = "twistd (process 77) has 2 of 2 knock ports: knocks do not reach pkdoors"
        self.assertEqual(text, found.text)
        self.assertIn("`ss -lunp`", found.remedy)
        unknown = (socket(17001, BOUND, inode=8), socket(17003, BOUND, inode=9))
        self.assertIn("other programs have 2 of 2", self.look(*unknown)[0].text)

    def test_apart(self) -> None:
        """Each program is a finding of its own."""
        found = self.look(self.ours[0], socket(17003, BOUND, inode=3))
        self.assertEqual(["17001/udp", "17003/udp"], [finding.subject for finding in found])

    def test_allDeaf(self) -> None:
        """All ports that the daemon does not listen on are one finding."""
        (found,) = self.look(daemon=77)
        self.assertEqual("knock ports", found.subject)
        self.assertIn("does not listen on 2 of 2 knock ports", found.text)

    def test_daemonIsElsewhere(self) -> None:
        """A daemon that does not listen on all ports has another sequence."""
        (found,) = self.look(self.ours[0], daemon=77)
        self.assertEqual((ERROR, "17003/udp"), (found.level, found.subject))
        self.assertIn("`kill 77`", found.remedy)

    def test_told(self) -> None:
        """Ports that are reported already are not reported again; nor is all well then."""
        self.assertEqual([], self.look(self.ours[0], daemon=77, isReported=True))
        other = socket(17003, BOUND, inode=3)
        (found,) = self.look(self.ours[0], other, daemon=77, isReported=True)
        self.assertIn("named (process 5)", found.text)

    def test_takenFromDaemon(self) -> None:
        """A port that another program has is that program's fault alone."""
        other = socket(17003, BOUND, inode=3)
        (found,) = self.look(self.ours[0], other, daemon=77)
        self.assertIn("named (process 5)", found.text)

    def test_deaf(self) -> None:
        """
        The ports that the daemon does not listen on are found; without a daemon there are none.
        """
        sockets = self.ours[:1]
        self.assertEqual([17003], findDeafPorts(self.ports, sockets, self.owners, Daemon(77)))
        self.assertEqual([], findDeafPorts(self.ports, sockets, self.owners, Daemon()))

    def test_interfaces(self) -> None:
        """A program on another address does not matter if the daemon has its own address."""
        for here, level in ((ELSEWHERE, OK), (ANY, ERROR)):
            other = socket(17001, BOUND, here=here, inode=3)
            (found,) = self.look(other, at="192.0.2.7 fe80::1%eth0")
            self.assertEqual(level, found.level, here)


class CapturedTests(SynchronousTestCase):
    """
    Tests of L{judgeCaptured}.
    """

    if sys.byteorder != "little":
        skip = "the examples are of a little-endian machine"

    owners: ClassVar = {1: Owner(5, "named")}

    def look(
        self, *sockets: Socket, daemon: int | None = None, protocol: str = "udp"
    ) -> list[Finding]:
        """Return the findings."""
        return judgeCaptured((17003, 17001), sockets, self.owners, Daemon(daemon), protocol)

    def test_tcp(self) -> None:
        """The same for knock ports over TCP."""
        (found,) = self.look(protocol="tcp")
        self.assertEqual(
            "all 2 over TCP will be heard without sockets, before other firewalls", found.text
        )
        (found,) = self.look(socket(17001), daemon=77, protocol="tcp")
        self.assertEqual((WARNING, "17001/tcp"), (found.level, found.subject))
        self.assertIn("`ss -ltnp 'sport = 17001'`", found.remedy)

    def test_free(self) -> None:
        """Ports without sockets are good, whether the daemon runs or not."""
        how = "heard without sockets, before other firewalls"
        self.assertEqual([f"all 2 will be {how}"], [each.text for each in self.look()])
        (found,) = self.look(daemon=77)
        self.assertEqual((OK, f"all 2 are {how}"), (found.level, found.text))

    def test_taken(self) -> None:
        """A program on a knock port is warned of: it gets nothing."""
        (found,) = self.look(socket(17001, BOUND, inode=1), daemon=77)
        self.assertEqual((WARNING, "17001/udp"), (found.level, found.subject))
        self.assertIn("named (process 5) listens on it and gets nothing", found.text)
        (found,) = self.look(*(socket(port, BOUND, inode=9) for port in (17001, 17003)))
        self.assertEqual((WARNING, "knock ports"), (found.level, found.subject))
        self.assertIn("another program listens on 2 of 2 knock ports", found.text)
