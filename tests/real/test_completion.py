"""Tests of what the shells complete when the user presses TAB."""

import os
from tempfile import TemporaryDirectory

from twisted.trial.unittest import SynchronousTestCase

from tests.fakes.admin import FakeAdmin, makeOpening
from tests.lab.hosts import BIN, eventually
from tests.lab.terminal import Terminal

OPEN = "2001:db8::7"


class BashTests(SynchronousTestCase):
    """
    A test with bash, without the distribution's own completion.

    @cvar shell: the command that starts it, without any user's configuration.
    @cvar setup: the lines that the user adds to the configuration.
    """

    shell: tuple[str, ...] = ("bash", "--norc", "--noprofile", "-i")
    setup = 'eval "$(pkdoors completion bash)"'

    def setUp(self) -> None:
        """Start a daemon, and a shell that can complete."""
        self.admin = FakeAdmin().__enter__()
        self.addCleanup(self.admin.__exit__)
        self.admin.openings = [makeOpening("192.0.2.7"), makeOpening(OPEN, "web")]
        folder = TemporaryDirectory(prefix="pkdoors-")
        self.addCleanup(folder.cleanup)
        self.home = folder.name
        self.terminal = Terminal(
            *self.shell,
            columns=200,
            environment={
                **{"HOME": self.home, "PS1": "> ", "PROMPT": "> "},
                "PATH": f"{BIN}:{os.environ['PATH']}",
            },
        )
        self.addCleanup(self.terminal.close)
        self.do(self.setup)

    def do(self, command: str) -> None:
        """Let the shell run a command to its end."""
        self.terminal.type(f"{command}; echo do''ne\r")
        self.assertTrue(
            eventually(lambda: "done" in self.terminal.screen()), self.terminal.screen()
        )
        self.clear()

    def clear(self) -> None:
        """Delete what was typed, and clear the screen."""
        for key in "\x15\x0c":  # Ctrl-U and Ctrl-L: Ctrl-C would swallow what is typed after it
            self.terminal.type(key)
            self.assertTrue(eventually(lambda: self.terminal.line() == ">"))
        self.assertTrue(eventually(lambda: [*filter(None, self.terminal.screen())] == [">"]))

    def completes(self, typed: str, whole: str) -> None:
        """Assert that the typed text becomes this, with TAB."""
        self.terminal.type(f"{typed}\t")
        becomes = eventually(lambda: self.terminal.line() == f"> {whole}")
        self.assertTrue(becomes, (typed, self.terminal.screen()))
        self.clear()

    def offers(self, typed: str, *words: str) -> None:
        """Assert that the typed text can go on in these ways."""
        self.terminal.type(f"{typed}\t\t")
        for word in words:
            self.assertTrue(self.terminal.shows(word), (typed, word, self.terminal.screen()))
        self.clear()

    def test_commands(self) -> None:
        """Commands and options are completed."""
        self.completes("pkdoors stat", "pkdoors status")
        self.completes("pkdoors status --js", "pkdoors status --json")
        self.offers("pkdoors rel", "release", "reload")

    def test_doors(self) -> None:
        """So are the names of doors, and the addresses that they are open for."""
        admin = f"--admin {self.admin.path}"
        self.completes(f"pkdoors open {admin} --door w", f"pkdoors open {admin} --door web")
        self.completes(f"pkdoors close {admin} 20", f"pkdoors close {admin} {OPEN}")
        self.completes(f"pkdoors close {admin} 2001:d", f"pkdoors close {admin} {OPEN}")
        self.offers(f"pkdoors open {admin} --door ", "ssh", "web")

    def test_hosts(self) -> None:
        """So are the profiles of hosts."""
        folder = f"{self.home}/.config/pkdoors"
        os.makedirs(folder)
        file = os.open(f"{folder}/hosts.toml", os.O_WRONLY | os.O_CREAT, 0o600)
        os.write(file, b"[hosts.webserver]\nsequence = [1, 2, 3, 4, 5]\n")
        os.close(file)
        self.completes("pkdoors knock webs", "pkdoors knock webserver")
        self.completes("pkdoors connect webs", "pkdoors connect webserver")
        self.completes("pkdoors export webs", "pkdoors export webserver")
        self.completes("pkdoors export a --format powe", "pkdoors export a --format powershell")
        self.completes("pkdoors init --format knocko", "pkdoors init --format knockonports")
        self.completes("pkdoors export a -o /etc/hostn", "pkdoors export a -o /etc/hostname")
        self.completes("pkdoors import --repl", "pkdoors import --replace")

    def test_files(self) -> None:
        """So are files, if an option needs one."""
        for name in ("a-file.toml", "a key"):
            open(f"{self.home}/{name}", "w").close()
        os.mkdir(f"{self.home}/folder")
        for typed, name in (("a-f", "a-file.toml"), ("fol", "folder/"), (r"a\ k", r"a\ key")):
            command = f"pkdoors status -c {self.home}/"
            self.completes(command + typed, command + name)
        self.completes("pkdoors knock h -i /etc/hostn", "pkdoors knock h -i /etc/hostname")

    def test_check(self) -> None:
        """So are the options of C{check}, which are the daemon's, and their values."""
        self.completes("pkdoors check --fire", "pkdoors check --firewall")
        self.completes("pkdoors check --firewall nft", "pkdoors check --firewall nftables")
        self.completes("pkdoors check --firewall fire", "pkdoors check --firewall firewalld")
        self.completes("pkdoors check --conf /etc/hostn", "pkdoors check --conf /etc/hostname")

    def test_noDaemon(self) -> None:
        """Without a daemon there is nothing to complete, and no message about it."""
        self.admin.stop()
        line = f"pkdoors open --admin {self.admin.path} --door "
        self.terminal.type(f"{line}\t\t")
        self.terminal.type("x")
        self.assertTrue(self.terminal.shows(f"{line}x"), self.terminal.screen())
        shown = [line for line in self.terminal.screen() if line]
        self.assertEqual(1, len(shown), shown)


class ZshTests(BashTests):
    """
    The same with zsh.
    """

    shell = ("zsh", "-f", "-i")
    setup = 'autoload -U compinit; compinit -D -u; eval "$(pkdoors completion zsh)"'


class FishTests(BashTests):
    """
    The same with fish.
    """

    shell = ("fish", "-i")
    setup = (
        "function fish_prompt; echo -n '> '; end; mkdir -p ~/.config/fish/completions; "
        "pkdoors completion fish > ~/.config/fish/completions/pkdoors.fish"
    )
