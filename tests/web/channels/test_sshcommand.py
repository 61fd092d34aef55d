"""Tests of L{pkdoors.web.channels.sshcommand}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.errors import BadValue
from pkdoors.web.channels.sshcommand import OPTIONS, SshTarget, parseCommand, parseHost


class WordsTests(SynchronousTestCase):
    """Tests of the command line."""

    def test_usual(self) -> None:
        """It runs pkdoors there, and neither the host nor the command can be an option."""
        self.assertEqual(
            ["ssh", *OPTIONS, "--", "root@gate1", "pkdoors relay-admin"],
            SshTarget("root@gate1").words(),
        )

    def test_all(self) -> None:
        """The words for the host's shell are quoted; those for ssh are not."""
        target = SshTarget(
            "gate1", ("ssh", "-p", "2222"), "/opt/my apps/pkdoors", ("--conf=/etc/a;b",), True
        )
        self.assertEqual(
            [
                *("ssh", "-p", "2222", *OPTIONS, "--", "gate1"),
                "sudo -n '/opt/my apps/pkdoors' relay-admin '--conf=/etc/a;b'",
            ],
            target.words(),
        )

    def test_hosts(self) -> None:
        """Hosts as ssh takes them; brackets are for it only within a URI."""
        for text in (
            "gate1",
            "root@gate1.example",
            "root@2001:db8::1",
            "ssh://root@[2001:db8::1]:2222",
            "fe80::1%eth0",
            "DOMAIN\\anna@gate1",
            "anna@b@gate1",
        ):
            self.assertEqual(text, parseHost(text))
        self.assertEqual("root@2001:db8::1", parseHost("root@[2001:db8::1]"))
        self.assertEqual("fe80::1%eth0", parseHost("[fe80::1%eth0]"))

    def test_noHosts(self) -> None:
        """What ssh would take for an option is refused, as is what cannot be a host."""
        for text in ("-oProxyCommand=touch x", "-", "--", "", "a b", "a\nb", "\x1b[2J", "a\x00"):
            error = self.assertRaises(BadValue, parseHost, text)
            self.assertIn("is not a host", str(error))
            self.assertTrue(str(error).isprintable())

    def test_command(self) -> None:
        """The words of --ssh are split as a shell does."""
        self.assertEqual(("ssh", "-i", "my key"), parseCommand("ssh -i 'my key'"))
        for text in ("", " ", "'open"):
            self.assertIn("is not a command", str(self.assertRaises(BadValue, parseCommand, text)))


class ExplainTests(SynchronousTestCase):
    """Tests of the sentences if pkdoors there does not answer."""

    def test_sentences(self) -> None:
        """Each names the host, what is wrong, and what to do."""
        for status, isSudo, words in (
            (255, False, "ssh cannot log in to root@gate1"),
            (127, False, "install pkdoors there, or use --program PATH"),
            (126, False, "--program"),
            (2, True, "if it is older than 26.12.0, upgrade it"),
            (1, True, "NOPASSWD"),
            (1, False, "status 1 of ssh"),
            (-9, True, "status -9 of ssh"),
            (0, False, "authorized_keys"),
        ):
            target = SshTarget("root@gate1", isSudo=isSudo)
            sentence = target.explainStart(status, "26.12.0")
            self.assertIn(words, sentence)
            self.assertIn("root@gate1", sentence)
