"""
What a fleet loses, and does not: with an engine that is killed or away, and hosts that are away.

C{PKDOORS_NIGHTLY=1} kills the engine in the middle of 1,000 knocks, and hosts are away for a
minute; without it there are 200 knocks, and hosts are away for seconds.
"""

import os
import re
import signal
import time
from collections import Counter
from functools import partial

from tests.lab.fleet.case import FleetTestCase
from tests.lab.fleet.engine import listPrograms
from tests.lab.fleet.fleet import CLIENT, ENGINE, STRANGER
from tests.lab.hosts import eventually

IS_NIGHTLY = bool(os.environ.get("PKDOORS_NIGHTLY"))
KNOCKS = 1000 if IS_NIGHTLY else 200
AWAY = 60 if IS_NIGHTLY else 2
"""Seconds for which hosts are away, at least."""
OPEN_FOR = 120
"""Seconds, of the door."""
BUSY = 10.0
"""Seconds that a busy gateway may take to judge a knock; its own opening counts from then on."""
REACHED_SOON = 5.0
"""Seconds in which a local door must open without the engine. A daemon that waits for one that
hangs would take ten."""


class KilledTests(FleetTestCase):
    """
    C{kill -9} of the engine.
    """

    names = ("edge1", "web1", "web2")
    door = 'open_for = "2m"\n'

    def haveReached(self, name: str, wanted: set[str]) -> bool:
        """Return whether a host has an opening for each of some sources."""
        return wanted <= {*self.members[name].openings()}

    def test_killed(self) -> None:
        """
        Of many knocks with a C{kill -9} of the engine in the middle, each opens at each host,
        once; at the inner hosts for two minutes from its stamp, a second more or less.
        """
        sources = self.fleet.addSources(KNOCKS)
        stamps: dict[str, float] = {}
        edge1 = self.members["edge1"]
        for number, source in enumerate(sources):
            if number == KNOCKS // 2:
                self.engine.stop(signal.SIGKILL)
            if number == KNOCKS // 2 + KNOCKS // 20:
                self.engine.start()
            now = time.time()
            stamps[source] = now + OPEN_FOR
            seal = self.fleet.seal(bind=source, stamp=int(now * 1000))
            edge1.knock(self.client, seal, source)
        wanted = {*sources}
        for name, member in self.members.items():
            reached = eventually(partial(self.haveReached, name, wanted))
            self.assertTrue(reached, f"{name} lacks {len(wanted - {*member.openings()})}")
        for name, member in self.members.items():
            log = member.daemon.log()
            opened = Counter(re.findall(r"opened door ssh .*? for (\S+) until", log))
            self.assertEqual(dict.fromkeys(sources, 1), dict(opened), name)
            self.assertNotIn("extended", log)
            if name != "edge1":  # which counts from the moment at which it heard the knock
                ends = self.fleet.untils(name)
                wrong = {x: ends[x] - stamps[x] for x in sources if abs(ends[x] - stamps[x]) > 1}
                self.assertEqual({}, wrong, name)


class ValkeyTests(KilledTests):
    """
    The same with Valkey.
    """

    program = "valkey-server"

    if "valkey-server" not in listPrograms():
        skip = "valkey-server is not installed: Debian has it from 13 on"


class AwayTests(FleetTestCase):
    """
    Hosts and engines that are away.
    """

    names = ("edge1", "web1", "web2")
    door = 'open_for = "2m"\n'

    def test_hosts(self) -> None:
        """
        A host that was parted from the engine, and one that did not run, open what is left, until
        the same end, and not what is over.
        """
        edge1, _, web2 = self.members.values()
        web2.stop()
        self.lan.part(12)
        began = time.monotonic()
        edge1.knock(self.client, self.fleet.seal(seconds=2))
        edge1.knock(self.stranger, self.fleet.seal(STRANGER))
        self.assertTrue(self.fleet.comesToBeOpen("edge1"))
        self.assertTrue(self.fleet.comesToBeOpen("edge1", STRANGER))
        self.assertTrue(self.fleet.comesToBeShut("edge1"))
        time.sleep(max(1.0, began + AWAY - time.monotonic()))
        self.lan.rejoin(12)
        web2.startDaemon()
        web2.startRelay()
        end = self.fleet.untils("edge1")[self.lan.address(STRANGER)]
        for name in ("web1", "web2"):
            self.assertTrue(self.fleet.comesToBeOpen(name, STRANGER), self.fleet.logs())
            late = self.fleet.untils(name)[self.lan.address(STRANGER)] - end
            self.assertTrue(-BUSY < late < 1, late)
            self.assertFalse(self.fleet.isOpen(name))
            address = self.lan.address(CLIENT)
            self.assertNotIn(f"for {address} until", self.members[name].daemon.log())

    def test_engine(self) -> None:
        """
        Without the engine, or with one that hangs or has been parted silently, a knock opens the
        local door as quickly as ever; when the engine is back, the others open.
        """
        edge1 = self.members["edge1"]
        troubles = (
            ("killed", lambda: self.engine.stop(signal.SIGKILL), self.engine.start),
            ("hangs", self.engine.suspend, self.engine.resume),
            ("parted", lambda: self.lan.part(ENGINE), lambda: self.lan.rejoin(ENGINE)),
        )
        for last, (trouble, begin, end) in enumerate(troubles, 110):
            with self.subTest(trouble):
                self.fleet.addAddress(last)
                begin()
                edge1.knock(self.client, self.fleet.seal(last), self.lan.address(last))
                began = time.monotonic()
                self.assertTrue(edge1.comesToBeOpenFor(self.client, self.lan.address(last)))
                self.assertLess(time.monotonic() - began, REACHED_SOON)
                self.assertFalse(self.fleet.isOpen("web1", last))
                end()
                for name in ("web1", "web2"):
                    self.assertTrue(self.fleet.comesToBeOpen(name, last), self.fleet.logs())
