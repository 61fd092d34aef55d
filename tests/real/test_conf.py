"""
Tests of the configuration file: the daemon with its own file and with that of port-knocking-doors,
and C{pkdoors init}, which writes one.
"""

import os
import tomllib
from pathlib import Path

from tests.lab.case import PORT, SEQUENCE, RealTestCase
from tests.lab.hosts import BIN, SERVER4, Daemon, Process

PKDOORS, TWISTD = str(BIN / "pkdoors"), str(BIN / "twistd")
OTHER = (SEQUENCE[0], *SEQUENCE[:1:-1], SEQUENCE[1])
"""The same ports as L{SEQUENCE}, in another order."""
OTHER_PORT = 2223


def conf(sequence: tuple[int, ...], port: int, name: str) -> str:
    """Return the text of a door in the file."""
    return f"[doors.{name}]\nsequence = {list(sequence)}\nports = [{port}]\npenalty = 0\n"


DOORS = conf(SEQUENCE, PORT, "ssh") + conf(OTHER, OTHER_PORT, "web")


class ConfTestCase(RealTestCase):
    """A test with a place for a file, and programs that listen on two ports."""

    def setUp(self) -> None:
        """Make both."""
        super().setUp()
        self.file = self.folder / "conf" / "pkdoors.toml"
        self.file.parent.mkdir(0o700)
        for port in (PORT, OTHER_PORT):
            self.server.serve(port)

    def write(self, text: str, mode: int = 0o600) -> None:
        """Write the file."""
        self.file.write_text(text)
        os.chmod(self.file, mode)

    def reached(self) -> list[int]:
        """Return the ports that the client reaches."""
        return [port for port in (PORT, OTHER_PORT) if self.client.reaches(port)]


class TwoDoorsTests(ConfTestCase):
    """A file with two doors that share their knock ports."""

    def test_twoDoors(self) -> None:
        """The door that the client knocked on opens."""
        self.write(f'firewall = "{self.firewall}"\n{DOORS}')
        daemon = Daemon(self.server, "-c", str(self.file))
        self.assertTrue(daemon.says(f"guarding door web ({OTHER_PORT}/tcp)"))
        self.assertEqual(self.reached(), [])
        self.client.send(OTHER)
        self.assertTrue(self.client.comesToReach(OTHER_PORT), daemon.log())
        self.assertEqual(self.reached(), [OTHER_PORT])
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())
        self.assertFalse(self.stranger.reaches(PORT))


class FirewalldTwoDoorsTests(TwoDoorsTests):
    """The same with firewalld."""

    firewall = "firewalld"


class FileTests(ConfTestCase):
    """C{twistd pkdoors --conf}."""

    def test_overridden(self) -> None:
        """The command line overrides the file."""
        self.write('firewall = "dry-run"\n' + conf(SEQUENCE, PORT, "ssh") + 'open_for = "1h"\n')
        daemon = Daemon(self.server, "-c", str(self.file), "-f", self.firewall, "-t", "1s")
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT))
        self.assertTrue(daemon.says("closed door ssh"))

    def test_bad(self) -> None:
        """A bad file is one line, and status 1, and nothing is touched."""
        before = self.server.run("nft", "list", "ruleset")
        for text, mode, words in (
            (DOORS, 0o644, f"`chmod 600 {self.file}`"),
            (DOORS, 0o622, f"`chmod 600 {self.file}`"),
            ("[doors.ssh\n", 0o600, "is not valid TOML"),
            (f"{DOORS}port = 22\n", 0o600, "doors.web: unknown key 'port'"),
            (f"{DOORS}open_for = 0\n", 0o600, "doors.web.open_for: '0' is not a time from 1s"),
            (DOORS.replace(str(list(OTHER)), str(list(SEQUENCE))), 0o600, "also opens doors.web"),
        ):
            with self.subTest(words):
                self.write(text, mode)
                command = (TWISTD, "-n", "--pidfile=", "pkdoors", "-c", str(self.file))
                status, output = self.server.status(*command)
                self.assertEqual((status, output.count("\n")), (78, 1), output)
                self.assertIn(str(self.file), output)
                self.assertIn(words, output)
        self.assertEqual(self.server.run("nft", "list", "ruleset"), before)
        self.assertEqual(self.reached(), [PORT, OTHER_PORT])


class ClientTestCase(ConfTestCase):
    """A test that runs C{pkdoors init}, and knocks with the profile that it prints."""

    def init(self, *options: str) -> str:
        """Run it on the server; return what it prints for the client."""
        command = f"exec {PKDOORS} init {' '.join(options)} 2>{self.folder}/next"
        return self.server.run("sh", "-c", command)

    def knock(self, profile: str, *options: str) -> tuple[int, str]:
        """Knock with a profile as it was printed; return status and output."""
        hosts = self.folder / "client" / "pkdoors" / "hosts.toml"
        hosts.parent.mkdir(parents=True)
        hosts.touch(0o600)
        hosts.write_text(profile)
        (name,) = tomllib.loads(profile)["hosts"]
        home = str(self.folder / "client")
        return self.client.status(PKDOORS, "knock", name, *options, XDG_CONFIG_HOME=home)


class InitTests(ClientTestCase):
    """C{pkdoors init}."""

    def test_works(self) -> None:
        """
        The daemon starts with the file that it wrote, and the client gets in with the profile that
        it printed.
        """
        port = ("--ports", str(PORT), "--address", SERVER4)
        profile = self.init("--output", str(self.file), "--plain", *port)
        self.assertEqual(self.file.stat().st_mode & 0o777, 0o600)
        following = (self.folder / "next").read_text()
        self.assertIn(f"pkdoors daemon --conf {self.file}\n", following)
        daemon = Daemon(self.server, "--conf", str(self.file))
        self.assertTrue(daemon.says(f"guarding door ssh ({PORT}/tcp)"))
        self.assertFalse(self.client.reaches(PORT))
        status, output = self.knock(profile)
        self.assertEqual(status, 0, output)
        self.assertTrue(self.client.reaches(PORT))

    def test_sealed(self) -> None:
        """The same is true for a sealed door: only a client with the key gets in."""
        key, keys = self.folder / "key", self.folder / "keys"
        self.server.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
        keys.touch(0o600)
        keys.write_text(key.with_suffix(".pub").read_text())
        port = ("--ports", str(PORT), "--address", SERVER4)
        profile = self.init("--output", str(self.file), "--sealed", str(keys), *port)
        daemon = Daemon(self.server, "--conf", str(self.file))
        (host,) = tomllib.loads(profile)["hosts"].values()
        self.stranger.send(host["sequence"])
        self.assertFalse(self.stranger.reaches(PORT))
        status, output = self.knock(profile, "--identity", str(key))
        self.assertEqual(status, 0, output)
        self.assertTrue(self.client.reaches(PORT))
        self.assertNotIn("10.9.2.2", daemon.log())

    def test_again(self) -> None:
        """It does not overwrite what it wrote."""
        self.init("--output", str(self.file), "--plain")
        before = self.file.read_text()
        status, output = self.server.status(PKDOORS, "init", "--output", str(self.file), "--plain")
        self.assertEqual((status, output.count("\n")), (1, 1), output)
        self.assertIn(f"{self.file} already exists", output)
        self.assertEqual(self.file.read_text(), before)

    def test_address(self) -> None:
        """A host without a domain has its short name and its first address."""
        script = f"hostname lonely && exec {PKDOORS} init --plain --output {self.file} 2>/dev/null"
        output = self.server.run("unshare", "--uts", "sh", "-c", script)
        self.assertEqual(tomllib.loads(output)["hosts"]["lonely"]["address"], SERVER4)

    def test_qrCode(self) -> None:
        """A QR code is drawn, even if the output is not a terminal."""
        output = self.server.run(PKDOORS, "init", "--output", str(self.file), "--qr", "--plain")
        self.assertIn("\u2588", output)

    def test_usualPlace(self) -> None:
        """Without options it writes to the place where a daemon without options reads."""
        etc = self.folder / "etc"
        script = f"""
            cp -a /etc {etc} && mount --bind {etc} /etc && {PKDOORS} init --plain --ports {PORT} &&
            exec {TWISTD} -n --pidfile= pkdoors"""
        # A mount namespace of its own leaves the machine's own folder as it is.
        process = self.server.spawn("unshare", "--mount", "sh", "-ec", script)
        self.assertTrue(process.says(f"guarding door ssh ({PORT}/tcp)"), process.log())
        self.assertFalse(self.client.reaches(PORT))
        self.assertEqual((etc / "pkdoors").stat().st_mode & 0o777, 0o700)
        self.assertEqual((etc / "pkdoors" / "pkdoors.toml").stat().st_mode & 0o777, 0o600)


class SeedTests(ClientTestCase):
    """Files of port-knocking-doors. Its clients send six bytes to each port: C{knock\\n}."""

    seed = (
        f"ports_to_controls = [{PORT}]\nopening_sequence = {list(SEQUENCE)}\n"
        "max_opened_door_duration = 2\ndoors_cleanup_periode = 10\n"
    )

    def assertOpens(self, daemon: Process) -> None:
        """Assert that a daemon guards its one door, opens it to a knock, and closes it."""
        self.assertTrue(daemon.says(f"guarding door default ({PORT}/tcp)"), daemon.log())
        self.assertFalse(self.client.reaches(PORT))
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(PORT), daemon.log())
        self.assertFalse(self.stranger.reaches(PORT))
        self.assertTrue(daemon.says("closed door default"), daemon.log())
        self.assertFalse(self.client.reaches(PORT))

    def inHome(self, text: str, mode: int = 0o600) -> str:
        """Write a file in a home; return the home."""
        home = self.folder / "home"
        home.mkdir()
        file = home / ".port_knocker.toml"
        file.write_text(text)
        file.chmod(mode)
        return str(home)

    def test_home(self) -> None:
        """With only a file in the user's home it opens, and says which keys it does not need."""
        home = self.inHome(self.seed)
        daemon = self.server.spawn(TWISTD, "-n", "--pidfile=", "pkdoors", HOME=home)
        self.assertOpens(daemon)
        self.assertIn(
            f"{home}/.port_knocker.toml is a configuration of port-knocking-doors", daemon.log()
        )
        self.assertIn("no longer needed: doors_cleanup_periode (the kernel", daemon.log())

    def test_host(self) -> None:
        """The same is true with only the host's file."""
        etc, theirs = self.folder / "etc", self.folder / "theirs"
        theirs.write_text(self.seed)
        script = f"""
            cp -a /etc {etc} && rm -rf {etc}/pkdoors && mount --bind {etc} /etc &&
            install -m 600 {theirs} /etc/port_knocker.toml &&
            exec {TWISTD} -n --pidfile= pkdoors"""
        # A mount namespace of its own leaves the machine's own folder as it is.
        home = str(self.folder)  # there is no such file in it
        self.assertOpens(self.server.spawn("unshare", "--mount", "sh", "-ec", script, HOME=home))

    def test_overridden(self) -> None:
        """The command line and the environment override the file."""
        home = self.inHome(self.seed)
        file = f"{home}/.port_knocker.toml"
        daemon = Daemon(self.server, "-c", file, "-t", "1h", KNOCKER_PORTS=str(OTHER_PORT))
        self.assertIn(f"guarding door default ({OTHER_PORT}/tcp)", daemon.log())
        self.client.send(SEQUENCE)
        self.assertTrue(self.client.comesToReach(OTHER_PORT), daemon.log())
        self.assertIn("open it for 1h,", daemon.log())

    def test_publicSequence(self) -> None:
        """The daemon and C{pkdoors check} warn of the default sequence of port-knocking-doors."""
        public = "opening_sequence = [16001, 16002, 16003, 16004, 16005]\n"
        home = self.inHome(f"ports_to_controls = [{PORT}]\n{public}")
        status, output = self.server.status(PKDOORS, "check", HOME=home)
        self.assertEqual(status, 2, output)  # nothing guards the port yet
        self.assertRegex(output, "(?m)^WARNING  sequence .* default of port-knocking-doors, so")
        self.assertRegex(
            output, "(?m)^OK       configuration .* is a configuration of port-knocking-doors"
        )
        daemon = self.server.spawn(TWISTD, "-n", "--pidfile=", "pkdoors", HOME=home)
        self.assertTrue(daemon.says("the sequence is the public default of port-knocking-doors"))

    def test_bad(self) -> None:
        """A bad file, or one that others may read, is one line and status 78."""
        home = self.inHome(self.seed, 0o644)
        file = f"{home}/.port_knocker.toml"
        for text, mode, words in (
            (self.seed, 0o644, f"`chmod 600 {file}`"),
            (self.seed + "penalty = 1\n", 0o600, "unknown key 'penalty': allowed are ports_to"),
            (self.seed + DOORS, 0o600, "'doors' is one of pkdoors"),
        ):
            os.chmod(file, mode)
            Path(file).write_text(text)
            command = (TWISTD, "-n", "--pidfile=", "pkdoors")
            status, output = self.server.status(*command, HOME=home)
            self.assertEqual((status, output.count("\n")), (78, 1), output)
            self.assertIn(file, output)
            self.assertIn(words, output)
        self.assertEqual(self.reached(), [PORT, OTHER_PORT])

    def test_init(self) -> None:
        """
        The daemon starts with the file that C{pkdoors init --seed} wrote, and a client gets in with
        its profile.
        """
        home = self.inHome(self.seed)
        seed = f"{home}/.port_knocker.toml"
        profile = self.init("--seed", seed, "--output", str(self.file), "--address", SERVER4)
        self.assertEqual(Path(seed).read_text(), self.seed)
        self.assertIn(
            "max_opened_door_duration is now called open", (self.folder / "next").read_text()
        )
        daemon = Daemon(self.server, "--conf", str(self.file))
        self.assertNotIn("port-knocking-doors", daemon.log())
        status, output = self.knock(profile)
        self.assertEqual(status, 0, output)
        self.assertTrue(daemon.says("closed door default"), daemon.log())
        self.assertFalse(self.client.reaches(PORT))
