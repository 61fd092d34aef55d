"""Tests of L{pkdoors.util.toml}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.util.toml import MAX_DEPTH, readToml


class ReadTomlTests(SynchronousTestCase):
    """
    Tests of L{readToml}.
    """

    def refused(self, text: str) -> str:
        """Return why a text is not TOML."""
        return str(self.assertRaises(BadValue, readToml, text))

    def test_read(self) -> None:
        """All values of TOML can be read."""
        self.assertEqual(
            {"a": {"b": [1, {"c": 1.5}], "d": True}}, readToml("[a]\nb = [1, {c = 1.5}]\nd = true")
        )

    def test_noToml(self) -> None:
        """
        Anything else is refused with the place; so are inputs that Python itself cannot handle.
        """
        self.assertEqual("Invalid value (at line 1, column 5)", self.refused("a = b"))
        for text in ("a = " + "9" * 5000, "a = " + "[" * 20_000):
            self.assertTrue(self.refused(text))

    def test_longNumbers(self) -> None:
        """Whole numbers have the range that TOML allows, at any depth."""
        for number in (2**63 - 1, -(2**63)):
            self.assertEqual({"a": number}, readToml(f"a = {number}"))
        for text in (f"a = {2**63}", "a = 0x" + "f" * 4000, f"a = [{{b = {-(2**63) - 1}}}]"):
            self.assertEqual("a whole number is longer than 64 bits", self.refused(text))

    def test_depth(self) -> None:
        """Nesting is bounded, so a table can always be shown."""
        self.assertTrue(repr(readToml("a = " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))))
        for text in ("a.b.c." * 3 + "a = " + "[" * 50 + "]" * 50, "a = " + "[" * 60 + "]" * 60):
            self.assertIn("nested more than 50 levels", self.refused(text))

    def test_dots(self) -> None:
        """A key with very many dots is refused at once; reading it would take hours."""
        for text in ("a." * 200_000 + "a = 1", "x = { " + "a . " * 1000 + "a = 1 }"):
            error = self.assertRaises(BadValue, readToml, text)
            self.assertEqual("a line has more than 20 dots outside quotes and comments", str(error))
        dots = "." * 100
        for text in (f"a = '{dots}'", f'a = "\\"{dots}"', f"a = 1 # {dots}", f"'{dots}' = 1"):
            self.assertEqual(1, len(readToml(text)))

    def test_quotesNothing(self) -> None:
        """The reason gives the place, and quotes no name or number of the text."""
        for text, reason in (
            ("[a.17001]\n[a.17001]\n", "Cannot declare it twice (at line 2, column 9)"),
            ("x = {17001 = 1, 17001 = 2}", "Duplicate inline table key it (at line 1, column 26)"),
            ("x = 1\nx = 2", "Cannot overwrite a value (at end of document)"),
        ):
            self.assertEqual(reason, str(self.assertRaises(BadValue, readToml, text)))
