"""Tests of L{pkdoors.daemon.locksmith}: locks of a host that belongs to a fleet."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.locksmith import Locksmith
from pkdoors.daemon.notes.replayfile import ReplayFile
from pkdoors.knocks.knock import Knock
from pkdoors.knocks.wire import fingerprint
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.relayed.orders import OrderJudge
from pkdoors.locks.relayed.relayedlock import RelayedLock
from pkdoors.locks.sealed.replaynotes import ALL
from pkdoors.locks.sealed.sealjudge import SealJudge
from pkdoors.model.doors import Door
from tests import ROOT
from tests.fakes.doors import PORTS, makeDoor
from tests.fakes.log import Log
from tests.lab.sealing import leaveNotes, publicLine
from tests.locks.relayed.case import GATE, OLGA, WEB, bound, ordered
from tests.locks.sealed.case import ANN, ANNA, TODAY, authorized, seal

KEY = fingerprint(ANNA.public().blob())
CLOSED = "somebody has closed the door since this knock was made: knock again"
MODULES = """
import sys
from pkdoors.daemon.locksmith import Locksmith
from tests.fakes.doors import makeDoor
door = makeDoor(authorizedKeys="/keys", fleet={fleet})
smith = Locksmith([door])
smith.make(door)
smith.start()
parts = ("pkdoors.locks.relayed", "pkdoors.fleet", "pkdoors.knocks.order", "pkdoors.daemon.fleet")
parts += ("pkdoors.daemon.notes.fleetnotes", "pkdoors.daemon.notes.ordersfile")
print(*sorted(name for name in sys.modules if name.startswith(parts)))
"""


class FleetSmithTests(SynchronousTestCase):
    """
    A host with a door of the fleet, and one that is its own.
    """

    def setUp(self) -> None:
        """Start it, with notes that are whole."""
        self.log = Log(self)
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        path = self.folder / "keys"
        path.write_text(publicLine(ANNA, "anna"))
        path.chmod(0o600)
        self.ssh = makeDoor(name="ssh", authorizedKeys=str(path), fleet=True, openFor=300.0)
        self.web = makeDoor(name="web", authorizedKeys=str(path))
        self.now, self.today = 1000.0, float(TODAY)
        leaveNotes(self.folder / "x.seen")
        self.start(self.ssh, self.web)

    def start(self, *doors: Door) -> None:
        """Start a daemon."""
        self.smith = Locksmith(doors, self.makeReplayFile, lambda: self.now, lambda: 0.0)
        self.locks = Lockset(map(self.smith.make, doors))
        self.smith.start()
        self.join()

    def makeReplayFile(self) -> ReplayFile:
        """Return the notes."""
        return ReplayFile(self.folder / "x.seen", lambda: self.now)

    def join(self) -> None:
        """Connect what the locksmith has made, as the daemon does."""
        self.relayed = RelayedLock(self.findJudge, (), WEB)
        if self.smith.memory is not None:
            operators = authorized(publicLine(OLGA, "olga"))
            self.orders = OrderJudge("prod", lambda: operators, self.smith.memory)

    def findJudge(self, name: str) -> SealJudge | None:
        """Return the judge of a door."""
        return self.smith.judgeOf(self.locks.find(name))

    def reload(self, *doors: Door) -> None:
        """Take other doors, as a reload does."""
        fresh = self.locks.makeMissing(doors, self.smith.make)
        self.locks = self.locks.replaceDoors(doors, fresh)
        self.smith.setDoors(doors)
        self.join()

    def restart(self, *doors: Door) -> None:
        """End the daemon in order, and start the next one."""
        self.smith.stop()
        self.start(*(doors or (self.ssh, self.web)))

    def udp(self, datagram: bytes) -> str:
        """Knock over UDP on all ports, and return the outcome of the last one."""
        for port in PORTS:
            found = self.locks.hear(Knock(ANN, port, datagram), self.now, self.today)
        return self.outcome(next(iter(found), None))

    def relay(self, datagram: bytes) -> str:
        """Judge a relayed seal."""
        return self.outcome(self.relayed.judge(datagram, GATE, "", self.now, self.today))

    def outcome(self, result: object) -> str:
        """Return a result in words."""
        if isinstance(result, Refusal):
            return result.reason.removesuffix(f", relayed by {GATE}")
        return "open" if isinstance(result, Request) else "-"

    def order(self, verb: str, what: str, ago: float = 0) -> str:
        """Give an order."""
        return self.orders.judge(ordered(verb, what, ago=ago), self.now, self.today).result

    def test_opens(self) -> None:
        """A relayed seal opens the door of the fleet, and no other."""
        self.assertEqual("open", self.relay(bound(door="ssh")))
        self.assertEqual("-", self.relay(bound(door="web")))

    def test_shared(self) -> None:
        """Both ways share the memory of used seals."""
        datagram = bound(door="ssh")
        self.relay(datagram)
        self.assertEqual("this knock was seen before", self.udp(datagram))
        self.restart()
        self.assertEqual("this knock was seen before", self.udp(datagram))

    def test_ban(self) -> None:
        """A ban counts at all sealed doors, and for the next daemons, also after a power cut."""
        self.assertEqual("done", self.order("ban", KEY))
        for _ in range(2):
            for outcome in (
                self.udp(seal(door="web")),
                self.udp(bound(door="ssh")),
                self.relay(bound(door="ssh")),
            ):
                self.assertIn("is banned in the whole fleet", outcome)
            self.restart()
        self.smith.stop()
        (self.folder / "x.seen").unlink()
        self.start(self.ssh, self.web)
        self.assertIn("is banned in the whole fleet", self.relay(bound(door="ssh", ago=-60)))

    def test_banAndRevoked(self) -> None:
        """A revoked key stays revoked, whatever orders say."""
        path = self.folder / "revoked"
        path.write_text(publicLine(ANNA))
        path.chmod(0o600)
        self.restart(replace(self.ssh, revokedKeys=str(path)))
        self.order("unban", KEY)
        self.assertIn("revoked", self.relay(bound(door="ssh")))

    def test_closed(self) -> None:
        """What was closed stays closed, for the next daemon, too."""
        datagram = bound(door="ssh", ago=1)
        self.order("close", ANN)
        for _ in range(2):
            self.assertEqual(CLOSED, self.relay(datagram))
            self.restart()

    def test_ownClose(self) -> None:
        """So it does if this host's operator has closed it."""
        memory = self.smith.memory
        assert memory is not None
        self.now += 10
        self.today += 10
        memory.tombstones.addOwn(ALL, None, self.now, self.today)
        self.assertEqual(CLOSED, self.relay(bound(door="ssh", ago=-9)))
        self.assertEqual(CLOSED, self.udp(bound(door="ssh", ago=-9)))
        self.assertEqual("open", self.udp(seal(door="web", ago=-9)))
        self.assertEqual("open", self.udp(bound(door="ssh", ago=-11)))

    def test_joins(self) -> None:
        """A reload can make a door one of the fleet, for knocks from then on."""
        own = replace(self.ssh, fleet=False)
        self.restart(own)
        self.assertIsNone(self.smith.memory)
        datagram = bound(door="ssh")
        self.assertEqual("open", self.udp(datagram))
        self.assertEqual("-", self.relay(bound(door="ssh")))
        self.reload(self.ssh)
        self.assertIn("may have been closed", self.relay(datagram))
        self.assertEqual("open", self.relay(bound(door="ssh", ago=-1)))
        self.assertEqual("done", self.order("ban", KEY))
        self.restart()
        self.assertIn("is banned", self.relay(bound(door="ssh", ago=-1)))

    def test_leaves(self) -> None:
        """One can take it away; bans count as long as the daemon runs."""
        self.order("ban", KEY)
        self.reload(replace(self.ssh, fleet=False))
        self.assertEqual("-", self.relay(bound(door="ssh")))
        self.assertIn("is banned", self.udp(bound(door="ssh")))

    def test_newSequence(self) -> None:
        """After a reload with another sequence, seals for the earlier one open nothing."""
        datagram, other = bound(door="ssh"), (*PORTS[:-1], PORTS[-1] + 1)
        self.assertEqual("open", self.relay(datagram))
        self.reload(makeDoor(other, name="ssh", authorizedKeys=self.ssh.authorizedKeys, fleet=True))
        self.assertIn("its seal is bad", self.relay(datagram))
        self.assertEqual("open", self.relay(bound(sequence=other, door="ssh")))

    def test_refusedReload(self) -> None:
        """A reload that is refused after its locks were made changes nothing."""
        other = makeDoor((*PORTS[:-1], 17999), name="ssh", authorizedKeys=self.ssh.authorizedKeys)
        self.locks.makeMissing([other], self.smith.make)
        self.assertEqual("open", self.relay(bound(door="ssh")))

    def test_lostNotes(self) -> None:
        """If the notes are lost, seals from before open nothing, over UDP or relayed."""
        datagram = bound(door="ssh", ago=10)
        self.assertEqual("open", self.relay(datagram))
        self.smith.stop()
        (self.folder / "x.seen").unlink()
        self.start(self.ssh, self.web)
        self.assertIn("may have been closed", self.relay(datagram))
        self.now += 61
        self.today += 61
        self.assertIn("may have been closed", self.relay(datagram))
        self.assertEqual("open", self.relay(bound(door="ssh", ago=-60.5)))

    def test_nothingLoaded(self) -> None:
        """Without a door of a fleet, nothing of the fleet is loaded."""
        found = {
            fleet: subprocess.run(
                [sys.executable, "-c", MODULES.format(fleet=fleet)],
                cwd=ROOT,
                capture_output=True,
                check=True,
                text=True,
            ).stdout.split()
            for fleet in (False, True)
        }
        self.assertEqual([], found[False])
        self.assertIn("pkdoors.locks.relayed.memory", found[True])
