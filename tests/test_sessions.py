"""Tests of L{pkdoors.sessions}."""

import sys
from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.ports import parsePortRanges
from pkdoors.sessions import Session, livingOn, sessionsIn
from tests.fakes import makeDoor

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid\n"
REST = (
    " 00000000:00000000 02:000A7214 00000000     0        0 2466 2 0000000000000000 20 4 30 10 -1"
)
# 203.0.113.9:40001 and 2001:db8::7:40002, as a little-endian kernel prints them.
ANN, EVE = "097100CB:9C41", "B80D0120000000000000000007000000:9C42"
HERE, HERE6 = "0100000A:0016", "B80D0120000000000000000001000000:0016"


def line(local: str, remote: str, state: str = "01") -> str:
    """A line of the kernel's."""
    return f"   0: {local} {remote} {state}{REST}\n"


class SessionsInTests(SynchronousTestCase):
    """
    Tests of L{sessionsIn}.
    """

    if sys.byteorder != "little":
        skip = "the examples are of a little-endian machine"

    def sessions(self, *lines: str, ports: str = "22") -> list[Session]:
        """What is found."""
        return list(sessionsIn(HEAD + "".join(lines), parsePortRanges(ports)))

    def test_IPv4(self) -> None:
        """A connection is found, with both ports."""
        session = Session(ip_address("203.0.113.9"), 40001, 22)
        self.assertEqual([session], self.sessions(line(HERE, ANN)))
        self.assertEqual([session], self.sessions(line(HERE, ANN), ports="20-30"))

    def test_IPv6(self) -> None:
        """So is one over IPv6."""
        session = Session(ip_address("2001:db8::7"), 40002, 22)
        self.assertEqual([session], self.sessions(line(HERE6, EVE)))

    def test_mapped(self) -> None:
        """One over IPv4 to a program that listens on IPv6 is over IPv4."""
        here, ann = (f"0000000000000000FFFF0000{each}" for each in (HERE, ANN))
        session = Session(ip_address("203.0.113.9"), 40001, 22)
        self.assertEqual([session], self.sessions(line(here, ann)))

    def test_others(self) -> None:
        """What is no connection, or to another port, is not."""
        listens, closes = line(HERE, ANN, "0A"), line(HERE, ANN, "06")
        self.assertEqual([], self.sessions(listens, closes))
        self.assertEqual([], self.sessions(line(HERE, ANN), ports="23,22/udp"))
        self.assertEqual([], self.sessions())


class LivingOnTests(SynchronousTestCase):
    """
    Tests of L{livingOn}, with one connection from before the first guard and one of a knocker.
    """

    old = Session(ip_address("203.0.113.9"), 40001, 22)
    knocked = Session(ip_address("203.0.113.9"), 40002, 22)

    def test_noGuardBefore(self) -> None:
        """At the first guard all connections that exist live on: nobody had to knock."""
        for cut in (False, True):
            self.assertEqual(
                [self.old, self.knocked],
                livingOn([self.old, self.knocked], None, [makeDoor(cutSessions=cut)]),
            )

    def test_keep(self) -> None:
        """Where sessions are kept, all do so at each start."""
        self.assertEqual(
            [self.old, self.knocked],
            livingOn([self.old, self.knocked], [self.old], [makeDoor()]),
        )

    def test_cut(self) -> None:
        """Where they are cut, only those do that did at the start before."""
        door = makeDoor(cutSessions=True)
        self.assertEqual([self.old], livingOn([self.old, self.knocked], [self.old], [door]))
        self.assertEqual([], livingOn([self.old, self.knocked], [], [door]))

    def test_ended(self) -> None:
        """What has ended meanwhile does not: its ports may be somebody else's soon."""
        door = makeDoor(cutSessions=True)
        self.assertEqual([], livingOn(iter(()), iter([self.old]), iter([door])))

    def test_otherDoor(self) -> None:
        """What is cut for one door is kept for another, by the ports."""
        web = Session(ip_address("203.0.113.9"), 40003, 443)
        doors = [makeDoor(ports="20-30", cutSessions=True), makeDoor(ports="443", name="web")]
        self.assertEqual([web], livingOn([self.knocked, web], [], doors))

    def test_otherProtocol(self) -> None:
        """A protected UDP port of the same number cuts no TCP connection."""
        door = makeDoor(ports="22/udp", cutSessions=True)
        self.assertEqual([self.knocked], livingOn([self.knocked], [], [door]))
