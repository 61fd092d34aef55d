"""Tests of L{pkdoors.locks.sealed.authorizedkeys}."""

import os
import random
import time
from base64 import b64encode
from datetime import UTC, datetime

from twisted.conch.ssh.common import NS
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.knocks.wire import fingerprint
from pkdoors.locks.sealed._addresspatterns import AddressPatterns
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.locks.sealed.keylines import parseAuthorizedKeys
from tests.fakes.log import useUTC
from tests.lab.sealing import SecurityKey, certificate, makeKey, publicLine

ANNA = publicLine(makeKey(), "anna@laptop").strip()
BOB = publicLine(makeKey(), "bob").strip()
ECDSA = publicLine(makeKey("ecdsa256"), "").strip()
KIND, BLOB, _ = ANNA.split()


def utc(*when: int) -> float:
    """Return a time of day in UTC."""
    return datetime(*when, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def toBase64(blob: bytes) -> str:
    """Return a key in the form of a line."""
    return b64encode(blob).decode()


def useZone(test: SynchronousTestCase, zone: str) -> None:
    """Use another time zone, with a POSIX name, while a test runs."""
    useUTC(test)
    os.environ["TZ"] = zone
    time.tzset()


class AuthorizedKeysTestCase(SynchronousTestCase):
    """
    A test that reads lines.
    """

    def read(self, *lines: str) -> list[AuthorizedKey]:
        """Return the keys of lines that are all valid."""
        keys, complaints = parseAuthorizedKeys("\n".join(lines) + "\n", "keys")
        self.assertEqual([], complaints)
        return keys

    def readOne(self, line: str) -> AuthorizedKey:
        """Return the key of a valid line."""
        (key,) = self.read(line)
        return key

    def refused(self, line: str) -> str:
        """Return why a line is refused."""
        keys, (complaint,) = parseAuthorizedKeys(line, "keys")
        self.assertEqual([], keys)
        start = "keys, line 1: this key is refused: "
        self.assertTrue(complaint.startswith(start), complaint)
        return complaint[len(start) :]


class LineTests(AuthorizedKeysTestCase):
    """
    Tests of the lines of a file.
    """

    def test_key(self) -> None:
        """A line of ssh-keygen's C{.pub} file is a key without restrictions."""
        key = self.readOne(ANNA)
        self.assertEqual(key.blob, key.key.blob())
        self.assertEqual(
            ("anna@laptop", None, None, None, 0.0),
            (key.comment, key.sources, key.expires, key.doors, key.maxOpenFor),
        )

    def test_kinds(self) -> None:
        """Each accepted kind of key can be used, including security keys."""
        kinds = ("ed25519", "ecdsa256", "ecdsa384", "ecdsa521", "rsa2048")
        lines = [publicLine(makeKey(kind)).strip() for kind in kinds]
        for kind in ("ed25519", "ecdsa"):
            key = SecurityKey(kind)
            line = f"{key._name.decode()} {toBase64(key.blob)} token"
            self.assertEqual(key.blob, self.readOne(line).blob)
        self.assertEqual(5, len(self.read(*lines)))

    def test_several(self) -> None:
        """Keys keep the order of the file."""
        comments = [each.comment for each in self.read(ANNA, BOB, ECDSA)]
        self.assertEqual(["anna@laptop", "bob", ""], comments)

    def test_nothing(self) -> None:
        """Empty lines and comments are ignored, with blanks before them, too."""
        self.assertEqual([], self.read("", "   \t", "# a comment", f"  # {ANNA}", "#", f"#{ANNA}"))

    def test_blanks(self) -> None:
        """Blanks and tabs around the fields are ignored, and so is a carriage return."""
        for line in (f"  {ANNA}  ", ANNA.replace(" ", "\t"), ANNA.replace(" ", "   "), f"{ANNA}\r"):
            self.assertEqual("anna@laptop", self.readOne(line).comment)

    def test_longComment(self) -> None:
        """A comment may have blanks, and text that looks like an option."""
        line = f'{KIND} {BLOB} anna  at home, from="nowhere"'
        self.assertEqual('anna  at home, from="nowhere"', self.readOne(line).comment)
        self.assertIsNone(self.readOne(line).sources)

    def test_noComment(self) -> None:
        """A key without a comment is named as such, with its fingerprint."""
        key = self.readOne(ECDSA)
        self.assertEqual(f"a key without a comment ({fingerprint(key.blob)})", str(key))

    def test_name(self) -> None:
        """A key is named by its comment and its fingerprint, as a comment proves nothing."""
        key = self.readOne(ANNA)
        self.assertEqual(f"anna@laptop ({fingerprint(key.blob)})", str(key))

    def test_lineEnds(self) -> None:
        """Only a newline ends a line: what sshd sees as a comment is a comment here, too."""
        for end in ("\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028"):
            keys, complaints = parseAuthorizedKeys(f"# old:{end}{ANNA}", "keys")
            self.assertEqual(([], []), (keys, complaints), repr(end))

    def test_noNewlineAtTheEnd(self) -> None:
        """The last line needs no newline."""
        self.assertEqual(2, len(parseAuthorizedKeys(f"{ANNA}\n{BOB}", "keys")[0]))

    def test_duplicates(self) -> None:
        """The same key on two lines is two entries, each with its own options."""
        first, second = self.read(f'doors="ssh" {ANNA}', f'doors="web" {ANNA}')
        self.assertEqual(first.blob, second.blob)
        self.assertEqual([{"ssh"}, {"web"}], [first.doors, second.doors])

    def test_complaint(self) -> None:
        """A bad line affects no other; its complaint has the file and the line's number, from 1."""
        keys, complaints = parseAuthorizedKeys(f"# a\n\n{ANNA}\nnonsense\n{BOB}\n", "/etc/keys")
        self.assertEqual(["anna@laptop", "bob"], [each.comment for each in keys])
        (complaint,) = complaints
        self.assertTrue(complaint.startswith("/etc/keys, line 4: this key is refused: "), complaint)

    def test_badBase64(self) -> None:
        """Invalid base64 is refused: no character is skipped."""
        for blob in (BLOB[:-1], "=" + BLOB, BLOB[:20] + "*" + BLOB[20:], "", "ä", "-_" + BLOB):
            self.assertEqual("it is not an SSH public key", self.refused(f"{KIND} {blob} anna"))

    def test_cutOff(self) -> None:
        """An incomplete key is refused."""
        for length in range(0, len(BLOB), 4):
            self.assertEqual(
                "it is not an SSH public key", self.refused(f"{KIND} {BLOB[:length]} a")
            )

    def test_otherType(self) -> None:
        """The type in the line must be the type of the key."""
        self.assertEqual(
            "it is labelled ecdsa-sha2-nistp256, but is ssh-ed25519",
            self.refused(f"ecdsa-sha2-nistp256 {BLOB} anna"),
        )

    def test_weak(self) -> None:
        """A key that is too weak is refused with the reason."""
        line = self.refused(publicLine(makeKey("rsa1024")))
        self.assertIn("an RSA key of 1024 bits is not accepted", line)

    def test_notTaken(self) -> None:
        """Types that are not accepted are refused, above all certificates."""
        for kind in (
            "ssh-dss",
            "ssh-ed25519-cert-v01@openssh.com",
            "ssh-rsa-cert-v01@openssh.com",
            "ssh-xmss@openssh.com",
            "SSH-ED25519",
            "rsa-sha2-512",
            "1024 65537",
        ):
            self.refused(f"{kind} {BLOB} anna")
            self.refused(f'from="10.0.0.1" {kind} {BLOB} anna')

    def test_certificate(self) -> None:
        """A certificate under the name of a key is refused."""
        blob = NS(b"ssh-ed25519-cert-v01@openssh.com") + NS(b"x") * 9
        self.assertEqual("it is not an SSH public key", self.refused(f"{KIND} {toBase64(blob)}"))

    def test_noKey(self) -> None:
        """Options without a key are refused."""
        line = self.refused('from="10.0.0.1"')
        self.assertEqual("it has no key: use a line from one of ssh-keygen's .pub files", line)

    def test_garbage(self) -> None:
        """No contents of a file raise an error, and each complaint is one line."""
        random_ = random.Random(20261108)
        letters = 'abc"\\,= \t#=\u2028\0\ud800' + KIND + BLOB
        for _ in range(3000):
            text = "".join(random_.choices(letters, k=random_.randrange(60)))
            at = random_.randrange(len(ANNA))
            inside = ANNA[:at] + text + ANNA[at:]
            for line in (text, f"{text} {ANNA}", inside, f'from="{text}" {ANNA}'):
                for complaint in parseAuthorizedKeys(line, "keys")[1]:
                    self.assertNotIn("\n", complaint)


class OptionTests(AuthorizedKeysTestCase):
    """
    Tests of the options in front of a key.
    """

    def test_from(self) -> None:
        """C{from} has addresses, separated by commas, even inside the quotes."""
        key = self.readOne(f'from="10.0.0.0/8,!10.0.0.7" {ANNA}')
        self.assertEqual(AddressPatterns.parse("10.0.0.0/8,!10.0.0.7"), key.sources)

    def test_doors(self) -> None:
        """C{doors} has names; blanks inside the quotes are ignored."""
        key = self.readOne(f'doors="ssh, web ,,mail" {ANNA}')
        self.assertEqual({"ssh", "web", "mail"}, key.doors)

    def test_maxOpen(self) -> None:
        """C{max-open-for} has a time; it was once called C{max-open}."""
        for name in ("max-open-for", "max-open"):
            self.assertEqual(5400.0, self.readOne(f'{name}="1h30m" {ANNA}').maxOpenFor)
        self.assertIn("twice", self.refused(f'max-open="1h",max-open-for="2h" {ANNA}'))

    def test_flags(self) -> None:
        """C{prefix} and C{for-others} have no value."""
        for options, expected in (
            ("prefix", (True, False)),
            ("for-others", (False, True)),
            ('For-Others,doors="ssh",PREFIX', (True, True)),
            ('doors="ssh"', (False, False)),
        ):
            key = self.readOne(f"{options} {ANNA}")
            self.assertEqual(expected, (key.hasPrefix, key.isForOthers))
        for options in ('prefix="24"', 'for-others="yes"'):
            name = options.partition("=")[0]
            self.assertEqual(f"{name}=: it takes no value", self.refused(f"{options} {ANNA}"))
        self.assertIn("given twice", self.refused(f"prefix,prefix {ANNA}"))

    def test_expiryTime(self) -> None:
        """C{expiry-time} has a day, or a minute or second of it."""
        useUTC(self)
        for text, when in (
            ("20271231", utc(2027, 12, 31)),
            ("202712312359", utc(2027, 12, 31, 23, 59)),
            ("20271231235958", utc(2027, 12, 31, 23, 59, 58)),
        ):
            for end in ("", "Z"):
                key = self.readOne(f'expiry-time="{text}{end}" {ANNA}')
                self.assertEqual(when, key.expires)

    def test_all(self) -> None:
        """All options can be combined, in any order, in front of the key."""
        key = self.readOne(
            f'max-open-for="1h",doors="ssh",expiry-time="20271231Z",from="10.0.0.1" {ANNA}'
        )
        self.assertEqual(
            (3600.0, {"ssh"}, utc(2027, 12, 31), AddressPatterns.parse("10.0.0.1"), "anna@laptop"),
            (key.maxOpenFor, key.doors, key.expires, key.sources, key.comment),
        )

    def test_capitals(self) -> None:
        """Names of options may have capitals, as with sshd."""
        self.assertEqual({"ssh"}, self.readOne(f'Doors="ssh" {ANNA}').doors)

    def test_escapes(self) -> None:
        """A backslash makes a quote part of the value; elsewhere it is an ordinary character."""
        key = self.readOne(f'doors="a\\"b,c\\d" {ANNA}')
        self.assertEqual({'a"b', "c\\d"}, key.doors)

    def test_keyInside(self) -> None:
        """Text that looks like a key inside the quotes is not the key."""
        self.assertEqual("anna@laptop", self.readOne(f'doors="ssh-rsa {BLOB} x" {ANNA}').comment)

    def test_unknown(self) -> None:
        """An unknown option refuses the key, and the complaint lists the known ones."""
        for option in ("no-pty", 'command="ls"', "tunnel", "restrict", 'environment="A=B"'):
            name = option.partition("=")[0]
            self.assertEqual(
                f"unknown option {name}: use from, expiry-time, doors, max-open-for, prefix, "
                "for-others, cert-authority, principals, any-principal",
                self.refused(f"{option} {ANNA}"),
            )
            self.assertIn(f"unknown option {name}: ", self.refused(f'doors="ssh",{option} {ANNA}'))

    def test_twice(self) -> None:
        """An option that is given twice refuses the key, even with different capitals."""
        for options in ('doors="a",doors="b"', 'doors="a",from="10.0.0.1",DOORS="a"'):
            self.assertEqual("the option doors is given twice", self.refused(f"{options} {ANNA}"))

    def test_unreadable(self) -> None:
        """Malformed options refuse the key."""
        for options in (
            'doors="ssh',
            "doors=ssh",
            'doors="ssh"x',
            'doors="a",',
            ',doors="a"',
            'doors="a\\"',
            'doors="a",,from="10.0.0.1"',
            'doors = "a"',
            '="a"',
            "from=10.0.0.1",
        ):
            self.refused(f"{options} {ANNA}")

    def test_blankBetween(self) -> None:
        """A blank ends the options: the key must follow."""
        self.assertIn("options cannot be read", self.refused(f'doors="a", from="10.0.0.1" {ANNA}'))
        self.assertIn("is not a type of key", self.refused(f'doors="a" from="10.0.0.1" {ANNA}'))

    def test_badValues(self) -> None:
        """A bad value refuses the key, and the complaint begins with the option."""
        for option, reason in (
            ('from="example.org"', "from=: 'example.org' is not an address: "),
            ('from="!10.0.0.1"', "from=: it allows no address: "),
            ('from=""', "from=: an item is empty: "),
            ("from", "from=: an item is empty: "),
            ('doors=""', "doors=: it names no door"),
            ('doors=" , "', "doors=: it names no door"),
            ("doors", "doors=: it names no door"),
            ('max-open-for="0"', "max-open-for=: '0' is not a time from 1s to 30d: "),
            ('max-open-for="ever"', "max-open-for=: 'ever' is not a time "),
            ("max-open-for", "max-open-for=: '' is not a time "),
        ):
            line = self.refused(f"{option} {ANNA}")
            self.assertTrue(line.startswith(reason), line)

    def test_badTimes(self) -> None:
        """
        An invalid time refuses the key, such as one of a wrong length, or a day that does not
        exist.
        """
        for text in (
            "",
            "2027",
            "2027123",
            "202712311",
            "20270230",
            "20271301",
            "2027-12-31",
            "Z",
            "202712312460",
            "20271231235999",
            "20271231ZZ",
            "20271231z",
            "+2027123",
            " 2027123",
        ):
            self.assertEqual(
                f"expiry-time=: {text!r} is not a time: "
                "write it like 20271231 or 202712312359, with a Z for UTC",
                self.refused(f'expiry-time="{text}" {ANNA}'),
            )

    def test_farTimes(self) -> None:
        """A time that this host's time zone cannot show refuses it, too; nothing is raised."""
        for zone, text in (
            ("JST-9", "00010101"),
            ("PST8", "00010101Z"),
            ("JST-9", "99991231235959Z"),
        ):
            useZone(self, zone)
            self.assertIn(f"{text!r} is not a time", self.refused(f'expiry-time="{text}" {ANNA}'))

    def test_zones(self) -> None:
        """A time is in this host's time zone, or in UTC if it has a Z."""
        for zone, hours in (("JST-9", -9), ("PST8", 8), ("CET-1CEST,M3.5.0,M10.5.0/3", -2)):
            useZone(self, zone)
            local = self.readOne(f'expiry-time="20270701" {ANNA}').expires
            self.assertEqual(utc(2027, 7, 1) + hours * 3600, local, zone)
            key = self.readOne(f'expiry-time="20270701Z" {ANNA}')
            self.assertEqual(utc(2027, 7, 1), key.expires, zone)


class AuthorityTests(AuthorizedKeysTestCase):
    """
    Tests of lines with C{cert-authority}.
    """

    def test_principals(self) -> None:
        """A line has the names of which a certificate must have one, or any-principal."""
        key = self.readOne(f'cert-authority,principals="anna, ops team,DOM\\\\x" {ANNA}')
        self.assertTrue(key.isAuthority)
        self.assertEqual({"anna", "ops team", "DOM\\\\x"}, key.principals)
        self.assertFalse(key.takesAnyPrincipal)
        key = self.readOne(f"any-principal,Cert-Authority {ANNA}")
        self.assertEqual((True, True), (key.isAuthority, key.takesAnyPrincipal))
        self.assertFalse(self.readOne(ANNA).isAuthority)

    def test_withoutPrincipals(self) -> None:
        """Without either, the line is refused: sshd would compare with the user who logs in."""
        reason = self.refused(f"cert-authority {ANNA}")
        self.assertTrue(reason.startswith("a cert-authority needs principals=, since sshd"), reason)
        self.assertIn("any-principal", reason)

    def test_contradictions(self) -> None:
        """What would not mean what it says is refused."""
        for options, reason in {
            'cert-authority,any-principal,principals="a"': "contradict each other",
            'principals="a"': "are about certificates: add cert-authority",
            "any-principal": "are about certificates: add cert-authority",
            'cert-authority="yes",principals="a"': "it takes no value",
        }.items():
            self.assertIn(reason, self.refused(f"{options} {ANNA}"))

    def test_names(self) -> None:
        """Patterns, exceptions and empty names are refused, since names are compared whole."""
        for names in (
            "",
            "a,,b",
            "a,",
            "*",
            "ann?",
            "!bob",
            "a,!b",
            "\x00",
            "x\x7f",
            "\ufffd",
            " ",
        ):
            self.assertIn("is not the name of a principal", self.refused(self.line(names)))

    def line(self, names: str) -> str:
        """Return the line of an authority."""
        return f'cert-authority,principals="{names}" {ANNA}'

    def test_certificate(self) -> None:
        """A certificate in place of a key is refused, and the complaint says what to add."""
        blob = toBase64(certificate(makeKey(), makeKey()))
        for options in ("", 'cert-authority,principals="a" ', 'doors="ssh" '):
            reason = self.refused(f"{options}ssh-ed25519-cert-v01@openssh.com {blob} anna")
            self.assertIn("it is a certificate: add the key of its authority instead", reason)
        self.assertIn("not an SSH public key", self.refused(self.line("a").replace(BLOB, blob)))

    def test_twoKeys(self) -> None:
        """A line has one key; another one behind it is its comment."""
        key = self.readOne(f"{self.line('a')} {BOB}")
        self.assertEqual(BLOB, toBase64(key.blob))


class RefusalTests(AuthorizedKeysTestCase):
    """
    Tests of L{AuthorizedKey.findRefusal}.
    """

    def refusal(
        self, options: str, door: str = "ssh", source: str = "10.0.0.1", today: float = 0.0
    ) -> str:
        """Return why Anna's key may not open, without her name."""
        key = self.readOne(f"{options} {ANNA}")
        return key.findRefusal(door, source, today).replace(str(key), "anna")

    def test_none(self) -> None:
        """Without options nothing is refused."""
        self.assertEqual("", self.refusal("", today=9e9))

    def test_door(self) -> None:
        """The key opens the doors that are named, and no others."""
        self.assertEqual("", self.refusal('doors="web,ssh"'))
        self.assertEqual("the key of anna is not for this door", self.refusal('doors="web,ss"'))

    def test_source(self) -> None:
        """It opens for the sources that are named, and no others."""
        self.assertEqual("", self.refusal('from="10.0.0.0/8"'))
        self.assertEqual(
            "the key of anna may not knock from here (from=)",
            self.refusal('from="10.0.0.0/8"', source="11.0.0.1"),
        )

    def test_expired(self) -> None:
        """It opens until it expires; the refusal has that time in local time."""
        useZone(self, "JST-9")
        options, end = 'expiry-time="20270701Z"', utc(2027, 7, 1)
        self.assertEqual("", self.refusal(options, today=end - 0.001))
        for today in (end, end + 9e7):
            self.assertEqual(
                "the key of anna expired 2027-07-01 09:00", self.refusal(options, today=today)
            )

    def test_eachCounts(self) -> None:
        """If there are several options, all must allow the knock."""
        options = 'from="10.0.0.0/8",doors="ssh",expiry-time="20270701Z"'
        self.assertEqual("", self.refusal(options))
        self.assertNotEqual("", self.refusal(options, door="web"))
        self.assertNotEqual("", self.refusal(options, source="11.0.0.1"))
        self.assertNotEqual("", self.refusal(options, today=utc(2028, 1, 1)))
