"""
An adversary against one host of a fleet: whatever is recorded, repeated, delayed or made up,
restarts and clocks included, opens nothing that is not owed.
"""

import os
from math import inf
from pathlib import Path
from random import Random
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.locksmith import Locksmith
from pkdoors.daemon.notes import replayfile
from pkdoors.daemon.notes.replayfile import ReplayFile
from pkdoors.knocks.knock import Knock
from pkdoors.knocks.seal import parseSealed
from pkdoors.knocks.wire import fingerprint
from pkdoors.locks.lock import Request
from pkdoors.locks.lockset import Lockset
from pkdoors.locks.relayed import bans as bansModule
from pkdoors.locks.relayed import tombstones as tombstonesModule
from pkdoors.locks.relayed.orders import DONE, OrderJudge
from pkdoors.locks.relayed.relayedlock import RelayedLock
from pkdoors.locks.sealed.replaynotes import ALL
from pkdoors.model.sources import readSource
from tests.fakes.doors import PORTS, makeDoor
from tests.lab.properties import ordinarily
from tests.lab.sealing import leaveNotes, makeKey, publicLine
from tests.locks.relayed.case import FAR, GATE, OLGA, STOLEN, WEB, ordered
from tests.locks.sealed.case import ANN, ANNA, BOB, EVE, TODAY, authorized, seal

CARL = makeKey()
KEYS = {fingerprint(key.public().blob()): key for key in (ANNA, CARL)}
OPEN_FOR, SKEW = 120.0, 60.0
HOW: list[dict[str, Any]] = [{}, {"seconds": 20}, {"close": True}]
SEALS = [
    seal(ago=ago, door="ssh", bind=bind, **how)
    for ago in (90, 30, 0, -40)
    for bind in (ANN, "*")
    for how in HOW
]
SEALS += [seal(ago=ago, door="ssh", bind=FAR) for ago in (90, 0)]
SEALS += [seal(key=CARL, ago=ago, door="ssh", bind=ANN) for ago in (30, -40)]
VERBS = [("close", ANN), ("close", "*")]
VERBS += [(verb, key) for verb in ("ban", "unban") for key in KEYS]
ORDERS = [
    (ago, verb, what, ordered(verb, what, ago=ago)) for ago in (60, 10, -30) for verb, what in VERBS
]
FORGED = [
    ordered("close", "*", key=EVE),
    ordered("unban", next(iter(KEYS)), key=ANNA, ago=-50),
    ordered("unban", next(iter(KEYS)), key=CARL, ago=-50),
    ordered("close", "*", fleet="test"),
]


STEPS: dict[str, float] = {
    "relay": 8,
    "knock": 6,
    "repeat": 8,
    "order": 2,
    "forge": 1,
    "operator": 1,
    "wait": 3,
}
STEPS |= {"clock": 2, "restart": 2, "lose": 0.2, "fill": 0.5}
"""What happens, and how often."""


class Closing(NamedTuple):
    """
    Something that was closed: all seals of before are worthless, if they match.

    @ivar at: on the clock that does not jump, if the host's operator has closed. The time of day is
        then the host's own: while it is behind, seals that the host has not opened before count as
        newer than they are.
    """

    source: str
    key: str
    stamp: float
    at: float | None = None


class Attack:
    """
    One host, and somebody who has all seals and orders, and puts them to any use.

    The host's clock may be wrong. What is owed is computed from true times, so a clock that is
    behind may prolong an opening by as much as it is behind, but no more.
    """

    def __init__(self, random: Random) -> None:
        self.random = random
        self.folder = Path(mkdtemp())
        keys = self.folder / "keys"
        keys.write_text(publicLine(ANNA, "anna") + publicLine(CARL, "carl"))
        keys.chmod(0o600)
        self.door = makeDoor(
            name="ssh", authorizedKeys=str(keys), fleet=True, openFor=OPEN_FOR, maxOpenFor=OPEN_FOR
        )
        self.operators = authorized(publicLine(OLGA, "olga"))
        self.now, self.true, self.error, self.worst = 1000.0, float(TODAY), 0.0, 0.0
        self.boot = 1
        self.closings: list[Closing] = []
        self.newest: dict[str, tuple[float, bool]] = {}
        self.heard: set[bytes] = set()
        self.used: list[bytes] = []
        self.isLost = False  # it happens once, since after that little opens
        leaveNotes(self.folder / "x.seen")
        self.start()

    def close_(self) -> None:
        """Remove everything."""
        self.smith.stop()
        rmtree(self.folder)

    def today(self) -> float:
        """Return what the host takes for the time of day."""
        return self.true + self.error

    def start(self) -> None:
        """Start a daemon."""
        self.smith = Locksmith([self.door], self.makeReplayFile, lambda: self.now, lambda: 0.0)
        self.locks = Lockset([self.smith.make(self.door)])
        self.smith.start()
        memory = self.smith.memory
        assert memory is not None
        self.memory = memory
        self.relayed = RelayedLock(lambda name: self.smith.judgeOf(self.locks.find(name)), (), WEB)
        self.orders = OrderJudge("prod", lambda: self.operators, memory)
        self.ends: dict[bytes, float] = {}
        self.first: dict[bytes, float] = {}  # when it was used first by this daemon

    def makeReplayFile(self) -> ReplayFile:
        """Return the notes."""
        return ReplayFile(
            self.folder / "x.seen", lambda: self.now, self.today, lambda: f"b{self.boot}"
        )

    def passOn(self, which: bytes, origin: str) -> None:
        """Pass a seal on, and check what becomes of it."""
        result = self.relayed.judge(which, origin, BOB, self.now, self.today())
        if isinstance(result, Request):
            assert parseSealed(which).statement.bind != "*", "no host's word counts"
            self.checkRequest(which, result)
            if not result.close:
                self.checkEnd(which, result.until)
        if abs(self.today() - parseSealed(which).statement.stamp / 1000) < SKEW:
            self.heard.add(which)

    def send(self, which: bytes, source: str) -> None:
        """Send a seal to all ports, and check what becomes of it."""
        for port in PORTS:
            found = self.locks.hear(Knock(source, port, which), self.now, self.today())
        for result in found:
            if isinstance(result, Request):
                assert which not in self.heard, "a copy counts"
                self.heard.add(which)
                self.checkRequest(which, result)
                isUnbound = parseSealed(which).statement.bind == "*"
                assert bool(result.claim) == (isUnbound and not result.close), "it is not claimed"
                assert result.seal == which
                if not result.close:
                    self.ends[which] = self.now + min(result.seconds or OPEN_FOR, OPEN_FOR)

    def checkRequest(self, which: bytes, request: Request) -> None:
        """Check that a seal may do what it does."""
        self.used.append(which)
        self.first.setdefault(which, self.now)
        statement = parseSealed(which).statement
        assert statement.bind in ("*", request.source), "it is for another address"
        newest = self.newest.get(request.who.key, (0.0, False))
        assert not newest[1], "its key is banned"
        if request.close:
            self.close(request.source, request.who.key, statement.stamp / 1000)
            return
        for closing in self.closings:
            isMeant = closing.source in (ALL, request.source)
            isSure = closing.at is None or self.error >= 0 or self.first[which] < closing.at
            if isMeant and isSure and closing.key in (ALL, request.who.key):
                assert statement.stamp / 1000 > closing.stamp, f"{closing} is undone"

    def checkEnd(self, which: bytes, until: float) -> None:
        """Check that an opening ends when it is owed."""
        statement = parseSealed(which).statement
        most = min(statement.seconds or OPEN_FOR, OPEN_FOR)
        assert self.now < until <= self.now + most + 1e-6
        left = statement.stamp / 1000 + most - self.true
        assert until - self.now <= left + self.worst + 1e-6, "it lasts too long"
        assert until <= self.ends.get(which, inf) + 1e-6, "its end moves"
        self.ends[which] = until

    def close(self, source: str, key: str, stamp: float) -> None:
        """Remember what was closed."""
        self.closings.append(Closing(source, key, stamp))

    def step(self) -> None:
        """Do something."""
        pick = self.random.choice
        (name,) = self.random.choices([*STEPS], [*STEPS.values()])
        if name == "relay":
            self.passOn(pick(SEALS), pick([GATE, STOLEN, WEB]))
        elif name == "knock":
            self.send(pick(SEALS), pick([ANN, ANN, FAR, BOB]))
        elif name == "repeat" and self.used:
            self.repeat(pick(self.used), pick([False, True]))
        elif name == "order":
            self.order(*pick(ORDERS))
        elif name == "forge":
            self.forge(pick(FORGED))
        elif name == "operator":
            self.operatorCloses(pick([ALL, ANN]))
        elif name == "wait":
            self.wait(self.random.uniform(0.1, 20))
        elif name == "clock":
            self.setClock(pick([0.0, 0.0, 45.0, -45.0, 1e5]))
        elif name == "restart":
            pick([self.restart, self.kill, self.reboot])()
        elif name == "lose" and not self.isLost:
            pick([self.cutPower, self.loseNotes])()
        elif name == "fill":
            self.fillTable(self.random.randint(1, 9))

    def repeat(self, which: bytes, isKnocked: bool) -> None:
        """Repeat what was used, as well as possible."""
        if isKnocked:
            self.send(which, FAR if parseSealed(which).statement.bind == FAR else ANN)
        else:
            self.passOn(which, STOLEN)

    def order(self, ago: float, verb: str, what: str, data: bytes) -> None:
        """Give an order of an operator, in any order and number."""
        verdict = self.orders.judge(data, self.now, self.today())
        stamp = TODAY - ago
        if verdict.result == DONE and verb == "close":
            self.close(what, ALL, stamp)
        if verdict.result in (DONE, "nothing") and verb != "close":
            self.newest[what] = max(self.newest.get(what, (0.0, False)), (stamp, verb == "ban"))
        banned = self.memory.bans.findBan
        for key in KEYS:
            assert bool(banned(key)) == self.newest.get(key, (0.0, False))[1]

    def forge(self, which: bytes) -> None:
        """Give an order that nobody with the right to has signed."""
        before = len(self.memory.tombstones), self.memory.bans.makeNotes()
        assert self.orders.judge(which, self.now, self.today()).result == "refused"
        assert before == (len(self.memory.tombstones), self.memory.bans.makeNotes())

    def operatorCloses(self, source: str) -> None:
        """Close, as this host's operator."""
        place = None if source == ALL else readSource(source)
        self.memory.tombstones.addOwn(ALL, place, self.now, self.today())
        self.closings.append(Closing(source, ALL, self.true, self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.true += seconds

    def setClock(self, error: float) -> None:
        """Set the clock wrong, or right."""
        self.error = error
        self.worst = max(self.worst, -error)

    def restart(self) -> None:
        """Restart the daemon in order."""
        self.smith.stop()
        self.start()

    def kill(self) -> None:
        """Kill it, and start the next one."""
        self.drop()
        self.start()

    def reboot(self) -> None:
        """Restart the host in order; of its clocks, only the time of day lasts."""
        self.smith.stop()
        isBehind = self.error < 0
        self.closings = [
            each if each.at is None else each._replace(at=-inf)
            for each in self.closings
            if each.at is None or not isBehind
        ]
        self.boot += 1
        self.now = 3.0
        self.start()

    def cutPower(self) -> None:
        """Restart it without an end: what was not written to the disk may be lost."""
        self.drop()
        self.boot += 1
        self.now = 3.0
        self.start()
        self.close(ALL, ALL, self.true)
        self.isLost = True

    def loseNotes(self) -> None:
        """Lose the notes of seals and closings, but not those of orders."""
        self.smith.stop()
        (self.folder / "x.seen").unlink()
        self.start()
        self.close(ALL, ALL, self.true)
        self.isLost = True

    def fillTable(self, number: int) -> None:
        """Close more, by one key, than the host remembers."""
        for host in range(number):
            source = readSource(f"192.0.2.{host}")
            stamp = int(1000 * (TODAY - 40 + host))
            self.memory.tombstones.add(
                "ssh", source, next(iter(KEYS)), stamp, self.now, self.today()
            )

    def drop(self) -> None:
        """End the daemon as kill -9 does."""
        smith: Any = self.smith
        smith._replayFile._notes.release()
        smith._fleetNotes.stop()


class AttackTests(SynchronousTestCase):
    """
    The adversary, with small tables.
    """

    def setUp(self) -> None:
        """Make the tables small, and let the clock of the files be any."""
        self.patch(replayfile, "TOUCHED", inf)
        self.patch(os, "fsync", lambda file: None)
        self.patch(tombstonesModule, "MAX_TOMBSTONES", 8)
        self.patch(bansModule, "MAX_ORDERS", 4)

    def test_attack(self) -> None:
        """Nothing that was closed, revoked, used or over opens."""
        for seed in range(ordinarily(150, 3000)):
            with self.subTest(seed=seed):
                attack = Attack(Random(seed))
                try:
                    for _ in range(60):
                        attack.step()
                finally:
                    attack.close_()
