"""Tests of L{pkdoors.util.quoting}."""

from datetime import date, time

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.util.quoting import hidePorts, mayHavePort, quoteHost, shown


class ShownTests(SynchronousTestCase):
    """
    Tests of L{shown} and L{quoteHost}.
    """

    def test_harmless(self) -> None:
        """A value that cannot be a part of a sequence is quoted, so people can find it."""
        for value, text in (
            ("ten", "'ten'"),
            ("1h30m", "'1h30m'"),
            ("22/tcp", "'22/tcp'"),
            (5, "5"),
            (1.5, "1.5"),
            (True, "true"),
            ("a\x1b[2J\n", "'a\\x1b[2J\\n'"),
        ):
            self.assertEqual(text, shown(value))

    def test_hidden(self) -> None:
        """A value that may be one or several ports is hidden."""
        for value in ("17001", "x17001", "7,8", "7; 8", "7 8", "7|8", "170", "1.17001"):
            self.assertTrue(mayHavePort(value), value)
            self.assertEqual("this", shown(value))
        self.assertEqual("this number", shown(17001))
        self.assertEqual("this number", shown(1700.1))

    def test_inside(self) -> None:
        """The contents of a list, a table or a date are hidden."""
        self.assertEqual(
            ["a list", "a list", "a table", "a date or time", "a date or time"],
            [shown(each) for each in ([1], ["17001"], {"17001": 1}, date(1700, 1, 2), time(17, 0))],
        )

    def test_long(self) -> None:
        """A long value is quoted only in part."""
        self.assertEqual(65, len(shown("x" * 10_000)))

    def test_others(self) -> None:
        """Another program's message loses each number that may be a port, and keeps addresses."""
        for said, kept in (
            ('INVALID_RULE: port port="17001" protocol="udp"', 'port port="..." protocol="udp"'),
            ("udp dport { 17001, 17203 } accept", "{ ..., ... } accept"),
            ("address 192.0.2.117 is bad: 17001", "address 192.0.2.117 is bad: ..."),
            ("No such file", "No such file"),
        ):
            self.assertIn(kept, hidePorts(said))

    def test_host(self) -> None:
        """A host is quoted, but not a sequence in its place."""
        for host in ("home.example", "192.0.2.7", "2001:db8::7", "web100"):
            self.assertEqual(repr(host), quoteHost(host))
        for host in ("17001", "17001,17203", "17001 17203"):
            self.assertNotIn("17", quoteHost(host))
