"""
What a certificate is worth to a real sshd and to a door, with the same file of authorized keys and
the same file of revoked keys: a door is never more generous, and where it is stricter, it says why.
"""

import subprocess
import time
from base64 import b64decode
from pathlib import Path

from twisted.conch.ssh.keys import Key

from pkdoors.keysources.keyfile import readKeys
from pkdoors.keysources.revokedfile import RevokedFile
from pkdoors.knocks.certificates import parseCertificate
from pkdoors.knocks.knock import Knock
from pkdoors.locks.lock import Refusal, Request
from pkdoors.locks.sealed.checking.arrivals import Arrivals
from pkdoors.locks.sealed.checking.checks import SealChecks
from pkdoors.locks.sealed.hints import HintIndex
from pkdoors.locks.sealed.keytable import KeyTable
from pkdoors.locks.sealed.replays import ReplayCache
from pkdoors.locks.sealed.sealedlock import SealedLock
from tests.fakes.doors import PORTS, makeDoor
from tests.lab.case import SshTestCase
from tests.lab.hosts import CLIENT4, SERVER4
from tests.lab.sealing import sealedWith

STRICTER = {
    "force-command": "is for one command only",
    "verify-required": "(verify-required)",
    "no names": "has no principals",
}
"""Where a door refuses what sshd takes, and why."""


class SshdTests(SshTestCase):
    """
    A door beside sshd.
    """

    def setUp(self) -> None:
        """Start sshd with an authority and a file of revoked keys."""
        super().setUp()
        for name in ("ca", "other", "anna"):
            self.keygen("-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name)
        self.keygen("-q", "-t", "rsa", "-b", "2048", "-N", "", "-C", "old", "-f", "old")
        self.line = (self.folder / "ca.pub").read_text()
        self.revoked = self.folder / "revoked"
        self.revoked.touch(0o600)
        self.sshd()

    def sshd(self) -> None:
        """Start sshd, which trusts the authority as the door does."""
        super().sshd()
        config = self.folder / "sshd_config"
        config.write_text(config.read_text() + f"RevokedKeys {self.revoked}\nPort 2200\n")
        sshd = self.server.spawn("/usr/sbin/sshd", "-D", "-e", "-f", str(config))
        self.assertTrue(sshd.says("Server listening on :: port 2200"), sshd.log())

    def keygen(self, *options: str) -> None:
        """Run C{ssh-keygen}, which must succeed."""
        subprocess.run(["ssh-keygen", *options], check=True, capture_output=True, cwd=self.folder)

    def asksSshd(self) -> bool:
        """Return whether sshd lets Anna in with her certificate alone."""
        key = self.folder / "anna"
        options = ("-F", "none", "-i", str(key), "-o", f"CertificateFile={key}-cert.pub")
        quiet = ("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-p", "2200")
        known = ("-o", f"UserKnownHostsFile={self.folder}/known", "-o", "IdentitiesOnly=yes")
        return (
            self.client.status("ssh", *options, *quiet, *known, f"root@{SERVER4}", "true")[0] == 0
        )

    def asksDoor(self) -> str:
        """Return why a door refuses Anna's certificate; empty if it opens."""
        keys, _ = readKeys(self.folder / "user.pub")
        hints = HintIndex([KeyTable(lambda: keys)])
        seen = ReplayCache(time.monotonic() - 60, lambda *note: None)
        door = makeDoor(authorizedKeys="/keys")
        lock = SealedLock(door, hints, seen, SealChecks(), Arrivals())
        lock.judge.findRevoked = RevokedFile(str(self.revoked)).findRefusal
        key = Key.fromFile(str(self.folder / "anna"))
        blob = b64decode((self.folder / "anna-cert.pub").read_text().split()[1])
        datagram = sealedWith(blob, parseCertificate(blob).authority, key, PORTS)
        result: Request | Refusal | None = None
        for port in PORTS:
            result = lock.knock(Knock(CLIENT4, port, datagram), time.monotonic(), time.time())
        assert result is not None
        return "" if isinstance(result, Request) else result.reason

    def compare(
        self, about: str, *options: str, authority: str = "ca", names: str = "staff"
    ) -> str:
        """Certify Anna's key, compare sshd and the door, and return why the door refuses."""
        given = ("-n", names) if names else ()
        serial = () if "-z" in options else ("-z", "17")
        self.keygen("-q", "-s", authority, "-I", "anna", *serial, *given, *options, "anna.pub")
        theirs, ours = self.asksSshd(), self.asksDoor()
        if about in STRICTER:
            self.assertIn(STRICTER[about], ours, about)
        else:
            self.assertEqual(theirs, not ours, f"{about}: sshd {theirs}, door {ours!r}")
        return ours

    def trust(self, options: str, *lines: str) -> None:
        """Write the file of authorized keys of both."""
        text = "".join([f"cert-authority,{options} {self.line}", *lines])
        Path(self.folder / "user.pub").write_text(text)

    def test_certificates(self) -> None:
        """Both take and refuse the same certificates."""
        self.trust('principals="staff,oncall"')
        self.assertEqual("", self.compare("plain"))
        for about, options, names in (
            ("two names", (), "x,oncall"),
            ("other name", (), "staf"),
            ("capital", (), "Staff"),
            ("user name", (), "root"),
            ("no names", (), ""),
            ("valid", ("-V", "-1h:+1h"), "staff"),
            ("expired", ("-V", "-2h:-1h"), "staff"),
            ("not yet", ("-V", "+1h:+2h"), "staff"),
            ("host", ("-h",), "staff"),
            ("address", ("-O", f"source-address={CLIENT4}"), "staff"),
            ("network", ("-O", "source-address=10.9.0.0/16,2001:db8::/32"), "staff"),
            ("elsewhere", ("-O", "source-address=192.0.2.0/24"), "staff"),
            ("only IPv6", ("-O", "source-address=::/0"), "staff"),
            ("unknown option", ("-O", "critical:zoo@example.com=x"), "staff"),
            ("extension", ("-O", "extension:zoo@example.com=x"), "staff"),
            ("no extensions", ("-O", "clear"), "staff"),
            ("force-command", ("-O", "force-command=true"), "staff"),
            ("verify-required", ("-O", "verify-required"), "staff"),
        ):
            with self.subTest(about):
                self.compare(about, *options, names=names)
        self.assertIn("not known here", self.compare("other authority", authority="other"))

    def test_lines(self) -> None:
        """Both mean the same by the options of a line."""
        for options in (
            'principals="x"',
            'principals="x,staff"',
            f'principals="staff",from="{CLIENT4}"',
            'principals="staff",from="10.9.0.0/16"',
            'principals="staff",from="192.0.2.0/24"',
            'principals="staff",expiry-time="20200101"',
            'principals="staff",expiry-time="20400101"',
        ):
            with self.subTest(options):
                self.trust(options)
                self.compare(options)
        self.trust('principals="x"', f'cert-authority,principals="staff" {self.line}')
        self.assertEqual("", self.compare("second line"))

    def test_revoked(self) -> None:
        """Both refuse what is revoked, and everything if the file cannot be read."""
        self.trust('principals="staff"')
        for about, revoked in (
            ("nothing", ""),
            ("another key", (self.folder / "other.pub").read_text()),
            ("key", (self.folder / "anna.pub").read_text()),
            ("authority", self.line),
        ):
            with self.subTest(about):
                self.revoked.write_text(revoked)
                self.compare(about)
        for about, specification in (
            ("serial", "serial: 17\n"),
            ("range", "serial: 10-16\n"),
            ("name", "id: anna\n"),
        ):
            with self.subTest(about):
                (self.folder / "spec").write_text(specification)
                self.keygen("-q", "-k", "-f", "revoked", "-s", "ca.pub", "spec")
                self.revoked.chmod(0o600)
                self.compare(about)
        self.revoked.unlink()
        self.assertIn("nobody may knock", self.compare("gone"))
