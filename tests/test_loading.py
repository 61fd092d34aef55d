"""Tests of the modules that an idle daemon loads, and the client."""

import os
import subprocess
import sys
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from twisted.trial.unittest import SynchronousTestCase

from pkdoors import tap
from tests.lab.sealing import makeKey, publicLine
from tests.tapcase import SEQ

NOT_LOADED = frozenset(
    """
    OpenSSL argcomplete bcrypt cryptography dbus firewall gi nftables pkdoors.admin._resources
    pkdoors.admin.records pkdoors.daemon.notes.replayfile pkdoors.doorkeeper.control
    pkdoors.locks.sealed.authorizedkeys prometheus_client rich segno twisted.conch
    twisted.protocols.tls twisted.web xml
    """.split()
)
"""Modules that a daemon does not load until it needs them; it never needs most of them."""
FLEET = (
    "pkdoors.admin.fleet",
    "pkdoors.config.fleet",
    "pkdoors.daemon.fleet",
    "pkdoors.fleet",
    "pkdoors.knocks.order",
    "pkdoors.locks.relayed",
    "txredisapi",
)
"""The beginnings of modules that only a host of a fleet loads."""
TOO_HEAVY = frozenset(
    """
    OpenSSL _hashlib _ssl asyncio cryptography dataclasses hashlib incremental inspect json pathlib
    random secrets ssl subprocess twisted zope
    """.split()
)
"""Modules that a client does without: each costs it milliseconds, or megabytes."""
LIGHT = (
    "pkdoors.cli",
    "pkdoors.client",
    "pkdoors.client.core.binding",
    "pkdoors.client.keys._filekeys",
    "pkdoors.client.keys._keygen",
    "pkdoors.client.keys.passphrase",
    "pkdoors.client.keys.signers",
    "pkdoors.client.profilefile",
    "pkdoors.commands.parser",
    "pkdoors.knocks.certificates",
    "pkdoors.knocks.knock",
    "pkdoors.knocks.seal",
    "pkdoors.knocks.signatureforms",
    "pkdoors.knocks.wire",
    "pkdoors.util.output",
)
"""What a client loads to knock."""
_RUN = """
import sys
from pkdoors.daemon.process.setup import takeReactor
from pkdoors.tap import Options, makeService
options = Options({})
options.parseOptions(sys.argv[1:])
service = makeService(options)
service.privilegedStartService()
service.startService()
reactor = takeReactor()
reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
reactor.callWhenRunning(reactor.callLater, 0, reactor.stop)
reactor.run()
import pkdoors.firewall.nftables.firewall
print(*sys.modules)
"""
"""Start a daemon, end it when it is ready, and print all modules that are loaded."""


class LoadTests(SynchronousTestCase):
    """
    Tests of the modules that an idle daemon loads.
    """

    def loaded(self, *more: str) -> set[str]:
        """Return the modules that an idle daemon has loaded."""
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        number = os.getpid()  # an address of the loopback that is nobody else's: ports are free
        address = f"127.{64 + (number >> 16 & 63)}.{number >> 8 & 255}.{number & 255}"
        options = ("-m", SEQ, "-p", "22", "-f", "dry-run", "--interface", address)
        done = subprocess.run(
            [sys.executable, "-c", _RUN, *options, "--admin", str(folder / "admin.sock"), *more],
            cwd=Path(tap.__file__).parent.parent,
            capture_output=True,
            text=True,
        )
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        modules = set(done.stdout.split())
        self.assertIn("pkdoors.admin._lazysite", modules)
        return modules

    def test_plain(self) -> None:
        """Without keys, it loads nothing that asks, signs or draws."""
        self.assertEqual(set(), self.loaded() & NOT_LOADED)

    def test_noFleet(self) -> None:
        """Without a door of a fleet, it loads nothing that only a fleet needs, sealed or not."""
        for options in ((), ("-k", self.makeKeys())):
            found = {name for name in self.loaded(*options) if name.startswith(FLEET)}
            self.assertEqual(set(), found)

    def makeKeys(self) -> str:
        """Return the path of a file with a key."""
        folder = Path(mkdtemp())
        self.addCleanup(rmtree, folder)
        keys = folder / "keys"
        keys.write_text(publicLine(makeKey(), "anna"))
        keys.chmod(0o600)
        return str(keys)

    def test_sealed(self) -> None:
        """With keys, it loads what checks signatures, and nothing else."""
        keyed = {"bcrypt", "cryptography", "pkdoors.locks.sealed.authorizedkeys", "twisted.conch"}
        self.assertEqual(keyed, self.loaded("-k", self.makeKeys()) & NOT_LOADED)


class LightTests(SynchronousTestCase):
    """
    Tests of the modules that a client loads.
    """

    def test_light(self) -> None:
        """
        They load nothing heavy; each is tried in a process of its own, which skips what this
        installation of Python loads at its start.
        """
        path = f"import sys; sys.path[1:] = {sys.path[1:]}"
        for name in LIGHT:
            done = subprocess.run(
                [sys.executable, "-S", "-c", f"{path}; import {name}; print(*sys.modules)"],
                cwd=Path(tap.__file__).parent.parent,
                capture_output=True,
                text=True,
            )
            self.assertEqual((0, ""), (done.returncode, done.stderr), name)
            loaded = set(done.stdout.split())
            self.assertIn(name, loaded)
            heavy = {each for each in loaded if each.partition(".")[0] in TOO_HEAVY}
            self.assertEqual(set(), heavy, name)
