"""Tests of L{pkdoors.keysources.loginkeys}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.keysources import loginkeys
from pkdoors.keysources.loginkeys import LoginKey, readLoginKeys
from pkdoors.locks.sealed.authorizedkeys import parseLine
from tests.lab.sealing import makeKey, publicLine

ANNA = publicLine(makeKey(), "anna at home").strip()
WEAK = publicLine(makeKey("rsa1024"), "old").strip()


class LoginKeyTests(SynchronousTestCase):
    """Keys that may log in, as keys that may knock."""

    def read(self, *lines: str) -> list[LoginKey]:
        """Return the keys of a file in which every line is good."""
        keys, complaints = readLoginKeys("\n".join(lines), "f", "anna")
        self.assertEqual([], complaints)
        return keys

    def refused(self, *lines: str) -> str:
        """Return why the only key of a file cannot knock."""
        keys, complaints = readLoginKeys("\n".join(lines), "f", "anna")
        self.assertEqual(([], 1), (keys, len(complaints)))
        return complaints[0]

    def test_plain(self) -> None:
        """Comments and empty lines are left out; a key stays as it is."""
        (key,) = self.read("# x", "", f"  {ANNA}\r")
        self.assertEqual((ANNA, "", ()), (key.line, key.kept, key.removed))
        self.assertEqual("ssh-ed25519", key.kind)

    def test_options(self) -> None:
        """What limits from where and until when stays; what limits the session goes."""
        (key,) = self.read(
            f'restrict,command="a \\"b\\" c",from="10.0.0.0/8,!10.1.1.1",permitopen="a:1",'
            f'permitopen="b:2",expiry-time="20401231",no-pty {ANNA}'
        )
        self.assertEqual('from="10.0.0.0/8,!10.1.1.1",expiry-time="20401231"', key.kept)
        self.assertEqual(("restrict", "command", "permitopen", "no-pty"), key.removed)
        self.assertEqual(f"{key.kept} {ANNA}", key.line)
        self.assertEqual(key.key.sources, parseLine(key.line).sources)
        self.assertIsNotNone(key.key.expires)

    def test_authority(self) -> None:
        """An authority's certificates must name the user, as sshd demands, or its principals."""
        (key,) = self.read(f"cert-authority {ANNA}")
        self.assertEqual(f'cert-authority,principals="anna" {ANNA}', key.line)
        (key,) = self.read(f'cert-authority,principals="ops,dev",no-pty {ANNA}')
        self.assertEqual(frozenset(("ops", "dev")), key.key.principals)
        self.assertEqual(("no-pty",), key.removed)

    def test_refused(self) -> None:
        """What a knock cannot use is refused with its line; no key is let in more widely."""
        for line, words in (
            (WEAK, "RSA"),
            ("ssh-dss AAAAB3NzaC1kc3MAAACBAP x", "'ssh-dss' is not a type of key"),
            (f'from="*.example.org" {ANNA}', "from="),
            (f'from="10.0.0.1",from="10.0.0.2" {ANNA}', "the option from is given twice"),
            (f'expiry-time="soon" {ANNA}', "expiry-time="),
            ("nonsense", "it has no key"),
        ):
            refusal = self.refused("#", line)
            self.assertTrue(refusal.startswith("f, line 2: "), refusal)
            self.assertIn(words, refusal)

    def test_many(self) -> None:
        """A file with very many lines does not take for ever."""
        self.patch(loginkeys, "MAX_LOGIN_KEYS", 2)
        keys, complaints = readLoginKeys(f"{ANNA}\n" * 9, "f", "anna")
        self.assertEqual(2, len(keys))
        self.assertEqual(["f has more lines: only the first 2 are read"], complaints)
