"""
Tests of the whole way: C{pkdoors init} for a user who can log in by ssh, the daemon, an agent, a
knock, ssh; and of C{pkdoors trial} on a host without systemd.
"""

import tomllib

from tests.lab.case import PORT, RealTestCase, SshTestCase
from tests.lab.hosts import BIN, SERVER4, Daemon, eventually
from tests.lab.terminal import Terminal

PKDOORS = str(BIN / "pkdoors")
UID = 4242
ANNA = "anna"
CONF, KEYS = "/etc/pkdoors/pkdoors.toml", "/etc/pkdoors/authorized_keys"


class LoginTests(SshTestCase):
    """A user, C{anna}, who can log in with a key, and has become root with sudo."""

    def setUp(self) -> None:
        """Make the user, and an sshd with its usual settings."""
        super().setUp()
        self.etc = etc = self.server.ownEtc()
        self.server.run("mount", "-t", "tmpfs", "-o", "mode=755", "none", "/home")
        for file, line in (
            ("passwd", f"{ANNA}:x:{UID}:{UID}::/home/{ANNA}:/bin/sh"),
            ("group", f"{ANNA}:x:{UID}:"),
            ("shadow", f"{ANNA}:*:19000::::::"),
        ):
            with (etc / file).open("a") as lines:
                lines.write(f"{line}\n")
        for name in ("host", "user"):
            keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "anna@laptop")
            self.server.run(*keygen, "-f", str(self.folder / name))
        (etc / "ssh" / "sshd_config").write_text(
            f"HostKey {self.folder}/host\nUsePAM no\nPidFile none\nPasswordAuthentication no\n"
        )
        self.server.run("mkdir", "-p", "/run/sshd", f"/home/{ANNA}/.ssh")
        self.public = (self.folder / "user.pub").read_text()
        self.authorize(f"no-agent-forwarding {self.public}")

    def authorize(self, text: str) -> None:
        """Write the keys that can log in."""
        (self.folder / "keys").write_text(text)
        home = f"/home/{ANNA}"
        self.server.run("cp", str(self.folder / "keys"), f"{home}/.ssh/authorized_keys")
        self.server.run("chown", "-R", f"{UID}:{UID}", home)
        self.server.run("chmod", "-R", "go=", home)

    def init(self, *options: str) -> tuple[int, str, str]:
        """Run it as sudo does; return its status and what it prints, to both outputs."""
        command = f"exec {PKDOORS} init --host {SERVER4} {' '.join(options)} 2>{self.folder}/said"
        sudo = {"SUDO_UID": str(UID), "SUDO_USER": ANNA}
        status, output = self.server.status("sh", "-c", command, **sudo)
        return status, output, (self.folder / "said").read_text()

    def test_ssh(self) -> None:
        """
        From nothing to a login through a closed port: the key that can log in can knock, from an
        agent, with the profile as it was printed; nobody else can.
        """
        sshd = self.server.spawn("/usr/sbin/sshd", "-D", "-e")
        self.assertTrue(sshd.says("Server listening on :: port 22"), sshd.log())
        status, profile, said = self.init()
        self.assertEqual(0, status, said)
        self.assertIn("This key can log in as anna, and can now knock", said)
        self.assertIn("without no-agent-forwarding", said)
        self.assertIn(f"&& ssh {ANNA}@{SERVER4}", said)
        keys = self.server.run("cat", KEYS).splitlines()
        self.assertEqual([self.public.strip()], [line for line in keys if line[0] != "#"])
        self.assertEqual("root 600\n", self.server.run("stat", "-c%U %a", KEYS))
        daemon = Daemon(self.server, "--conf", CONF)
        self.assertTrue(daemon.says("guarding door ssh (22/tcp)"), daemon.log())
        login = ("ssh", *self.sshOptions(2), "-o", "IdentityAgent=SSH_AUTH_SOCK")
        login = (*login, f"{ANNA}@{SERVER4}", "echo I am $USER")
        self.assertEqual(255, self.client.status(*login)[0])
        self.knockWithAgent(profile)
        status, output = self.client.status(*login)
        self.assertEqual((0, True), (status, "I am anna" in output), output)
        self.assertIn("by anna@laptop (SHA256:", daemon.log())
        self.assertFalse(self.stranger.reaches(22))

    def knockWithAgent(self, profile: str) -> None:
        """Knock with a profile as it was printed; an agent has the key."""
        socket, config = self.folder / "agent", self.folder / "client"
        self.client.spawn("ssh-agent", "-D", "-a", str(socket))
        self.assertTrue(eventually(socket.exists))
        self.client.environment |= {"SSH_AUTH_SOCK": str(socket), "XDG_CONFIG_HOME": str(config)}
        self.client.run("ssh-add", "-q", str(self.folder / "user"))
        (config / "pkdoors").mkdir(parents=True)
        hosts = config / "pkdoors" / "hosts.toml"
        hosts.touch(0o600)
        hosts.write_text(profile)
        (name,) = tomllib.loads(profile)["hosts"]
        status, output = self.client.status(PKDOORS, "knock", name)
        self.assertEqual(0, status, output)

    def test_otherPort(self) -> None:
        """The port that sshd really has is protected, whatever its file says since."""
        config = self.etc / "ssh/sshd_config"
        before = config.read_text()
        config.write_text(f"{before}Port 2022\n")
        sshd = self.server.spawn("/usr/sbin/sshd", "-D", "-e")
        self.assertTrue(sshd.says("Server listening on :: port 2022"), sshd.log())
        for text in (config.read_text(), before):
            config.write_text(text)
            self.server.run("mkdir", str(self.folder / "a"))
            status, profile, said = self.init("--output", str(self.folder / "a" / "conf"))
            self.assertEqual(0, status, said)
            (host,) = tomllib.loads(profile)["hosts"].values()
            self.assertEqual(2022, host["wait"])
            self.server.run("rm", "-r", str(self.folder / "a"))

    def test_hostileHome(self) -> None:
        """Root copies nothing that the user may not read, and waits for nothing."""
        secret = self.etc / "secret_keys"
        secret.write_text(self.public)
        secret.chmod(0o640)  # root's group, which is not the user's
        keys = f"/home/{ANNA}/.ssh/authorized_keys"
        for prepare, words in (
            (f"ln -s /etc/secret_keys {keys}", "Permission denied"),
            (f"ln -s /etc/shadow {keys}", "Permission denied"),
            (f"mkfifo -m 600 {keys}; chown {UID} {keys}", "a pipe, not a file"),
            (f"truncate -s 3G {keys}; chown {UID} {keys}", "more than the 1048576 bytes"),
            (f"mkdir {keys}", "directory"),
            (f"cp {secret} {keys}; chown 4243 {keys}; chmod 644 {keys}", "another user"),
            (f"cp {secret} {keys}; chown {UID} {keys}; chmod 666 {keys}", "written by others"),
            (f"ln -s /dev/zero {keys}", "/dev/zero can be written by others"),
            (f"printf 'x\\033[2J\\377 AAAA' >{keys}; chown {UID} {keys}", "options cannot be read"),
        ):
            self.server.run("rm", "-rf", keys)
            self.server.run("sh", "-ec", prepare)
            status, profile, said = self.init()
            self.assertEqual((1, "", 1), (status, profile, said.count("\n")), said)
            self.assertIn(words, said)
            self.assertNotIn("\033", said)
            self.assertEqual(2, self.server.status("ls", CONF, KEYS)[0])

    def test_twice(self) -> None:
        """Neither the configuration nor the keys are overwritten."""
        self.assertEqual(0, self.init()[0])
        before = self.server.run("cat", CONF, KEYS)
        status, _, said = self.init()
        self.assertEqual(1, status)
        self.assertIn(f"{CONF} already exists", said)
        self.assertEqual(before, self.server.run("cat", CONF, KEYS))


class ProcessTrialTests(RealTestCase):
    """A trial on a host without systemd."""

    def setUp(self) -> None:
        """Take systemd away, and write a configuration."""
        super().setUp()
        self.etc = self.server.ownEtc()
        for folder in ("/run", "/var/log"):
            self.server.run("mount", "-t", "tmpfs", "-o", "mode=755", "none", folder)
        self.server.serve(PORT)
        self.server.run(PKDOORS, "init", "--plain", "--ports", str(PORT), "--host", SERVER4)
        self.addCleanup(self.server.status, PKDOORS, "release")

    def test_takenBack(self) -> None:
        """
        The terminal counts down; the port opens again although the terminal and the command on it
        are gone.
        """
        with self.server.inside():
            terminal = Terminal(PKDOORS, "trial", "10s")
        self.addCleanup(terminal.close)
        self.assertTrue(terminal.shows("The ports are closed."), terminal.screen())
        self.assertTrue(terminal.shows("The trial ends in "), terminal.screen())
        self.assertFalse(self.client.reaches(PORT))
        terminal.process.kill()
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertTrue(eventually(lambda: self.server.status(PKDOORS, "status")[0] == 3))

    def test_kept(self) -> None:
        """What is kept stays."""
        self.server.run(PKDOORS, "trial", "5s")
        kept = self.server.run(PKDOORS, "keep")
        self.assertIn("kept: the daemon goes on until the next boot", kept)
        self.assertFalse(eventually(lambda: self.client.reaches(PORT), patience=7))
        self.assertEqual("root 600\n", self.server.run("stat", "-c%U %a", "/var/log/pkdoors.log"))
        self.assertIn("ended the daemon", self.server.run(PKDOORS, "release"))
        self.assertTrue(self.client.comesToReach(PORT))

    def test_sharedLog(self) -> None:
        """If others can write to /var/log, the log is elsewhere; check advises a trial."""
        self.server.run("chmod", "775", "/var/log")
        output = self.server.status(PKDOORS, "check")[1]
        self.assertIn(f"start the daemon: `{PKDOORS} trial 10m`", output)
        self.server.run(PKDOORS, "trial", "60s")
        self.assertFalse(self.client.reaches(PORT))
        log = "/run/pkdoors-trial/pkdoors.log"
        self.assertIn(f"logs to {log}: ", self.server.run(PKDOORS, "keep"))
        self.assertEqual("root 600\n", self.server.run("stat", "-c%U %a", log))

    def test_cannotStart(self) -> None:
        """If the daemon cannot start, the last line of its log says why."""
        conf = self.etc / "pkdoors/pkdoors.toml"
        conf.write_text(conf.read_text().replace('firewall = "auto"', 'firewall = "firewalld"'))
        status, output = self.server.status(PKDOORS, "trial")
        self.assertEqual(1, status, output)
        self.assertIn("the daemon did not start: ", output)
        self.assertIn("firewalld", output)
        self.assertTrue(self.client.reaches(PORT))
        self.assertIn("no trial is running", self.server.status(PKDOORS, "keep")[1])
