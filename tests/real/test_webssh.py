"""Tests of C{pkdoors web HOST}, with a real ssh and sshd, and C{pkdoors relay-admin} behind it."""

import shlex
import shutil
import signal
from pathlib import Path

from tests.lab.case import KNOCKS, SshTestCase
from tests.lab.hosts import CLIENT4, SERVER4, eventually
from tests.lab.terminal import Terminal
from tests.lab.webclient import PKDOORS, WebClient

ANNA = "anna"
SUDOERS = """
Defaults env_reset
root ALL=(ALL:ALL) ALL
{}
"""


class WebSshTestCase(SshTestCase):
    """With a daemon and sshd on one host, and the page's server on another one."""

    doors = "2222"

    def setUp(self) -> None:
        """Start both."""
        super().setUp()
        self.sshd()
        self.admin = f"{self.folder}/admin.sock"
        self.daemonThere = self.daemon(ports=self.doors)

    def web(
        self,
        *options: str,
        host: str = f"root@{SERVER4}",
        ssh: tuple[str, ...] = (),
        program: str = PKDOORS,
    ) -> WebClient:
        """Start the page's server."""
        command = shlex.join(("ssh", *self.sshOptions(), *ssh))
        words = ("--ssh", command, "--program", program, "--admin", self.admin, *options, host)
        return WebClient(self.client, *words)

    def assertFails(self, web: WebClient, *parts: str) -> None:
        """Assert that it ends before there is a link, with a last line that has these words."""
        self.assertEqual(1, web.process.popen.wait(60), web.process.log())
        self.assertEqual([], web.links)
        self.assertNotIn("Traceback", web.process.log())
        last = web.process.log().strip().splitlines()[-1]
        self.assertTrue(last.startswith("pkdoors web: "), last)
        for part in parts:
            self.assertIn(part, last)

    def relays(self) -> list[str]:
        """Return the processes of relay-admin that run, without the ssh that asks for one."""
        lines = self.server.run("ps", "-eo", "pid,args").splitlines()
        found = [line for line in lines if "relay-admin" in line and self.admin in line]
        return [line for line in found if line.split()[1] != "ssh"]


class UseTests(WebSshTestCase):
    """What the page does."""

    def test_doors(self) -> None:
        """It opens and closes doors there, and knows from which address; nothing listens there."""
        before = self.server.run("ss", "-Hltn")
        web = self.web().begin()
        about = web.ask("about").json()
        self.assertEqual((CLIENT4, "root"), (about["address"], about["user"]))
        opened = web.ask("openings", method="POST", body={"source": CLIENT4})
        self.assertEqual(200, opened.status, opened)
        self.assertIn("opened door", self.daemonThere.log())
        listed = web.ask("status").json()["openings"]
        self.assertEqual([CLIENT4], [each["source"] for each in listed])
        self.assertEqual(200, web.ask(f"openings/{CLIENT4}", method="DELETE").status)
        self.assertEqual([], web.ask("openings").json()["openings"])
        self.assertEqual(before, self.server.run("ss", "-Hltn"))
        found = web.ask("check")
        self.assertTrue(found.status == 200 or "pkdoors init" in found.error(), found)

    def test_events(self) -> None:
        """Events arrive, and the daemon's end and return are seen."""
        web = self.web().begin()
        events = web.follow()
        web.ask("openings", method="POST", body={"source": CLIENT4})
        self.assertTrue(events.says("event: opened"))
        self.daemonThere.stop()
        self.assertEqual(0, events.popen.wait(60))
        self.assertIn("the daemon is not running", web.ask("status").error())
        self.daemon(ports=self.doors)
        self.assertTrue(web.comesToAnswer("status", 200))

    def test_many(self) -> None:
        """Long answers and many at once, beside a stream that nobody reads, all arrive whole."""
        web = self.web().begin()
        web.follow().popen.send_signal(signal.SIGSTOP)
        for last in range(1, 200):
            web.ask("openings", method="POST", body={"source": f"192.0.2.{last}"})
        for _ in range(5):
            self.assertEqual(199, len(web.ask("openings").json()["openings"]))


class BehindDoorTests(WebSshTestCase):
    """If ssh's own port is behind the door."""

    doors = "22"

    def test_connect(self) -> None:
        """C{pkdoors connect} as ProxyCommand knocks, and the page is there."""
        self.assertTrue(self.isShut())
        proxy = f"ProxyCommand={PKDOORS} connect %h %p -m {KNOCKS}"
        web = self.web(ssh=("-o", proxy)).begin()
        self.assertIn("opened door", self.daemonThere.log())
        status = web.ask("status").json()
        self.assertEqual([CLIENT4], [each["source"] for each in status["openings"]])
        self.assertEqual(CLIENT4, web.ask("about").json()["address"])


class FailureTests(WebSshTestCase):
    """Why it cannot begin, in one sentence."""

    def test_login(self) -> None:
        """ssh that cannot log in."""
        web = self.web(ssh=("-i", "/dev/null", "-o", "IdentitiesOnly=yes"), host=f"x@{SERVER4}")
        self.assertFails(web, f"ssh cannot log in to x@{SERVER4}")
        self.assertIn("Permission denied", web.process.log())

    def test_unreachable(self) -> None:
        """A host that does not answer."""
        self.assertFails(self.web(host="root@10.9.1.77", ssh=("-o", "ConnectTimeout=1")), "log in")

    def test_noProgram(self) -> None:
        """A host without pkdoors."""
        self.assertFails(self.web(program="/nowhere/pkdoors"), "install pkdoors there")
        self.assertFails(self.web(program="/etc/passwd"), "cannot be run")

    def test_oldProgram(self) -> None:
        """A host with a pkdoors that does not know the page yet."""
        old = self.folder / "old"
        old.write_text("#!/bin/sh\necho \"pkdoors: 'relay-admin' is not a command\" >&2\nexit 2\n")
        old.chmod(0o755)
        self.assertFails(self.web(program=str(old)), "if it is older than", "upgrade it")

    def test_otherProgram(self) -> None:
        """A host on which something else answers, or ends at once."""
        for text, words in (("exit 0", "force another command"), ("yes", "something else")):
            other = self.folder / "other"
            other.write_text(f"#!/bin/sh\n{text}\n")
            other.chmod(0o755)
            self.assertFails(self.web(program=str(other)), words)

    def test_interrupted(self) -> None:
        """Ctrl-C while ssh asks for a passphrase ends both, at once and without a word."""
        asking = self.folder / "asking"
        asking.write_text("#!/bin/sh\nprintf 'passphrase: ' >/dev/tty\nread x </dev/tty\n")
        asking.chmod(0o755)
        with self.client.inside():
            terminal = Terminal(PKDOORS, "web", "--ssh", str(asking), "root@gate1")
        self.addCleanup(terminal.close)
        self.assertTrue(terminal.shows("passphrase:"))
        terminal.type("\x03")
        self.assertEqual(0, terminal.end())
        self.assertEqual(["passphrase: ^C"], [line for line in terminal.screen() if line])

    def test_option(self) -> None:
        """A host that ssh would take for an option is refused, and runs nothing."""
        mark = self.folder / "mark"
        option = f"-oProxyCommand=touch {mark}"
        for words in ((option,), ("--", option), (f"root@{SERVER4}", option)):
            status, output = self.client.status(PKDOORS, "web", *words)
            self.assertEqual(2, status, output)
        self.assertFalse(mark.exists())

    def test_noSsh(self) -> None:
        """A machine without ssh."""
        status, output = self.client.status(PKDOORS, "web", "--ssh", "/nowhere/ssh", "root@gate1")
        self.assertEqual(1, status)
        self.assertIn("cannot run /nowhere/ssh", output)
        self.assertEqual(1, output.count("\n"), output)


class SudoTests(WebSshTestCase):
    """With another user than root."""

    moreForSshd = "AcceptEnv none\n"

    if shutil.which("sudo") is None:
        skip = "sudo is not installed"

    def setUp(self) -> None:
        """Make a user."""
        super().setUp()
        etc = self.server.ownEtc()
        self.server.run("useradd", "-M", "-p", "*", "-d", str(self.folder), ANNA)
        self.folder.chmod(0o755)
        self.sudoers = etc / "sudoers"
        self.sudoers.chmod(0o600)

    def allow(self, line: str) -> None:
        """Let sudo allow this, and nothing else."""
        self.sudoers.write_text(SUDOERS.format(line))
        self.sudoers.chmod(0o440)

    def test_without(self) -> None:
        """Without sudo, the user may not ask the daemon, and is told what to do."""
        web = self.web(host=f"{ANNA}@{SERVER4}")
        self.assertFails(web, "pkdoors on")
        self.assertIn("or use --sudo", web.process.log())

    def test_allowed(self) -> None:
        """With it, all works, and the address is known, too."""
        self.allow(f"{ANNA} ALL=(root) NOPASSWD: {PKDOORS} relay-admin *")
        web = self.web("--sudo", host=f"{ANNA}@{SERVER4}").begin()
        about = web.ask("about").json()
        self.assertEqual(("root", CLIENT4), (about["user"], about["address"]))
        self.assertEqual(200, web.ask("status").status)

    def test_password(self) -> None:
        """If sudo wants a password, nothing hangs; the sentence says what to do."""
        self.allow(f"{ANNA} ALL=(root) {PKDOORS} relay-admin *")
        self.assertFails(self.web("--sudo", host=f"{ANNA}@{SERVER4}"), "NOPASSWD")


class EndTests(WebSshTestCase):
    """How it ends."""

    def test_interrupt(self) -> None:
        """Ctrl-C ends it, ssh, and what runs on the host."""
        web = self.web().begin()
        web.follow()
        self.assertEqual(1, len(self.relays()))
        self.assertEqual(0, web.process.stop(signal.SIGINT))
        self.assertTrue(eventually(lambda: not self.relays()), self.relays())
        self.assertNotIn("Traceback", web.process.log())

    def test_sshKilled(self) -> None:
        """If ssh is killed, the pages that are open hear why, and it ends with a sentence."""
        web = self.web().begin()
        events = web.follow()
        (ssh,) = self.childrenOf(web.process.popen.pid)
        self.client.run("kill", "-9", ssh)
        self.assertTrue(events.says("event: ended"), events.log())
        self.assertIn("start `pkdoors web` again", events.log())
        late = web.ask("status")
        if late.status:  # it lasts for some seconds
            self.assertEqual(503, late.status)
            self.assertIn("start `pkdoors web` again", late.error())
        self.assertEqual(1, web.process.popen.wait(60))
        self.assertIn(f"the connection to root@{SERVER4} has ended", web.process.log())
        self.assertTrue(eventually(lambda: not self.relays()), self.relays())

    def test_relayKilled(self) -> None:
        """The same if pkdoors on the host ends."""
        web = self.web().begin()
        self.server.run("kill", "-9", self.relays()[0].split()[0])
        self.assertEqual(1, web.process.popen.wait(60))
        self.assertIn("has ended", web.process.log())

    def childrenOf(self, process: int) -> list[str]:
        """Return the children of a process."""
        return Path(f"/proc/{process}/task/{process}/children").read_text().split()
