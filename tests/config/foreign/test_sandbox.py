"""Tests of L{pkdoors.config.foreign.sandbox}."""

from twisted.trial.unittest import SynchronousTestCase

from pkdoors.config.foreign.commands import readCommand
from pkdoors.config.foreign.sandbox import explainHook


class SandboxTests(SynchronousTestCase):
    """What commands of other programs lack as hooks."""

    def explain(self, text: str) -> str:
        """Return what is said about a command of another program."""
        hook = readCommand(text).hook
        self.assertTrue(hook, text)
        return "\n".join(explainHook(hook))

    def test_known(self) -> None:
        """Programs that need more than the sandbox has are named, with what to do."""
        for text, words in (
            ("/usr/bin/sudo -n /usr/bin/tell", "sudo gains no rights there"),
            ("/usr/bin/systemctl start sshd", "systemctl needs a polkit rule"),
            ("/usr/sbin/service sshd start", "service needs a polkit rule"),
            ("ufw route allow from %IP%", "ufw answers root only"),
            ("fail2ban-client unban %IP%", "fail2ban-client answers root only"),
            ("firewall-cmd --reload", "firewall-cmd may change the firewall"),
            ("iptables-legacy -A FORWARD -s %IP% -j ACCEPT", "cannot write its lock in /run"),
            ("iptables -A FORWARD -s %IP% -j ACCEPT", "iptables may change the firewall"),
            ("/usr/sbin/nft add element inet f c { %IP% }", "nft may change the firewall"),
            ("echo opened | mail -s door root", "mail cannot hand a mail"),
            ("/bin/a; (/usr/sbin/ufw reload)", "ufw answers root only"),
        ):
            self.assertIn(words, self.explain(text), text)

    def test_files(self) -> None:
        """Commands that touch files hear which ones there are."""
        for text in (
            "/home/anna/tell %IP%",
            "/bin/tell /root/x",
            "echo %IP% >> /srv/log",
            "/bin/touch /var/run/x",
            "/bin/tell ~/x",
        ):
            self.assertIn("the sandbox has no /home and /root", self.explain(text), text)
        self.assertNotIn("sandbox", self.explain("/usr/bin/systemctl start home.service"))

    def test_others(self) -> None:
        """Whatever else it is, it hears what holds for all; a name within another is none."""
        for text in ("/usr/bin/wakeonlan 00:11:22:33:44:55", "/opt/sudoku/play", "/bin/x-nft"):
            self.assertTrue(self.explain(text).startswith("it runs without the rights of root"))
