"""Tests of L{pkdoors.daemon.locksmith}."""

from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.logger import LogLevel
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.daemon.locksmith import Locksmith
from pkdoors.daemon.notes.replayfile import ReplayFile
from pkdoors.keysources.keyreader import Work
from pkdoors.knocks.knock import Knock
from pkdoors.knocks.seal import makeNonce
from pkdoors.locks.lock import Request
from pkdoors.locks.lockset import AnyLock
from pkdoors.locks.sealed import hints, sealjudge
from pkdoors.locks.sealed.sealedlock import SealedLock
from pkdoors.locks.sequencelock import SequenceLock
from pkdoors.model.doors import Door
from tests.fakes.doors import PORTS, makeDoor
from tests.fakes.log import Log
from tests.lab.sealing import leaveNotes, makeKey, publicLine, sealed
from tests.lab.sources import inside

ANN = "203.0.113.9"
ANNA = makeKey()
TODAY = 1_800_000_000


class LocksmithTests(SynchronousTestCase):
    """
    Tests of L{Locksmith}.
    """

    def setUp(self) -> None:
        """Make a plain door, and two sealed ones with one file."""
        self.log = Log(self)
        self.clock = 0.0
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        self.path = folder / "keys"
        self.path.write_text(publicLine(ANNA, "anna"))
        self.path.chmod(0o600)
        self.seenPath = folder / "x.seen"
        self.now, self.worked = 1000.0, 0.0
        self.plain = makeDoor(name="plain")
        self.ssh = self.sealedDoor("ssh")
        self.web = self.sealedDoor("web")

    def sealedDoor(self, name: str) -> Door:
        """Return a door that sealed knocks open."""
        return makeDoor(name=name, authorizedKeys=str(self.path))

    def makeSmith(self, *doors: Door, notes: bool = True) -> Locksmith:
        """Return the locksmith of another daemon, which starts now."""
        make = self.makeReplayFile if notes else None
        return Locksmith(doors, make, lambda: self.now, lambda: self.worked)

    def makeReplayFile(self) -> ReplayFile:
        """Return notes of what was seen."""
        replayFile = ReplayFile(self.seenPath, lambda: self.now)
        self.addCleanup(replayFile.close)
        return replayFile

    def knock(self, lock: AnyLock, datagram: bytes, today: float = TODAY, source: str = ANN) -> str:
        """Return what a sealed knock on all ports yields."""
        assert isinstance(lock, SealedLock)
        for port in PORTS:
            result = lock.knock(Knock(source, port, datagram), self.now, today)
        if result is None:
            return "-"
        return "open" if isinstance(result, Request) else result.reason

    def seal(self, door: str = "ssh", stamp: int = TODAY * 1000) -> bytes:
        """Return a knock of Anna's."""
        return sealed(ANNA, PORTS, door=door, stamp=stamp)

    def test_plain(self) -> None:
        """A door without keys has a lock for plain knocks."""
        lock = self.makeSmith(self.plain).make(self.plain)
        self.assertIsInstance(lock, SequenceLock)
        self.assertIs(self.plain, lock.door)

    def test_plainIsLight(self) -> None:
        """A daemon with plain doors does not load what seals need."""
        heavy = {
            "keysources.keyfile",
            "knocks.signatures",
            "locks.sealed.authorizedkeys",
        }
        heavy |= {"daemon.notes.replayfile", "locks.sealed.replays", "locks.sealed.sealedlock"}
        self.assertEqual(set(), inside("daemon.locksmith", atTop=True) & heavy)

    def test_sealed(self) -> None:
        """A door with keys has a lock for sealed knocks by those keys, and no others."""
        lock = self.makeSmith(self.ssh).make(self.ssh)
        self.assertIsInstance(lock, SealedLock)
        self.assertIs(self.ssh, lock.door)
        self.assertEqual("open", self.knock(lock, self.seal()))
        self.assertEqual("-", self.knock(lock, b"knock\n"))

    def test_oneFile(self) -> None:
        """Two doors with the same file read it once."""
        smith = self.makeSmith(self.ssh, self.web)
        for door in (self.ssh, self.web):
            self.assertEqual("open", self.knock(smith.make(door), self.seal(door.name)))
        self.assertEqual([f"1 of the keys in {self.path} may knock"], self.log.lines())

    def test_twoFiles(self) -> None:
        """Two doors with two files each have their own keys."""
        other = self.path.with_name("other")
        other.write_text(publicLine(makeKey()))
        web = makeDoor(name="web", authorizedKeys=str(other))
        smith = self.makeSmith(self.ssh, web)
        self.assertEqual("open", self.knock(smith.make(self.ssh), self.seal("ssh")))
        lock = smith.make(web)
        self.assertEqual("its key is not known here", self.knock(lock, self.seal("web")))

    def test_severalPlaces(self) -> None:
        """A door can have several files and folders; doors that share some read them once."""
        folder = self.path.with_name("keys.d")
        folder.mkdir(mode=0o700)
        (folder / "carl").write_text(publicLine(carl := makeKey()))
        both = replace(self.web, authorizedKeys=(str(folder), str(self.path)))
        smith = self.makeSmith(self.ssh, both)
        ssh, web = (smith.make(door) for door in (self.ssh, both))
        self.assertEqual("open", self.knock(ssh, self.seal("ssh")))
        self.assertEqual("open", self.knock(web, self.seal("web")))
        carls = sealed(carl, PORTS, door="web", stamp=TODAY * 1000)
        self.assertEqual("open", self.knock(web, carls))
        self.assertEqual(2, len(self.log.lines(LogLevel.info)))
        self.assertEqual([], smith.examine())

    def test_becomesFolder(self) -> None:
        """A file that becomes a folder counts after a reload, also for a lock that stays."""
        smith = self.makeSmith(self.ssh)
        lock = smith.make(self.ssh)
        self.assertEqual("open", self.knock(lock, self.seal()))
        line = self.path.read_text()
        self.path.unlink()
        self.path.mkdir(mode=0o700)
        (self.path / "anna").write_text(line)
        self.now += 1
        self.assertEqual("its key is not known here", self.knock(lock, self.seal()))
        self.assertEqual([], smith.examine())
        self.assertEqual("open", self.knock(lock, self.seal()))

    def test_tags(self) -> None:
        """Very many keys get tags, beside everything else; then no knock with a tag is searched."""
        self.patch(hints, "FEW", 0)
        smith = self.makeSmith(self.ssh)
        work: list[Work] = []
        changes: list[int] = []
        smith.readBeside(work.append)
        smith.onKeys = lambda: changes.append(1)
        lock = smith.make(self.ssh)
        self.assertFalse(smith.tagKeys(TODAY))
        self.assertEqual("-", self.knock(lock, self.tagged()))  # it waits for a search
        self.assertEqual([1], changes)
        self.assertTrue(smith.tagKeys(TODAY))
        for steps in work:
            self.assertEqual(2, len([*steps]))  # an hour begins just now
        self.assertEqual("open", self.knock(lock, self.tagged()))
        work.clear()
        smith.tagKeys(TODAY + 10)
        self.assertEqual([], work)

    def tagged(self) -> bytes:
        """Return a knock of Anna's with a tag."""
        nonce = makeNonce(ANNA.public().blob(), TODAY * 1000)
        return sealed(ANNA, PORTS, door="ssh", stamp=TODAY * 1000, nonce=nonce)

    def test_shared(self) -> None:
        """Sealed doors share the memory of what has not arrived on every port."""
        smith = self.makeSmith(self.ssh, self.web)
        locks = [smith.make(door) for door in (self.ssh, self.web)]
        tables = {id(lock._arrivals) for lock in locks if isinstance(lock, SealedLock)}
        self.assertEqual((2, 1), (len(locks), len(tables)))

    def test_examine(self) -> None:
        """A useless file of keys is a sentence, and an error in the log once."""
        smith = self.makeSmith(self.plain, self.ssh)
        self.assertEqual([], smith.examine())
        self.path.chmod(0o666)
        self.clock += 1
        (first,) = smith.examine()
        self.assertIn("nobody may knock with a key: ", first)
        self.assertIn("can be written by others", first)
        self.assertEqual([first], smith.examine())
        self.assertEqual([first], self.log.lines(LogLevel.error))
        self.path.chmod(0o600)
        self.clock += 1
        self.assertEqual([], smith.examine())
        self.path.unlink()
        self.assertEqual(1, len(smith.examine()))
        self.assertEqual(2, len(self.log.lines(LogLevel.error)))

    def test_examineIdle(self) -> None:
        """Keys that open nothing are in the log, once: expired ones, and those for other doors."""
        bob, eve = (publicLine(makeKey(), name) for name in ("bob", "eve"))
        self.path.write_text(
            f'{publicLine(ANNA, "anna")}expiry-time="20200101" {bob}doors="wbe,mail" {eve}'
        )
        smith = self.makeSmith(self.ssh, self.web)
        self.assertEqual([], smith.examine())
        self.assertEqual([f"1 of the keys in {self.path} may knock"], self.log.lines(LogLevel.info))
        expired, other = self.log.lines(LogLevel.warn)
        self.assertRegex(expired, rf"{self.path}: the key of bob .* expired 2020-01-01 00:00")
        self.assertRegex(other, "the key of eve .* for doors that do not use this file: mail, wbe")
        smith.examine()
        self.assertEqual(2, len(self.log.lines(LogLevel.warn)))

    def test_countNew(self) -> None:
        """A key that is only for a door which a reload brings is counted at once."""
        self.path.write_text(f'doors="web" {publicLine(ANNA, "anna")}')
        smith = self.makeSmith(self.plain)
        self.assertEqual("open", self.knock(smith.make(self.web), self.seal("web")))
        self.assertEqual([f"1 of the keys in {self.path} may knock"], self.log.lines())

    def test_someTrouble(self) -> None:
        """If a door has keys from elsewhere, no line says that nobody may knock."""
        folder = self.path.with_name("keys.d")
        folder.mkdir(mode=0o700)
        (folder / "bob").write_text(publicLine(makeKey(), "bob"))
        door = replace(self.ssh, authorizedKeys=(str(self.path), str(folder)))
        smith = self.makeSmith(door)
        lock = smith.make(door)
        self.assertEqual("open", self.knock(lock, self.seal()))
        for bad in (self.path, folder):
            bad.chmod(0o777)
            self.now += 1
            self.knock(lock, self.seal(stamp=TODAY * 1000 + 1))
            line = self.log.lines(LogLevel.error)[-1]
            self.assertTrue(line.startswith(f"some keys cannot be used: {bad}"), line)
            self.assertEqual([line], smith.examine())
            bad.chmod(0o700)
            self.now += 1
            self.assertEqual([], smith.examine())

    def test_examineNoKeys(self) -> None:
        """The same happens if the file has no key that may knock."""
        self.path.write_text("# nobody yet\n")
        smith = self.makeSmith(self.ssh)
        for _ in range(2):
            (line,) = smith.examine()
            self.assertIn("has no key that may knock", line)
        self.assertEqual([line], self.log.lines(LogLevel.error))

    def test_revoked(self) -> None:
        """Doors with a file of revoked keys follow it, and share it."""
        revoked = self.path.with_name("revoked")
        doors = [replace(door, revokedKeys=str(revoked)) for door in (self.ssh, self.web)]
        smith = self.makeSmith(*doors)
        locks = [smith.make(door) for door in doors]
        (line,) = smith.examine()
        self.assertIn(f"nobody may knock with a key: cannot read {revoked}", line)
        self.assertEqual([line], smith.examine())
        self.assertEqual(1, len(self.log.lines(LogLevel.error)))
        self.assertIn("nobody may knock", self.knock(locks[0], self.seal()))
        revoked.touch(0o600)
        self.assertEqual([], smith.examine())
        self.assertEqual("open", self.knock(locks[0], self.seal()))
        revoked.write_text(publicLine(ANNA, ""))
        self.now += 1
        self.assertIn("is revoked", self.knock(locks[1], self.seal("web")))
        smith.setDoors([self.ssh])
        self.assertEqual([], smith.examine())

    def test_examineTouchesNothing(self) -> None:
        """That writes nothing."""
        smith = self.makeSmith(self.ssh)
        smith.make(self.ssh)
        smith.examine()
        self.assertFalse(self.seenPath.exists())

    def test_examineAll(self) -> None:
        """Each file is read once, not only the first, and only those of the present doors."""
        missing = makeDoor(name="web", authorizedKeys="/nowhere/keys")
        smith = self.makeSmith(self.ssh, missing, missing)
        self.assertEqual(
            [
                "nobody may knock with a key: cannot read /nowhere/keys (No such file or "
                "directory), the file of authorized keys: fill it with lines from ssh-keygen's "
                ".pub files"
            ],
            smith.examine(),
        )
        smith.setDoors([self.ssh])
        self.assertEqual([], smith.examine())

    def test_examineEmptyBesideOthers(self) -> None:
        """A folder that is still empty is no trouble if the door has other keys, too."""
        folder = self.path.with_name("keys.d")
        folder.mkdir(mode=0o700)
        both = replace(self.ssh, authorizedKeys=(str(folder), str(self.path)))
        self.assertEqual([], self.makeSmith(both).examine())
        alone = replace(self.web, authorizedKeys=(str(folder),))
        (trouble,) = self.makeSmith(both, alone).examine()
        self.assertTrue(trouble.startswith("nobody may knock with a key: no file in"), trouble)

    def test_examineBadBesideOthers(self) -> None:
        """If one of a door's files cannot be read, some keys cannot be used, but others can."""
        both = replace(self.ssh, authorizedKeys=("/nowhere/keys", str(self.path)))
        (trouble,) = self.makeSmith(both).examine()
        self.assertTrue(trouble.startswith("some keys cannot be used: cannot read /no"), trouble)

    def test_plainNeedsNothing(self) -> None:
        """If all doors are plain there is nothing to examine, and nothing is written."""
        smith = self.makeSmith(self.plain)
        smith.make(self.plain)
        self.assertEqual([], smith.examine())
        smith.start()
        self.assertFalse(self.seenPath.exists())

    def test_floor(self) -> None:
        """Knocks from before the daemon are refused."""
        lock = self.makeSmith(self.ssh).make(self.ssh)
        reason = "it is older than this daemon: knock again"
        self.assertEqual(reason, self.knock(lock, self.seal(stamp=TODAY * 1000 - 1)))

    def test_restart(self) -> None:
        """A knock that one daemon heard, by a clock that is ahead, the next one refuses."""
        leaveNotes(self.seenPath)
        knocks = [self.seal(name, stamp=(TODAY + 30) * 1000) for name in ("ssh", "web")]
        for today, outcome in ((TODAY, "open"), (TODAY + 1, "this knock was seen before")):
            smith = self.makeSmith(self.ssh, self.web)
            locks = [smith.make(door) for door in (self.ssh, self.web)]
            smith.start()
            for lock, datagram in zip(locks, knocks, strict=True):
                self.assertEqual(outcome, self.knock(lock, datagram, today))
            smith.stop()
            self.now += 1

    def test_replayAfterLoss(self) -> None:
        """
        A recorded knock opens nothing after a restart without notes, even if the clock was set back
        to when it was good; a new one does when the skew has passed.
        """
        leaveNotes(self.seenPath)
        recorded = self.seal(stamp=TODAY * 1000)
        smith = self.makeSmith(self.ssh)
        lock = smith.make(self.ssh)
        smith.start()
        self.assertEqual("open", self.knock(lock, recorded))
        smith.stop()
        self.seenPath.unlink()
        self.now += 7200
        smith = self.makeSmith(self.ssh)
        lock = smith.make(self.ssh)
        smith.start()
        for passed in (0, 1, 30, 59, 60):
            self.now += passed
            source = f"192.0.2.{passed}"
            self.assertIn("notes", self.knock(lock, recorded, TODAY + passed, source))
            self.now -= passed
        self.now += 7
        fresh = self.seal(stamp=(TODAY + 7) * 1000)
        self.assertIn("knock again in 53s", self.knock(lock, fresh, TODAY + 7))
        self.now += 54
        self.assertEqual("open", self.knock(lock, self.seal(stamp=(TODAY + 61) * 1000), TODAY + 61))

    def test_replayAfterReload(self) -> None:
        """
        The same holds if a reload brought the first sealed door, or a longer skew: that daemon does
        not say at its end that the notes are whole.
        """
        for before in (self.plain, replace(self.ssh, clockSkew=1.0)):
            leaveNotes(self.seenPath)
            recorded = self.seal(stamp=(TODAY + 50) * 1000)
            smith = self.makeSmith(self.ssh)
            lock = smith.make(self.ssh)
            smith.start()
            self.assertEqual("open", self.knock(lock, recorded))
            smith.stop()
            self.seenPath.unlink()
            self.now += 1
            smith = self.makeSmith(before)
            smith.make(before)
            smith.start()
            self.now += 3
            smith.make(self.ssh)
            smith.setDoors([self.ssh])
            self.now += 3
            smith.stop()
            self.now += 3
            smith = self.makeSmith(self.ssh)
            lock = smith.make(self.ssh)
            smith.start()
            self.assertIn("notes", self.knock(lock, recorded, TODAY + 10))
            smith.stop()
            self.now += 100
            self.seenPath.unlink()

    def test_longestSkew(self) -> None:
        """The notes are whole when the longest skew of all doors has passed."""
        web = replace(self.web, clockSkew=300.0)
        smith = self.makeSmith(self.ssh, web)
        smith.make(self.ssh)
        smith.start()
        self.assertIn("refused for 5m after this start", self.log.lines()[0])

    def test_oneBudget(self) -> None:
        """All locks share one budget: what one has used, another must wait for."""
        smith = self.makeSmith(self.ssh, self.web)
        ssh, web = (smith.make(door) for door in (self.ssh, self.web))
        self.patch(sealjudge, "isGood", self.work)
        self.assertIn("seal is bad", self.knock(ssh, self.seal("ssh")))
        self.assertEqual("-", self.knock(web, self.seal("web")))
        self.assertEqual((0, 1), (len(ssh) - 1, len(web)))

    def work(self, *arguments: object) -> bool:
        """Work for a second."""
        self.worked += 1.0
        return False

    def test_oneIndex(self) -> None:
        """Two doors with the same file look for hints in one index."""
        smith = self.makeSmith(self.ssh, self.web)
        hints = [smith._hintsOf(door) for door in (self.ssh, self.web)]
        self.assertIs(*hints)

    def test_adopt(self) -> None:
        """
        Knocks that wait for a door that changed, or is gone, are dropped; the others still wait.
        """
        smith = self.makeSmith(self.ssh, self.web)
        locks = [smith.make(door) for door in (self.ssh, self.web)]
        self.patch(sealjudge, "isGood", self.work)
        self.knock(locks[0], self.seal("ssh"))
        for lock in locks:
            self.knock(lock, self.seal(lock.door.name))
        smith.setDoors([replace(self.ssh, clockSkew=7.0), self.web])
        self.assertEqual([1, 1], [len(lock) for lock in locks])  # one was judged

    def test_noNotes(self) -> None:
        """Without a file it works, and forgets."""
        smith = self.makeSmith(self.ssh, notes=False)
        lock, datagram = smith.make(self.ssh), self.seal()
        smith.start()
        self.assertEqual("open", self.knock(lock, datagram))
        self.assertFalse(self.seenPath.exists())
