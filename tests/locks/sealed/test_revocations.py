"""Tests of L{pkdoors.locks.sealed.revocations}."""

import subprocess
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path

from twisted.conch.ssh.common import NS
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.knocks.certificates import Certificate, parseCertificate
from pkdoors.locks.sealed.revocations import MAGIC, Revocations, parseRevocations
from tests.lab.garbage import spoiled
from tests.lab.sealing import certificate, makeKey, publicLine

CA, OTHER, ANNA, BOB = (makeKey() for _ in range(4))
CA_BLOB, ANNA_BLOB, BOB_BLOB = (key.public().blob() for key in (CA, ANNA, BOB))


def certified(serial: int = 7, keyId: bytes = b"anna", authority: object = CA) -> Certificate:
    """Return a certificate of Anna's key."""
    return parseCertificate(certificate(authority, ANNA, serial=serial, keyId=keyId))


def section(kind: int, *parts: bytes) -> bytes:
    """Return a section of a revocation list."""
    return bytes([kind]) + NS(b"".join(parts))


def krl(*sections: bytes, version: int = 1) -> bytes:
    """Return a revocation list."""
    header = version.to_bytes(4) + bytes(24) + NS(b"") + NS(b"a comment")
    return MAGIC + header + b"".join(sections)


def numbers(*values: int) -> bytes:
    """Return numbers of 64 bits."""
    return b"".join(value.to_bytes(8) for value in values)


class RevocationsTestCase(SynchronousTestCase):
    """A test that reads files."""

    def revokes(self, data: bytes, serial: int = 7, **fields: object) -> bool:
        """Return whether a file revokes a certificate of Anna's key."""
        made = certified(serial, **fields)  # type: ignore[arg-type]
        return bool(parseRevocations(data).findRevoked(made.key, made))

    def wrong(self, data: bytes) -> str:
        """Return why a file cannot be read."""
        return str(self.assertRaises(BadValue, parseRevocations, data))


class LinesTests(RevocationsTestCase):
    """
    Files with public keys.
    """

    def test_key(self) -> None:
        """A key in the file is revoked, with and without a certificate; no other key is."""
        found = parseRevocations(b"# gone\n\n  \n" + publicLine(ANNA).encode() + b"\n")
        self.assertEqual(1, len(found))
        self.assertEqual("key", found.findRevoked(ANNA_BLOB))
        self.assertEqual("key", found.findRevoked(ANNA_BLOB, certified()))
        self.assertEqual("", found.findRevoked(BOB_BLOB))

    def test_authority(self) -> None:
        """An authority in the file revokes all its certificates."""
        found = parseRevocations(publicLine(CA, "").encode())
        self.assertEqual("authority", found.findRevoked(ANNA_BLOB, certified()))
        self.assertEqual("", found.findRevoked(ANNA_BLOB, certified(authority=OTHER)))
        self.assertEqual("", found.findRevoked(ANNA_BLOB))

    def test_certificate(self) -> None:
        """A certificate in the file revokes its key, as in sshd."""
        line = b"ssh-ed25519-cert-v01@openssh.com " + b64encode(certified().blob)
        found = parseRevocations(line)
        self.assertEqual("key", found.findRevoked(ANNA_BLOB))
        self.assertEqual("", found.findRevoked(CA_BLOB))

    def test_empty(self) -> None:
        """An empty file revokes nothing."""
        for data in (b"", b"\n", b"# nothing"):
            self.assertEqual(0, len(parseRevocations(data)))

    def test_bad(self) -> None:
        """A line that is not a key refuses the file, and the complaint has its number."""
        good = publicLine(ANNA).encode()
        for line in (
            b"ssh-ed25519",
            b"ssh-rsa " + good.split()[1],
            b"ssh-ed25519 AAAA!",
            b"SHA256:" + b"a" * 43,
            b'from="10.0.0.1" ' + good,
            b"\xff\xff\xff",
        ):
            self.assertEqual("line 2 is not an SSH public key", self.wrong(good + line))


class ListTests(RevocationsTestCase):
    """
    Key revocation lists.
    """

    def certificates(self, *parts: bytes, authority: bytes = CA_BLOB) -> bytes:
        """Return a list about an authority's certificates."""
        return krl(section(1, NS(authority), NS(b""), *parts))

    def test_serials(self) -> None:
        """Serial numbers are revoked one by one, in ranges, and in bitmaps."""
        high = 2**64 - 1
        data = self.certificates(
            section(0x20, numbers(7, high)),
            section(0x21, numbers(20, 29)),
            section(0x22, numbers(1000), NS(b"\x01\x05")),
        )
        revoked = {7, high, *range(20, 30), 1000, 1002, 1008}
        for serial in (*range(1, 40), *range(990, 1020), 2, 2**40, high - 1, high):
            self.assertEqual(serial in revoked, self.revokes(data, serial), serial)
        self.assertEqual(4, len(parseRevocations(data)))

    def test_noSerial(self) -> None:
        """A certificate without a serial number is never revoked by one."""
        data = self.certificates(section(0x21, numbers(0, 10)), section(0x20, numbers(0)))
        self.assertFalse(self.revokes(data, 0))
        self.assertTrue(self.revokes(data, 1))

    def test_keyIds(self) -> None:
        """Names of certificates are revoked, with any serial number."""
        data = self.certificates(section(0x23, NS(b"anna"), NS(b"eve")))
        self.assertTrue(self.revokes(data, 0))
        self.assertFalse(self.revokes(data, keyId=b"ann"))

    def test_otherAuthority(self) -> None:
        """A list about one authority says nothing of others; one about no authority is for all."""
        part = section(0x20, numbers(7))
        self.assertFalse(self.revokes(self.certificates(part), authority=OTHER))
        everybody = self.certificates(part, authority=b"")
        self.assertTrue(self.revokes(everybody, authority=OTHER))
        self.assertTrue(self.revokes(everybody))

    def test_keys(self) -> None:
        """Keys are revoked as they are and by their hashes."""
        for data in (
            krl(section(2, NS(ANNA_BLOB))),
            krl(section(5, NS(sha256(ANNA_BLOB).digest()))),
        ):
            found = parseRevocations(data)
            self.assertEqual(
                ("key", ""), (found.findRevoked(ANNA_BLOB), found.findRevoked(BOB_BLOB))
            )

    def test_extensions(self) -> None:
        """An unknown extension is ignored, unless it is critical."""
        for wrap in (krl, self.certificates):
            kind = 255 if wrap == krl else 0x39
            fine = section(kind, NS(b"x@y"), b"\0", NS(b"what"))
            self.assertEqual(0, len(parseRevocations(wrap(fine))))
            critical = section(kind, NS(b"x@y"), b"\1", NS(b"what"))
            self.assertIn("the unknown extension 'x@y'", self.wrong(wrap(critical)))

    def test_bad(self) -> None:
        """What is not understood refuses the list."""
        for data in (
            MAGIC,
            krl(version=2),
            krl(b"\2"),
            krl(section(4, b"a signature")),
            krl(section(77)),
            krl(section(3, NS(b"not a hash"))),
            krl(section(2, b"\0\0")),
            self.certificates(section(0x24)),
            self.certificates(section(0x20, b"\0\0\0")),
            self.certificates(section(0x21, numbers(1))),
            self.certificates(section(0x21, numbers(1, 2, 3))),
            self.certificates(section(0x22, numbers(1), NS(b"\1"), b"\0")),
            krl(section(1, NS(CA_BLOB))),
        ):
            self.assertIn("this key revocation list cannot be read: ", self.wrong(data))

    def test_garbage(self) -> None:
        """Whatever the bytes, nothing but the parser's own error is raised."""
        good = self.certificates(
            section(0x20, numbers(7)), section(0x21, numbers(1, 2)), section(0x23, NS(b"x"))
        )
        for data in spoiled(good, 2000):
            try:
                parseRevocations(data).findRevoked(ANNA_BLOB, certified())
            except BadValue as error:
                self.assertNotIn("\n", str(error))


class OpenSshTests(RevocationsTestCase):
    """
    Lists that C{ssh-keygen} makes: we say the same as C{ssh-keygen -Q}.
    """

    def setUp(self) -> None:
        """Make keys, and certificates with serial numbers."""
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        for name in ("ca", "other", "user", "peer"):
            self.keygen("-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name)
        self.made = {}
        for authority, serial, name in (
            *(("ca", serial, "user") for serial in (0, 1, 5, 64, 65, 100, 7000)),
            ("other", 5, "user"),
            ("ca", 5000, "peer"),
        ):
            options = ("-I", f"id{serial}", "-n", "x", "-z", str(serial))
            self.keygen("-q", "-s", authority, *options, f"{name}.pub")
            path = self.folder / f"{authority}-{serial}-{name}-cert.pub"
            (self.folder / f"{name}-cert.pub").rename(path)
            self.made[path.name] = path

    def keygen(self, *options: str) -> int:
        """Run C{ssh-keygen}, and return its status."""
        return subprocess.run(
            ["ssh-keygen", *options], capture_output=True, cwd=self.folder, check=False
        ).returncode

    def compare(self, specification: str, *keys: str) -> Revocations:
        """Make a list, and compare what we and C{ssh-keygen} say of all keys and certificates."""
        (self.folder / "spec").write_text(specification)
        given = ["spec"] if specification else []
        self.assertEqual(0, self.keygen("-q", "-k", "-f", "krl", "-s", "ca.pub", *given, *keys))
        found = parseRevocations((self.folder / "krl").read_bytes())
        for name in (*self.made, "user.pub", "peer.pub", "ca.pub"):
            theirs = self.keygen("-Q", "-f", "krl", name) != 0
            blob = b64decode((self.folder / name).read_text().split()[1])
            if "cert" in name:
                made = parseCertificate(blob)
                ours = bool(found.findRevoked(made.key, made))
            else:
                ours = bool(found.findRevoked(blob))
            self.assertEqual(theirs, ours, (specification, keys, name))
        return found

    def test_agrees(self) -> None:
        """Serials, ranges, names, keys and hashes mean the same."""
        key = (self.folder / "user.pub").read_text()
        for specification in (
            "serial: 5\n",
            "serial: 1-64\n",
            "".join(f"serial: {serial}\n" for serial in range(60, 130, 4)),
            "serial: 1\nserial: 64-65\nserial: 7000\nid: id100\n",
            "id: id0\n",
            f"key: {key}",
            f"sha1: {key}",
            f"sha256: {key}",
        ):
            self.assertTrue(len(self.compare(specification)), specification)

    def test_files(self) -> None:
        """So do keys and certificates that are given as files, and a list of nothing."""
        self.compare("", "user.pub")
        self.compare("", "ca.pub")
        self.compare("", "ca-65-user-cert.pub")
        self.compare("", "ca-0-user-cert.pub", "peer.pub")
        self.assertEqual(0, len(self.compare("\n")))
