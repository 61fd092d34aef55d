"""
An adversary against one host of a fleet: whatever is recorded, repeated, delayed or made up,
restarts and clocks included, opens nothing that is not owed.
"""

import os
from collections.abc import Callable
from math import inf
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any, NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
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
from tests.lab.properties import PROPERTY, ordinarily
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


class Closing(NamedTuple):
    """Something that was closed: all seals of before are worthless, if they match."""

    source: str
    key: str
    stamp: float


class Attack(RuleBasedStateMachine):
    """
    One host, and somebody who has all seals and orders, and puts them to any use.

    The host's clock may be wrong. What is owed is computed from true times, so a clock that is
    behind may prolong an opening by as much as it is behind, but no more.
    """

    def __init__(self) -> None:
        super().__init__()
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
        self.ends: dict[bytes, float] = {}
        leaveNotes(self.folder / "x.seen")
        self.start()

    def teardown(self) -> None:
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
        self.ends = {}

    def makeReplayFile(self) -> ReplayFile:
        """Return the notes."""
        return ReplayFile(
            self.folder / "x.seen", lambda: self.now, self.today, lambda: f"b{self.boot}"
        )

    @rule(which=st.sampled_from(SEALS), origin=st.sampled_from([GATE, STOLEN, WEB]))
    def relay(self, which: bytes, origin: str) -> None:
        """Pass a seal on, as a stolen host would."""
        self.passOn(which, origin)

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

    @rule(which=st.sampled_from(SEALS), source=st.sampled_from([ANN, FAR, BOB]))
    def knock(self, which: bytes, source: str) -> None:
        """Send a seal over UDP, as somebody who has recorded it would."""
        self.send(which, source)

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
        statement = parseSealed(which).statement
        assert statement.bind in ("*", request.source), "it is for another address"
        newest = self.newest.get(request.who.key, (0.0, False))
        assert not newest[1], "its key is banned"
        if request.close:
            self.close(request.source, request.who.key, statement.stamp / 1000)
            return
        for closing in self.closings:
            isMeant = closing.source in (ALL, request.source)
            if isMeant and closing.key in (ALL, request.who.key):
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

    @rule(index=st.integers(0, 99), isKnocked=st.booleans())
    def again(self, index: int, isKnocked: bool) -> None:
        """Repeat what was used, as well as possible."""
        if self.used:
            which = self.used[index % len(self.used)]
            if isKnocked:
                self.send(which, FAR if parseSealed(which).statement.bind == FAR else ANN)
            else:
                self.passOn(which, STOLEN)

    @rule(which=st.sampled_from(ORDERS))
    def order(self, which: tuple[float, str, str, bytes]) -> None:
        """Give an order of an operator, in any order and number."""
        ago, verb, what, data = which
        verdict = self.orders.judge(data, self.now, self.today())
        stamp = TODAY - ago
        if verdict.result == DONE and verb == "close":
            self.close(what, ALL, stamp)
        if verdict.result in (DONE, "nothing") and verb != "close":
            self.newest[what] = max(self.newest.get(what, (0.0, False)), (stamp, verb == "ban"))
        banned = self.memory.bans.findBan
        for key in KEYS:
            assert bool(banned(key)) == self.newest.get(key, (0.0, False))[1]

    @rule(which=st.sampled_from(FORGED))
    def forge(self, which: bytes) -> None:
        """Give an order that nobody with the right to has signed."""
        before = len(self.memory.tombstones), self.memory.bans.makeNotes()
        assert self.orders.judge(which, self.now, self.today()).result == "refused"
        assert before == (len(self.memory.tombstones), self.memory.bans.makeNotes())

    @rule(source=st.sampled_from([ALL, ANN]))
    def operatorCloses(self, source: str) -> None:
        """Close, as this host's operator."""
        place = None if source == ALL else readSource(source)
        self.memory.tombstones.addOwn(ALL, place, self.now, self.today())
        if self.error >= 0:
            self.close(source, ALL, self.true)

    @rule(seconds=st.floats(0.1, 40))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.true += seconds

    @rule(error=st.sampled_from([0.0, 0.0, 45.0, -45.0, 1e5]))
    def setClock(self, error: float) -> None:
        """Set the clock wrong, or right."""
        self.error = error
        self.worst = max(self.worst, -error)

    @rule()
    def restart(self) -> None:
        """Restart the daemon in order."""
        self.smith.stop()
        self.start()

    @rule()
    def kill(self) -> None:
        """Kill it, and start the next one."""
        self.drop()
        self.start()

    @rule()
    def reboot(self) -> None:
        """Restart the host in order; its other clock begins anew."""
        self.smith.stop()
        self.boot += 1
        self.now = 3.0
        self.start()

    @precondition(lambda self: len(self.used) > 3 and not self.isLost)
    @rule()
    def cutPower(self) -> None:
        """Restart it without an end: what was not written to the disk may be lost."""
        self.drop()
        self.boot += 1
        self.now = 3.0
        self.start()
        self.close(ALL, ALL, self.true)
        self.isLost = True

    @precondition(lambda self: len(self.used) > 3 and not self.isLost)
    @rule()
    def loseNotes(self) -> None:
        """Lose the notes of seals and closings, but not those of orders."""
        self.smith.stop()
        (self.folder / "x.seen").unlink()
        self.start()
        self.close(ALL, ALL, self.true)
        self.isLost = True

    @precondition(lambda self: len(self.closings) > 3)
    @rule(number=st.integers(1, 9))
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
        self.patch(tombstonesModule, "MAX_TOMBSTONES", 6)
        self.patch(bansModule, "MAX_ORDERS", 4)

    def test_attack(self) -> None:
        """Nothing that was closed, revoked, used or over opens."""
        few = settings(PROPERTY, max_examples=ordinarily(40, 1000), stateful_step_count=40)
        run: Callable[[], None] = Attack.TestCase("runTest").runTest
        Attack.TestCase.settings = few
        run()
