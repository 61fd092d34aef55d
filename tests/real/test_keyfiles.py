"""
Tests of sealed knocks with keys in files that OpenSSH's own ssh-keygen signs with: without
cryptography, with security keys, with formats that cryptography does not know; and with the files
that ssh uses by itself. They need no daemon, and no root.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import termios
import time
from pathlib import Path

from tests.lab.hosts import eventually
from tests.real.test_keys import CLIENT, KINDS, PASSPHRASE, KeysTestCase, TerminalTestCase

_BARE = (
    "import sys; sys.modules['cryptography'] = None\nfrom pkdoors.cli import main; main()",
    "knock",
    "127.0.0.1",
)
BARE = (sys.executable, "-c", *_BARE)
"""The client without cryptography."""
WAITING = ("--wait", "1", "--timeout", "300ms", "--tries", "1")
"""Options for which the driver with a reactor is used. The port does not open."""
DRIVERS = (((), 0), (WAITING, 1))
"""Options -> the exit status."""


class BareTests(KeysTestCase):
    """The client without cryptography: ssh-keygen signs."""

    def bare(self, *options: str) -> tuple[str, ...]:
        """Return the command that knocks."""
        return (*BARE, "-m", str(self.sequence), *options)

    def test_kinds(self) -> None:
        """Keys of all kinds and formats seal, with both drivers."""
        forms = [(*kind, "RFC4716") for kind in KINDS]
        forms += [(*kind, form) for kind in KINDS[1:3] for form in ("PEM", "PKCS8")]
        for kind, bits, form in forms:
            key = self.key(kind, bits, "-m", form)
            for options, expected in DRIVERS:
                with self.subTest((kind, bits, form, options)):
                    status, output = self.status(*self.bare("-i", str(key), *options))
                    self.assertEqual(expected, status, output)
                    (datagram,) = self.arrived()
                    self.checkGood(datagram, key)
            key.unlink()

    def test_failures(self) -> None:
        """What cannot sign is one sentence, and nothing is sent."""
        key = self.key("rsa", "2048", "-m", "PEM")
        Path(f"{key}.pub").unlink()
        locked = self.key("ed25519", "256", "-N", PASSPHRASE, "-a", "1")
        broken = self.key("ecdsa", "256")
        lines = broken.read_text().splitlines()
        lines[3] = lines[3][::-1]
        broken.write_text("\n".join(lines) + "\n")
        for path, expected in (
            (key, "ssh-keygen needs its public half beside it"),
            (locked, "there is no terminal to ask for its passphrase"),
            (broken, f"{broken}: ssh-keygen found no good private half"),
        ):
            for options, _ in DRIVERS:
                status, output = self.status(*self.bare("-i", str(path), *options))
                self.assertEqual(1, status)
                self.assertIn(expected, output.splitlines()[-1])
                self.assertNotIn("Traceback", output)
                self.assertEqual([], self.arrived())

    def test_noKeygen(self) -> None:
        """So is a system without ssh-keygen."""
        key = self.key()
        status, output = self.status(*self.bare("-i", str(key)), PATH="/nowhere")
        self.assertEqual((1, 1), (status, output.count("\n")), output)
        self.assertIn("neither ssh-keygen nor Python's cryptography is installed", output)

    def test_otherHalf(self) -> None:
        """A file beside the key that is another key's public half is noticed."""
        key, other = self.key("rsa", "2048", "-m", "PEM"), self.key("rsa", "3072")
        Path(f"{key}.pub").write_bytes(Path(f"{other}.pub").read_bytes())
        status, output = self.status(*self.bare("-i", str(key)))
        self.assertEqual((1, 1), (status, output.count("\n")), output)
        self.assertEqual([], self.arrived())

    def test_messageIsHidden(self) -> None:
        """Neither the command line of ssh-keygen nor a file has the sequence."""
        key = self.key()
        folder = self.folder / "bin"
        folder.mkdir()
        spy = folder / "ssh-keygen"
        spy.write_text(
            f'#!/bin/sh\necho "$@" > {self.folder}/argv\nexec /usr/bin/ssh-keygen "$@"\n'
        )
        spy.chmod(0o700)
        before = {*self.folder.iterdir()}
        self.run_(*self.bare("-i", str(key)), PATH=f"{folder}:{os.environ['PATH']}")
        (new,) = {*self.folder.iterdir()} - before
        self.assertEqual(f"-q -Y sign -n knock@pkdoors -f {key}\n", new.read_text())
        self.checkGood(self.arrived()[0], key)


class AskingTests(TerminalTestCase):
    """ssh-keygen, and the client, ask at a terminal."""

    def locked(self, *options: str) -> Path:
        """Make an encrypted key."""
        return self.key("ed25519", "256", "-N", PASSPHRASE, "-a", "1", *options)

    def commands(self, key: Path) -> list[tuple[tuple[str, ...], str, int]]:
        """Return commands that ask for a passphrase, their prompts, and their exit status."""
        found = []
        for client, prompt in ((BARE, "Enter passphrase"), (CLIENT, "Passphrase for")):
            for options, status in DRIVERS:
                argv = (*client, "-m", str(self.sequence), "-i", str(key), *options)
                found.append((argv, prompt, status))
        return found

    def test_right(self) -> None:
        """With the passphrase the key seals, with both drivers, and nothing is shown."""
        key = self.locked()
        for argv, prompt, status in self.commands(key):
            self.seen = ""
            self.start(*argv)
            self.answer(prompt, f"{PASSPHRASE}\n".encode())
            self.assertEqual(status, self.ended(), self.seen)
            self.assertNotIn(PASSPHRASE, self.seen)
            self.checkGood(self.arrived()[0], key)

    def test_wrong(self) -> None:
        """A wrong one is one sentence."""
        for argv, prompt, _ in self.commands(self.locked()):
            self.seen = ""
            self.start(*argv)
            self.answer(prompt, b"battery staple\n")
            self.assertEqual(1, self.ended())
            self.assertIn("the passphrase is wrong\r\n", self.seen)
            self.assertEqual([], self.arrived())

    def test_interrupted(self) -> None:
        """Ctrl-C ends the client at once, and the terminal shows again what is typed."""
        for argv, prompt, _ in self.commands(self.locked()):
            self.seen = ""
            self.start(*argv)
            self.answer(prompt, b"half")
            self.assertFalse(self.isShown())
            os.write(self.terminal, b"\3")
            begin = time.monotonic()
            self.assertEqual(130, self.ended(), (argv, self.seen))
            self.assertLess(time.monotonic() - begin, 10)
            self.assertTrue(self.isShown(), argv)
            self.assertNotIn("Traceback", self.seen)
            self.assertEqual([], self.arrived())

    def test_terminated(self) -> None:
        """So does SIGTERM, below a shell that stays and whose terminal it is."""
        for argv, prompt, _ in self.commands(self.locked()):
            self.seen = ""
            self.start("sh", "-c", '"$@" & echo "pid $!"; wait $!; echo over; cat', "sh", *argv)
            self.answer(prompt, b"half")
            match = re.search(r"pid (\d+)", self.seen)
            assert match is not None
            os.kill(int(match[1]), signal.SIGTERM)
            while "over" not in self.seen and self.read():
                pass
            self.assertTrue(eventually(self.isShown), (argv, self.seen))
            os.kill(self.process, signal.SIGKILL)
            self.ended()

    def isShown(self) -> bool:
        """Return whether the terminal shows what is typed."""
        return bool(termios.tcgetattr(self.terminal)[3] & termios.ECHO)

    def test_otherCipher(self) -> None:
        """A cipher that cryptography does not know is left to ssh-keygen."""
        key = self.locked("-Z", "chacha20-poly1305@openssh.com")
        for options, status in DRIVERS:
            self.seen = ""
            self.start(*self.client("-i", str(key), *options))
            self.answer("Enter passphrase", f"{PASSPHRASE}\n".encode())
            self.assertEqual(status, self.ended(), self.seen)
            self.assertIn("ssh-keygen asks for the passphrase of the key", self.seen)
            self.checkGood(self.arrived()[0], key)


class SecurityKeyTests(TerminalTestCase):
    """A security key in software."""

    def setUp(self) -> None:
        """Build it."""
        super().setUp()
        self.environment["SSH_SK_PROVIDER"] = provider = str(self.folder / "softkey.so")
        source = str(Path(__file__).parent / "softkey.c")
        build = ("cc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", provider, source)
        self.run_(*build, "-l:libcrypto.so.3")

    def test_file(self) -> None:
        """It seals from its file, without an agent, with and without cryptography."""
        key = self.key("ed25519-sk")
        for client in (CLIENT, BARE):
            for options, expected in DRIVERS:
                argv = (*client, "-m", str(self.sequence), "-i", str(key), *options)
                status, output = self.status(*argv)
                self.assertEqual(expected, status, output)
                self.assertIn("touch the security key", output)
                (datagram,) = self.arrived()
                self.checkGood(datagram, key)

    def test_encrypted(self) -> None:
        """Its file can be encrypted."""
        key = self.key("ed25519-sk", "256", "-N", PASSPHRASE, "-a", "1")
        self.start(*self.client("-i", str(key)))
        self.answer("Enter passphrase", f"{PASSPHRASE}\n".encode())
        self.assertEqual(0, self.ended(), self.seen)
        self.checkGood(self.arrived()[0], key)

    def test_unplugged(self) -> None:
        """If it is not there, that is one sentence."""
        key = self.key("ed25519-sk")
        status, output = self.status(*self.client("-i", str(key)), SSH_SK_PROVIDER="/nowhere")
        self.assertEqual((1, 2), (status, output.count("\n")), output)
        self.assertIn(f"{key}: ssh-keygen d", output)
        self.assertEqual([], self.arrived())

    def test_usual(self) -> None:
        """It is used if it is the only one of ssh's usual files."""
        key = self.key("ed25519-sk")
        folder = self.folder / ".ssh"
        folder.mkdir(0o700)
        key.rename(folder / "id_ed25519_sk")
        output = self.run_(*self.client("-i", "usual"))
        self.assertIn("sealing with ~/.ssh/id_ed25519_sk\n", output)
        self.checkGood(self.arrived()[0], key)


class UsualTests(KeysTestCase):
    """The files that ssh uses by itself."""

    def test_sameAsSsh(self) -> None:
        """They are those of ssh, in its order, but for kinds that cannot knock."""
        from pkdoors.client.keys.signers import USUAL_FILES

        output = self.run_("ssh", "-F", "/dev/null", "-G", "host")
        lines = [line.split()[1] for line in output.splitlines() if "identityfile" in line]
        names = [Path(name).name for name in lines if not name.endswith(("dsa_", "xmss", "id_dsa"))]
        self.assertEqual(names, [*USUAL_FILES])

    def test_sealed(self) -> None:
        """C{sealed = true} in a profile uses them if there is no agent."""
        key = self.key("ecdsa", "256")
        folder = self.folder / ".ssh"
        folder.mkdir(0o700)
        key.rename(folder / "id_ecdsa")
        hosts = self.folder / ".config/pkdoors/hosts.toml"
        hosts.parent.mkdir(parents=True)
        hosts.write_text(
            f'[hosts.home]\naddress = "127.0.0.1"\nsequence = [{self.sequence}]\nsealed = true\n'
        )
        hosts.chmod(0o600)
        for client in (CLIENT, BARE):
            output = self.run_(*client[:-1], "home")
            self.assertIn("sealing with ~/.ssh/id_ecdsa\n", output)
            self.checkGood(self.arrived()[0], key)


class OddFileTests(KeysTestCase):
    """Paths that are not a key's."""

    def test_refused(self) -> None:
        """Each is refused at once, in one sentence."""
        fifo, large, foreign = (self.folder / name for name in ("fifo", "large", "foreign"))
        os.mkfifo(fifo)
        with large.open("wb") as file:
            file.truncate(100_000_000)
        foreign.write_bytes(self.key().read_bytes())
        expected = {
            str(fifo): "it is a pipe, not a file",
            str(large): "it has more than the 1048576 bytes that are allowed",
            str(self.folder): "Is a directory",
            "/dev/zero": "it is a device, not a file",
            "~/nowhere": "no such file",
            "~nobody-at-all/key": "no such file",
        }
        if os.getuid() == 0:
            foreign.chmod(0o666)
            os.chown(foreign, 65534, 65534)
            expected[str(foreign)] = "it belongs to another user"
        for path, part in expected.items():
            begin = time.monotonic()
            status, output = self.status(*self.client("-i", path))
            self.assertLess(time.monotonic() - begin, 20)
            self.assertEqual((1, 1), (status, output.count("\n")), output)
            self.assertIn(f"{path}: ", output)
            self.assertIn(part, output)
        self.assertEqual([], self.arrived())

    def test_pipeBeside(self) -> None:
        """A pipe beside a good key is not waited for."""
        key = self.key("rsa", "2048", "-m", "PEM")
        Path(f"{key}.pub").rename(self.folder / "public")
        for end in (".pub", "-cert.pub"):
            os.mkfifo(f"{key}{end}")
        self.run_(*self.client("-i", str(key)))
        (datagram,) = self.arrived()
        Path(f"{key}.pub").unlink()
        (self.folder / "public").rename(f"{key}.pub")
        self.checkGood(datagram, key)


class LightTests(KeysTestCase):
    """What the client loads if the agent signs, and how long a file takes."""

    def loaded(self, *options: str) -> set[str]:
        """Return the packages that a knock loads."""
        code = "import sys; from pkdoors.cli import main\ntry: main()\nfinally: print(*sys.modules)"
        knock = ("knock", "127.0.0.1", "-m", str(self.sequence), *options)
        output = self.run_(sys.executable, "-c", code, *knock)
        return {name.partition(".")[0] for name in output.splitlines()[-1].split()}

    def test_agentSigns(self) -> None:
        """With a file whose key the agent holds, it loads neither cryptography nor Twisted."""
        path = str(self.folder / "agent")
        agent = subprocess.Popen(("ssh-agent", "-D", "-a", path), stdout=subprocess.DEVNULL)
        self.addCleanup(agent.wait)
        self.addCleanup(agent.terminate)
        self.environment["SSH_AUTH_SOCK"] = path
        while socket.socket(socket.AF_UNIX).connect_ex(path):
            time.sleep(0.01)
        key = self.key("ed25519", "256", "-N", PASSPHRASE, "-a", "1")
        self.run_("ssh-keygen", "-q", "-p", "-P", PASSPHRASE, "-N", "", "-f", str(key))
        self.run_("ssh-add", "-q", str(key))
        for name in (str(key), f"{key}.pub"):
            loaded = self.loaded("-i", name)
            self.assertEqual(set(), loaded & {"cryptography", "twisted", "zope", "hashlib"})
            self.checkGood(self.arrived()[0], key)

    def test_fileSigns(self) -> None:
        """With a file, it loads cryptography, and no Twisted."""
        key = self.key()
        loaded = self.loaded("-i", str(key))
        self.assertEqual({"cryptography"}, loaded & {"cryptography", "twisted", "zope"})
