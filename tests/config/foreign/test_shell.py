"""Tests of L{pkdoors.config.foreign.shell}."""

import subprocess

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.foreign.shell import ADDRESS, makeHook

IP = "%IP%"


class HookTests(SynchronousTestCase):
    """Commands for a shell as hooks."""

    def test_plain(self) -> None:
        """What needs no shell gets none."""
        self.assertEqual(("/bin/a", "b c", "d"), makeHook("/bin/a 'b c' d", IP))
        for text in ("a b", "/bin/a $HOME", "/bin/a; /bin/b", "/bin/a 'b", "/bin/a >x", ""):
            self.assertEqual(("/bin/sh", "-c", text), makeHook(text, IP))

    def test_address(self) -> None:
        """
        The shell sees the address where it stood, whatever quotes it stood in, and as one word: an
        address cannot be a command.
        """
        for text, expected in (
            ("printf '[%s]' %IP%", "[1.2.3.4 ;x]"),
            ("printf '[%s]' \"a %IP% b\"", "[a 1.2.3.4 ;x b]"),
            ("printf '[%s]' 'a %IP% b'", "[a 1.2.3.4 ;x b]"),
            ("printf '[%s]' a%IP%b%IP%", "[a1.2.3.4 ;xb1.2.3.4 ;x]"),
            ("printf '[%s]' \"it's %IP%\" 'say \"%IP%\"'", '[it\'s 1.2.3.4 ;x][say "1.2.3.4 ;x"]'),
            ("printf '[%s]' it\\'s%IP%", "[it's1.2.3.4 ;x]"),
        ):
            hook = makeHook(text, IP)
            done = subprocess.run(hook, env={ADDRESS: "1.2.3.4 ;x"}, capture_output=True, text=True)
            self.assertEqual((expected, ""), (done.stdout, done.stderr), text)
