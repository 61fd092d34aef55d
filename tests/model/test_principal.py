"""Tests of L{pkdoors.model.principal}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.model.principal import NOBODY, OPERATOR, Principal, parsePrincipal

KEY = "SHA256:" + "a" * 43


class PrincipalTests(SynchronousTestCase):
    """
    Tests of L{Principal}.
    """

    def test_text(self) -> None:
        """A principal is shown as its name, with its key in brackets if it has one."""
        self.assertEqual(f"anna ({KEY})", str(Principal("anna", KEY)))
        self.assertEqual(f"a key without a comment ({KEY})", str(Principal("", KEY)))
        self.assertEqual(f"anna ({KEY}) from 192.0.2.7", str(Principal("anna", KEY, "192.0.2.7")))
        self.assertEqual(("the operator", ""), (str(OPERATOR), str(NOBODY)))

    def test_comment(self) -> None:
        """The comment of an opening can be read back."""
        for who in (
            Principal("anna b@laptop", KEY),
            Principal("", KEY),
            Principal("anna b@laptop", KEY, "2001:db8::7"),
            Principal("", KEY, "192.0.2.7"),
            Principal("from=192.0.2.7 anna"),
            Principal(f"from=here {KEY}"),
            OPERATOR,
            NOBODY,
        ):
            self.assertEqual(who, parsePrincipal(who.asComment()))

    def test_commentIsSafe(self) -> None:
        """No name ends the quotes of a comment, or makes it too long."""
        note = Principal('a"; drop \\ \n\x1b\u00e9{}' + "x" * 500, KEY).asComment()
        self.assertEqual(f"{KEY} a?; drop ? ???{{}}", note.rstrip("x"))
        self.assertEqual(127, len(note))

    def test_longest(self) -> None:
        """A long name is cut, never the key or the address that it asked from."""
        address = ":".join(["ffff"] * 8)
        read = parsePrincipal(Principal("x" * 500, KEY, address).asComment())
        self.assertEqual((KEY, address), (read.key, read.address))
