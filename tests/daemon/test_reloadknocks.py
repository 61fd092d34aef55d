"""Tests of L{pkdoors.daemon.reload}: knocks before and after."""

from dataclasses import replace
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from pkdoors.model.sequence import Sequence
from tests.daemon.reloadcase import ANN, OTHER, SSH, WEB, ReloadTestCase
from tests.fakes.bpf import run
from tests.fakes.doors import PORTS, makeDoor
from tests.lab.sealing import makeKey, publicLine


class KnockTests(ReloadTestCase):
    """
    Knocks before and after.
    """

    def test_halfDone(self) -> None:
        """A half-done sequence continues if its door stays, with the new times."""
        self.knock(*PORTS[:3])
        self.reload(replace(SSH, openFor=60.0), replace(WEB, penalty=0.0))
        self.knock(*PORTS[3:])
        self.assertEqual({ANN: 61.1}, self.guard.open_())

    def test_otherSequence(self) -> None:
        """The old sequence opens nothing, the new one does."""
        self.knock(*PORTS[:3])
        self.reload(replace(SSH, sequence=Sequence((*PORTS[:3], 7, 8))), WEB)
        self.knock(*PORTS[:3], 7, 8)
        self.assertEqual({("ssh", ANN): 31.1}, self.guard.doorsOpen())
        self.assertEqual(sorted((*PORTS[:3], 7, 8, *OTHER)), self.ports())

    def test_samePorts(self) -> None:
        """Ports that stay are never closed: the new lock hears what waits there."""
        sockets = {each.address: each for each in self.host.sockets if each.isOpen}
        self.host.find("0.0.0.0", PORTS[0]).reorderer.append((b"knock\n", (ANN, 5555)))
        self.reload(SSH, replace(WEB, openFor=5.0))
        for address, each in sockets.items():
            self.assertIs(each, self.host.find(*address))
        for reader in self.reactor.getReaders():
            reader.doRead()
        self.reactor.advance(0)
        self.knock(*PORTS[1:])
        self.assertEqual({ANN: 31.1}, self.guard.open_())

    def test_interfaces(self) -> None:
        """Another local address is heard at once, and no port is opened or closed."""
        sockets = [each for each in self.host.sockets if each.isOpen]
        self.assertEqual(["interfaces changed"], self.reload(interfaces=("192.0.2.1",)).changes)
        self.assertEqual(sockets, [each for each in self.host.sockets if each.isOpen])
        program = self.host.find("0.0.0.0", PORTS[0]).program
        knock = b"\0" * 8 + b"knock\n"
        heard = [run(program, knock, to) > 0 for to in ("192.0.2.1", "192.0.2.2")]
        self.assertEqual([True, False], heard)
        self.assertFalse([each for each in self.host.sockets if each.isOpen and each.isShared])

    def test_busyPort(self) -> None:
        """
        A knock port that another program uses keeps no door from being guarded. The answer says
        so; the port is heard as soon as the other program has gone.
        """
        self.host.take(9)
        taken = self.host.sockets[-1]
        new = makeDoor((6, 7, 8, 9, 10), ports="80", name="new")
        done = self.reload(SSH, WEB, new)
        self.assertEqual(["door new (80/tcp) is new"], done.changes)
        (trouble,) = done.troubles[-1:]
        self.assertTrue(
            trouble.startswith("1 of 15 knock ports is not heard over IPv4: another program uses"),
            trouble,
        )
        self.assertEqual((SSH, WEB, new), self.guard.guarded)
        taken.close()
        self.reactor.advance(1)
        self.assertEqual([], self.daemon.ports.troubles())
        self.knock(6, 7, 8, 9, 10)
        self.assertIn(("new", ANN), self.guard.doorsOpen())

    def test_missingKeys(self) -> None:
        """A file of keys that cannot be read does not prevent a reload, either."""
        new = makeDoor((6, 7, 8, 9, 10), ports="80", name="new", authorizedKeys="/nowhere/keys")
        done = self.reload(SSH, WEB, new)
        self.assertIn("nobody may knock with a key: cannot read /nowhere/keys", done.troubles[-1])
        self.assertEqual((SSH, WEB, new), self.guard.guarded)

    def test_nothingNew(self) -> None:
        """A reload without a change tries at once what is missing, and reports it."""
        self.host.take(9)
        taken = self.host.sockets[-1]
        new = makeDoor((6, 7, 8, 9, 10), ports="80", name="new")
        self.reload(SSH, WEB, new)
        self.assertIn("not heard", self.reload().troubles[-1])
        taken.close()
        self.assertEqual(([], []), (self.reload().changes, self.daemon.ports.troubles()))

    def test_sealedFromNowOn(self) -> None:
        """A door that gets keys is not opened by plain knocks any more."""
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        (folder / "keys").write_text(publicLine(makeKey()))
        (folder / "keys").chmod(0o600)
        self.knock(*PORTS[:3])
        self.reload(replace(SSH, authorizedKeys=(str(folder / "keys"),)), WEB)
        self.knock(*PORTS[3:])
        self.knock(*PORTS)
        self.assertEqual({}, self.guard.open_())
