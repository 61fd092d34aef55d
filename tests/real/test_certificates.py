"""
Tests of SSH certificates against a real daemon: C{ssh-keygen} is the authority, and the keys are in
files and in a real agent.
"""

import signal
import subprocess
import time
from base64 import b64decode, b64encode
from pathlib import Path

from pkdoors.keysources.keyfile import FRESH
from pkdoors.knocks.certificates import parseCertificate
from tests.lab.case import KNOCKS, PORT, RealTestCase
from tests.lab.hosts import BIN, CLIENT4, SERVER4, SERVER6, Daemon, eventually

OTHER = 2223
PKDOORS = str(BIN / "pkdoors")


class CertificateTestCase(RealTestCase):
    """A test with an authority that a door trusts, and a key."""

    def setUp(self) -> None:
        """Make the authority and the key."""
        super().setUp()
        self.server.serve(PORT)
        self.ca = self.makeKey("ca")
        self.anna = self.makeKey("anna")
        self.keys = self.folder / "authorized_keys"
        self.trust('principals="staff"')

    def makeKey(self, name: str, *kind: str) -> Path:
        """Make a key."""
        path = self.folder / name
        kind = kind or ("ed25519",)
        self.run_("ssh-keygen", "-q", "-t", *kind, "-N", "", "-C", f"{name}@x", "-f", path)
        return path

    def run_(self, *argv: object) -> None:
        """Run a program on this machine, which must succeed."""
        subprocess.run([*map(str, argv)], check=True, stdin=subprocess.DEVNULL, capture_output=True)

    def trust(self, options: str, *lines: str) -> None:
        """Let certificates of the authority in."""
        line = f"cert-authority,{options} {self.ca.with_suffix('.pub').read_text()}"
        self.keys.write_text("".join([line, *lines]))

    def certify(
        self,
        *options: str,
        key: Path | None = None,
        names: str = "anna,staff",
        ca: Path | None = None,
    ) -> Path:
        """Certify a key, and return the certificate's file."""
        key = key or self.anna
        given = ("-n", names) if names else ()
        self.run_(
            *("ssh-keygen", "-q", "-s", ca or self.ca, "-I", key.name, "-z", "17"),
            *(*given, *options, f"{key}.pub"),
        )
        return Path(f"{key}-cert.pub")

    def keeper(self, *options: str, openFor: str = "1h") -> Daemon:
        """Start the daemon."""
        return self.daemon("-k", str(self.keys), *options, openFor=openFor)

    def knock(self, identity: object, *options: str) -> tuple[int, str]:
        """Let the client knock, and wait a short time for the port."""
        command = ("knock", SERVER4, "-m", KNOCKS, "-i", str(identity), *options)
        return self.client.status(PKDOORS, *command)

    def opens(self, identity: object) -> bool:
        """Return whether a knock opens the door; and close it again."""
        self.knock(identity)
        isOpen = self.client.comesToReach(PORT)
        if isOpen:
            self.knock(identity, "--close")
            self.assertTrue(eventually(lambda: not self.client.reaches(PORT), 5))
        return isOpen

    def assertRefused(self, keeper: Daemon, identity: object, reason: str) -> None:
        """Assert that a knock is refused for a reason, and opens nothing."""
        time.sleep(1.05)  # one line a second for each source
        self.knock(identity)
        self.assertTrue(keeper.says(reason), keeper.log())
        self.assertFalse(self.client.reaches(PORT))


class FileTests(CertificateTestCase):
    """Certificates in files."""

    def test_opens(self) -> None:
        """A certificate opens the door, and the log and the status say whose it is."""
        keeper, made = self.keeper("--admin", str(self.folder / "admin")), self.certify()
        self.assertEqual(0, self.knock(made, "--wait", str(PORT))[0])
        self.assertTrue(self.client.reaches(PORT))
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertTrue(keeper.says(", by anna, serial 17, by ca@x (SHA256:"), keeper.log())
        status, output = self.server.status(
            PKDOORS, "status", "--admin", str(self.folder / "admin")
        )
        self.assertEqual(0, status, output)
        self.assertIn("anna, serial 17, by ca@x", output)

    def test_restart(self) -> None:
        """The next daemon knows whose opening it is, and lets the key close it."""
        first, made = self.keeper(), self.certify()
        self.knock(made)
        self.assertTrue(self.client.comesToReach(PORT))
        first.stop(signal.SIGKILL)
        self.assertTrue(self.client.reaches(PORT))
        second = self.keeper()
        self.assertTrue(second.says("anna, serial 17, by ca@x (SHA256:"), second.log())
        time.sleep(1)  # a knock must be younger than the daemon
        self.knock(made, "--close")
        self.assertTrue(second.says("closed door"), second.log())

    def test_beside(self) -> None:
        """The certificate beside a key is sent, and the key itself, so old hosts let it in, too."""
        keeper = self.keeper()
        self.certify()
        self.assertTrue(self.opens(self.anna))
        self.assertIn("its key is not known here", keeper.log())
        self.trust('principals="others"', Path(f"{self.anna}.pub").read_text())
        time.sleep(2 * FRESH)
        self.assertTrue(self.opens(self.anna))

    def test_kinds(self) -> None:
        """Keys of all kinds can be certified; what is too large is one sentence."""
        self.keeper()
        for kind in (("ecdsa", "-b", "256"), ("ecdsa", "-b", "521"), ("rsa", "-b", "2048")):
            key = self.makeKey("".join(kind), *kind)
            self.assertTrue(self.opens(self.certify(key=key)), kind)
        large = self.makeKey("large", "rsa", "-b", "4096")
        status, output = self.knock(self.certify(key=large))
        self.assertEqual(1, len(output.strip().splitlines()))
        self.assertNotEqual(0, status)
        self.assertIn("does not fit into one datagram", output)

    def test_authorities(self) -> None:
        """Authorities of all kinds can certify, but not with SHA-1."""
        keeper = self.keeper()
        for kind in (("ecdsa", "-b", "384"), ("rsa", "-b", "2048")):
            self.ca = self.makeKey("ca" + "".join(kind), *kind)
            self.trust('principals="staff"')
            self.assertTrue(self.opens(self.certify()), kind)
        made = self.certify("-t", "ssh-rsa")
        self.assertIn("it is not an SSH certificate, or is damaged", self.knock(made)[1])
        self.assertNotIn("refused", keeper.log())

    def test_limits(self) -> None:
        """Validity, names, source-address and other critical options are kept."""
        keeper = self.keeper()
        for options, reason in (
            (("-O", "source-address=198.51.100.0/24"), "may not be used from here"),
            (("-O", "force-command=/bin/true"), "is for one command only (force-command)"),
            (("-O", "critical:zoo@example.com=1"), "critical option 'zoo@example.com'"),
            (("-O", "verify-required"), "(verify-required)"),
        ):
            self.assertRefused(keeper, self.certify(*options), reason)
        self.assertRefused(keeper, self.certify(names="staff2,Staff"), "none of the names")
        self.assertTrue(self.opens(self.certify("-O", f"source-address=10.9.9.9/32,{CLIENT4}")))
        self.assertTrue(self.opens(self.certify("-O", "no-pty")))

    def test_validity(self) -> None:
        """A certificate opens until its last second, and not before its first."""
        keeper = self.keeper()
        clock = lambda: float(self.server.run("date", "+%s.%N"))  # noqa: E731
        for seconds in (4, 15, 60):  # a slow machine needs longer than a few seconds to knock
            made = self.certify("-V", f"always:+{seconds}s")
            before = parseCertificate(b64decode(made.read_text().split()[1])).before
            self.knock(made)
            if self.client.comesToReach(PORT):
                break
        self.assertTrue(self.client.reaches(PORT))
        self.assertTrue(eventually(lambda: clock() >= before, seconds + 10))
        self.assertIn(" expired ", self.knock(made)[1])
        self.knock(self.certify(), "--close")
        self.assertTrue(eventually(lambda: not self.client.reaches(PORT)))
        for validity, text in (("+1h:+2h", " is not valid before "), ("-2h:-1h", " expired ")):
            self.assertIn(text, self.knock(self.certify("-V", validity))[1])
        self.assertFalse(self.client.reaches(PORT))
        self.assertNotIn("refused", keeper.log())  # the client has sent none of them

    def test_useless(self) -> None:
        """The client does not send what no host accepts, and says why."""
        for options, names, reason in (
            (("-h",), "anna", "is not for users, but for a host"),
            ((), "", "has no principals, so it is for nobody"),
        ):
            status, output = self.knock(self.certify(*options, names=names))
            self.assertNotEqual(0, status)
            self.assertIn(reason, output)

    def test_forged(self) -> None:
        """A certificate of another authority opens nothing, and one with the same name neither."""
        keeper = self.keeper()
        eve = self.makeKey("eve")
        self.assertRefused(keeper, self.certify(ca=eve), "the authority of its certificate is not")
        good = b64decode(self.certify().read_text().split()[1])
        bad = b64decode(self.certify(ca=eve).read_text().split()[1])
        signature = 4 + 11 + 4 + 64
        forged = good[:-signature] + bad[-signature:]
        path = Path(f"{self.anna}-cert.pub")
        path.write_text(f"ssh-ed25519-cert-v01@openssh.com {b64encode(forged).decode()}\n")
        self.assertRefused(keeper, path, "its certificate is forged")

    def test_reload(self) -> None:
        """A line that is added counts at once, and so does one that is removed."""
        bob = Path(f"{self.makeKey('bob')}.pub").read_text()
        self.keys.write_text(bob)
        keeper, made, unknown = self.keeper(), self.certify(), "the authority of its certificate is"
        self.assertRefused(keeper, made, unknown)
        self.trust("any-principal")
        time.sleep(2 * FRESH)
        self.assertTrue(self.opens(made))
        self.keys.write_text(bob)
        time.sleep(1.05)
        self.knock(made)
        self.assertTrue(eventually(lambda: keeper.log().count(unknown) == 2), keeper.log())
        self.assertFalse(self.client.reaches(PORT))


class RevokedTests(CertificateTestCase):
    """Keys and certificates that are revoked."""

    def setUp(self) -> None:
        """Start a daemon with a file of revoked keys."""
        super().setUp()
        self.revoked = self.folder / "revoked"
        self.revoked.touch(0o600)
        self.keepers = self.keeper("--revoked-keys", str(self.revoked))

    def revoke(self, specification: str) -> None:
        """Revoke what a list of C{ssh-keygen} says."""
        given = self.folder / "spec"
        given.write_text(specification)
        self.run_("ssh-keygen", "-q", "-k", "-f", self.revoked, "-s", f"{self.ca}.pub", given)
        self.revoked.chmod(0o600)
        time.sleep(2 * FRESH)

    def test_list(self) -> None:
        """A serial number on the list is refused, and the next certificate opens."""
        made = self.certify()
        self.assertTrue(self.opens(made))
        self.revoke("serial: 10-20\n")
        self.assertRefused(self.keepers, made, "the certificate of anna, serial 17, by ca@x")
        self.assertIn(" is revoked", self.keepers.log())
        self.assertTrue(self.opens(self.certify("-z", "21")))

    def test_keys(self) -> None:
        """A public key in the file is refused with a certificate and without."""
        public = Path(f"{self.anna}.pub").read_text()
        self.trust('principals="staff"', public)
        self.revoked.write_text(public)
        time.sleep(2 * FRESH)
        self.assertRefused(self.keepers, self.certify(), "the key of anna, serial 17, by ca@x (SHA")
        Path(f"{self.anna}-cert.pub").unlink()
        self.assertRefused(self.keepers, self.anna, "the key of anna@x (SHA256:")

    def test_gone(self) -> None:
        """While the file is gone, nobody may knock."""
        self.revoked.unlink()
        self.assertRefused(self.keepers, self.certify(), "nobody may knock with a key: cannot read")
        self.revoked.touch(0o600)
        time.sleep(2 * FRESH)
        self.assertTrue(self.opens(self.certify()))


class AgentTests(CertificateTestCase):
    """Certificates in C{ssh-agent}."""

    def agent(self, *keys: Path) -> None:
        """Start an agent with keys, whose certificates C{ssh-add} finds beside them."""
        socket = self.folder / "agent"
        self.client.spawn("ssh-agent", "-D", "-a", str(socket))
        self.assertTrue(eventually(socket.exists))
        self.client.environment["SSH_AUTH_SOCK"] = str(socket)
        for key in keys:
            self.client.run("ssh-add", "-q", str(key))

    def test_agent(self) -> None:
        """The certificate that ssh-add loads with a key opens the door."""
        keeper = self.keeper()
        self.certify()
        self.agent(self.anna)
        self.anna.unlink()
        self.assertTrue(self.opens("agent"))
        self.assertIn("by anna, serial 17, by ca@x", keeper.log())
        self.assertTrue(self.opens(f"{self.anna}-cert.pub"))

    def test_rsa(self) -> None:
        """The agent signs with SHA-512 for the certificate of an RSA key."""
        self.keeper()
        key = self.makeKey("rsa", "rsa", "-b", "2048")
        self.certify(key=key)
        self.agent(key)
        self.assertTrue(self.opens("agent"))
        self.client.run("ssh-add", "-q", "-d", f"{key}.pub")  # only the certificate is left
        self.assertTrue(self.opens(f"{key}-cert.pub"))

    def test_twoDoors(self) -> None:
        """
        One certificate opens two doors that share knock ports and keys, each with a knock of its
        own: a knock for one of them is worth nothing at the other.
        """
        self.server.serve(OTHER)
        conf = self.folder / "doors.toml"
        conf.write_text(
            "".join(
                f"""
                [doors.{name}]
                sequence = [{KNOCKS}]
                ports = [{port}]
                authorized_keys = "{self.keys}"
                """
                for name, port in (("one", PORT), ("two", OTHER))
            )
        )
        conf.chmod(0o600)
        keeper = Daemon(self.server, "--conf", str(conf), "--listen", self.listen)
        made = self.certify()
        self.agent(self.anna)
        self.knock(made, "--door", "two")
        self.assertTrue(self.client.comesToReach(OTHER))
        self.assertFalse(self.client.reaches(PORT))
        self.knock("agent", "--door", "one")
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertEqual(2, keeper.log().count("by anna, serial 17, by ca@x"), keeper.log())


class CapturedTests(CertificateTestCase):
    """Knocks in the kernel's packet log."""

    listen = "capture"

    def test_large(self) -> None:
        """A certificate that almost fills a datagram is heard, over both families."""
        self.keeper()
        names = ",".join(["staff", *(f"name-of-a-principal-{number}" for number in range(20))])
        made = self.certify(names=names)
        self.assertGreater(len(b64decode(made.read_text().split()[1])), 900)
        self.assertTrue(self.opens(made))
        self.client.status(PKDOORS, "knock", SERVER6, "-m", KNOCKS, "-i", str(made))
        self.assertTrue(self.client.comesToReach(PORT, SERVER6))
