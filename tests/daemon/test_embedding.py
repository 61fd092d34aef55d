"""An application with a reactor, TLS and signals of its own embeds the service."""

import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

import pkdoors

_APPLICATION = r"""
import gc, json, os, resource, signal, sys, time
from twisted.application.service import Application, IServiceCollection
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.endpoints import connectProtocol, serverFromString, wrapClientTLS
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import optionsForClientTLS, trustRootFromCertificates, Certificate
from twisted.logger import globalLogPublisher

file, pem, output = sys.argv[1:]
found = {"signals": [], "fired": []}
for number in (signal.SIGHUP, signal.SIGINT):
    signal.signal(number, lambda number, frame: found["signals"].append(number))
handlers = [signal.getsignal(n) for n in (signal.SIGHUP, signal.SIGINT)]
hook = sys.excepthook
os.umask(0o27)
reactor.callLater(0.01, found["fired"].append, "timer")  # before the service is there

def state():
    return [
        reactor.seconds.__name__, sys.excepthook is hook, gc.get_threshold(), gc.get_freeze_count(),
        resource.getrlimit(resource.RLIMIT_NOFILE), dict(os.environ), os.umask(0o27),
        [signal.getsignal(n) for n in (signal.SIGHUP, signal.SIGINT)] == handlers,
        len(globalLogPublisher._observers), sys.modules.get("OpenSSL") is not None,
    ]

class Echo(Protocol):
    def dataReceived(self, data):
        self.transport.write(data)

class Asking(Protocol):
    def connectionMade(self):
        self.answer = Deferred()
        self.transport.write(b"over TLS")
    def dataReceived(self, data):
        self.answer.callback(data.decode())

async def ask():
    port = await serverFromString(
        reactor, f"ssl:0:interface=127.0.0.1:privateKey={pem}:certKey={pem}"
    ).listen(Factory.forProtocol(Echo))
    root = trustRootFromCertificates([Certificate.loadPEM(open(pem).read())])
    plain = TCP4ClientEndpoint(reactor, "127.0.0.1", port.getHost().port)
    options = optionsForClientTLS("localhost", trustRoot=root)
    asking = await connectProtocol(wrapClientTLS(options, plain), Asking())
    answer = await asking.answer
    asking.transport.abortConnection()
    await port.stopListening()
    return answer

async def use():
    service.setServiceParent(IServiceCollection(application))
    found["doors"] = [str(door) for door in service.doors]
    opened = await service.open("192.0.2.7", "ssh", 60)
    found["opened"] = str(opened.opening.source)
    found["openings"] = len(service.openings())
    found["left"] = service.openings()[0].deadline - time.monotonic()
    found["closed"] = len((await service.close("ssh")).closed)
    found["reloaded"] = (await service.reload()).changes
    found["tls"] = await ask()
    os.kill(os.getpid(), signal.SIGHUP)
    os.kill(os.getpid(), signal.SIGINT)
    found["changed"] = repr([pair for pair in zip(before, state()) if pair[0] != pair[1]])
    await IServiceCollection(application).stopService()

def end(result):
    found["error"] = str(result)
    reactor.stop()

before = state()
from pkdoors.errors import PkdoorsError
from pkdoors.tap import makeDoorService
application = Application("mine")
try:
    makeDoorService(reactor, file + ".missing")
except PkdoorsError as error:
    found["missing"] = str(error)
service = makeDoorService(reactor, file)
IServiceCollection(application).startService()
reactor.callWhenRunning(lambda: ensureDeferred(use()).addBoth(end))
reactor.callLater(60, reactor.stop)
reactor.run()
with open(output, "w") as written:
    json.dump(found, written)
"""

_CERTIFICATE = """
import datetime, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
key = ec.generate_private_key(ec.SECP256R1())
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
now = datetime.datetime.now(datetime.UTC)
built = (
    x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    .serial_number(1).not_valid_before(now - datetime.timedelta(1))
    .not_valid_after(now + datetime.timedelta(1))
    .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), False)
    .sign(key, hashes.SHA256())
)
with open(sys.argv[1], "wb") as file:
    file.write(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ))
    file.write(built.public_bytes(serialization.Encoding.PEM))
"""


class EmbeddingTests(SynchronousTestCase):
    """
    Tests of L{pkdoors.tap.makeDoorService}.
    """

    def setUp(self) -> None:
        """Make a configuration that touches no firewall, and a certificate."""
        self.folder = Path(mkdtemp())
        self.addCleanup(rmtree, self.folder)
        self.pem = self.folder / "tls.pem"
        self.python(_CERTIFICATE, str(self.pem))
        number = os.getpid()  # an address of the loopback that nobody else uses: ports are free
        address = f"127.{64 + (number >> 16 & 63)}.{number >> 8 & 255}.{number & 255}"
        self.file = self.folder / "pkdoors.toml"
        self.file.write_text(
            f'firewall = "dry-run"\nadmin = "off"\ninterfaces = ["{address}"]\n'
            "[doors.ssh]\nsequence = [17001, 17203, 17005, 17404, 17002]\nports = [22]\n"
        )
        self.file.chmod(0o600)

    def python(self, script: str, *arguments: str) -> str:
        """Run a script. Return what it prints."""
        done = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            cwd=Path(pkdoors.__file__).parent.parent,
            env={**os.environ, "NOTIFY_SOCKET": "@mine", "WATCHDOG_USEC": "1000000"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        self.assertEqual(0, done.returncode, done.stdout)
        return done.stdout

    def embed(self) -> dict[str, Any]:
        """Run the application. Return what it found."""
        output = self.folder / "found.json"
        printed = self.python(_APPLICATION, str(self.file), str(self.pem), str(output))
        self.assertNotIn("Traceback", printed)
        found: dict[str, Any] = json.loads(output.read_text())
        self.assertEqual("None", found.pop("error"), printed)
        return found

    def test_keepsItsProcess(self) -> None:
        """
        The application uses the service, and keeps its TLS, its signals, its timers, its clock, and
        whatever else belongs to the process. Its errors are exceptions.
        """
        found = self.embed()
        self.assertIn("pkdoors.toml.missing", found.pop("missing"))
        self.assertGreater(found.pop("left"), 50)
        self.assertEqual(
            {
                "signals": [1, 2],
                "fired": ["timer"],
                "doors": ["ssh (22/tcp)"],
                "opened": "192.0.2.7",
                "openings": 1,
                "closed": 1,
                "reloaded": [],
                "tls": "over TLS",
                "changed": "[]",
            },
            found,
        )
