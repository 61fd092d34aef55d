"""Tests of L{pkdoors.client.keys.signers} with ssh's usual files."""

import os
import sys
from pathlib import Path

from twisted.internet.defer import Deferred

from pkdoors.client.blocking._work import workAtOnce
from pkdoors.client.core.methods import Signer
from pkdoors.client.keys import _filekeys
from pkdoors.client.keys.signers import Identity
from pkdoors.client.profiles import USUAL
from pkdoors.errors import KnockError
from tests.client.keys.test_agent import KEYS, AgentTestCase
from tests.client.keys.test_formats import encode, publicLine, securityFile
from tests.fakes.agent import SOCKET, SecurityKey, makeKey
from tests.lab.sealing import certificate

ED25519, ECDSA, RSA = KEYS


class UsualTests(AgentTestCase):
    """
    Tests of L{Identity} with L{USUAL}.
    """

    def setUp(self) -> None:
        """Make a home, and an agent without keys."""
        super().setUp()
        home = Path(self.mktemp()).absolute()
        self.folder = home / ".ssh"
        self.folder.mkdir(parents=True)
        self.patch(os, "environ", {**os.environ, "HOME": str(home)})
        self.fake.held = {}
        self.prompts: list[str] = []
        self.answer = b"right"

    def ask(self, prompt: str) -> bytes:
        """Answer the question for a passphrase."""
        self.prompts.append(prompt)
        if not self.answer:
            raise KnockError("interrupted")
        return self.answer

    def write(self, name: str, data: bytes, mode: int = 0o600) -> None:
        """Write a file in C{~/.ssh}."""
        path = self.folder / name
        path.write_bytes(data)
        path.chmod(mode)

    def find(self, agentPath: str = "") -> list[Signer]:
        """Return what signs."""
        identity = Identity(USUAL, agentPath, self.ask)
        return self.wait(identity.findSigners(self.tools()))

    def keys(self, agentPath: str = "") -> list[bytes]:
        """Return the public keys of what signs."""
        return [signer.publicKey for signer in self.find(agentPath)]

    def test_agent(self) -> None:
        """If the agent has a key, it seals, and no file is looked at."""
        self.write("id_ed25519", encode(ED25519, passphrase=b"right"))
        self.fake.held = {ECDSA.blob(): ECDSA}
        self.assertEqual([ECDSA.blob()], self.keys(SOCKET))
        self.assertEqual(([], []), (self.said, self.prompts))

    def test_files(self) -> None:
        """Without an agent, or if it is empty, gone or mute, all files seal in ssh's order."""
        for name, key in (("id_ed25519", ED25519), ("id_ecdsa", ECDSA), ("id_rsa", RSA)):
            self.write(name, encode(key))
        self.write("id_dsa", b"hello")
        for path in ("", SOCKET, "/nowhere"):
            self.said.clear()
            self.assertEqual([RSA.blob(), ECDSA.blob(), ED25519.blob()], self.keys(path))
            used = "~/.ssh/id_rsa and ~/.ssh/id_ecdsa and ~/.ssh/id_ed25519"
            self.assertEqual([f"sealing with {used}"], self.said)
        self.assertEqual([], self.prompts)

    def test_onePassphrase(self) -> None:
        """A passphrase is asked for once, and tried on each encrypted file."""
        self.write("id_rsa", encode(RSA, passphrase=b"right"))
        self.write("id_ecdsa", encode(ECDSA, passphrase=b"other"))
        self.write("id_ed25519", encode(ED25519, passphrase=b"right"))
        self.assertEqual([RSA.blob(), ED25519.blob()], self.keys())
        self.assertEqual(["Passphrase for ~/.ssh/id_rsa: "], self.prompts)
        used = "sealing with ~/.ssh/id_rsa and ~/.ssh/id_ed25519"
        self.assertEqual(["~/.ssh/id_ecdsa: the passphrase is wrong", used], self.said)

    def test_noPassphrase(self) -> None:
        """A user who gives none can still knock with the other keys, and is not asked again."""
        self.answer = b""
        self.write("id_rsa", encode(RSA, passphrase=b"right"))
        self.write("id_ecdsa", encode(ECDSA, passphrase=b"right"))
        self.write("id_ed25519", encode(ED25519))
        self.assertEqual([ED25519.blob()], self.keys())
        self.assertEqual(1, len(self.prompts))
        self.assertIn("~/.ssh/id_ecdsa: it is encrypted, and a passphrase", self.said[1])

    def test_askedOnce(self) -> None:
        """It is not asked for again for the next knock either."""
        self.write("id_rsa", encode(RSA, passphrase=b"right"))
        self.write("id_rsa-cert.pub", b"ssh-rsa-cert-v01@openssh.com AAAA")
        identity = Identity(USUAL, "", self.ask)
        for _ in range(3):
            self.wait(identity.findSigners(self.tools()))
        self.assertEqual(1, len(self.prompts))
        self.assertNotIn("right", repr(vars(identity)) + repr(identity._fileKeys))

    def test_bothAtOnce(self) -> None:
        """Two hosts of a group that find the keys at the same time ask once as well."""
        self.write("id_rsa", encode(RSA, passphrase=b"right"))
        identity = Identity(USUAL, SOCKET, self.ask)
        tools = self.tools()._replace(work=workAtOnce)
        works = [Deferred.fromCoroutine(identity.findSigners(tools)) for _ in range(3)]
        self.reactor.pump([0.0] * 8)
        for work in works:
            (signer,) = self.successResultOf(work)
            self.assertEqual(RSA.blob(), signer.publicKey)
        self.assertEqual(1, len(self.prompts))

    def test_notAgain(self) -> None:
        """After a wrong passphrase, nothing is asked for again either."""
        self.write("id_rsa", encode(RSA, passphrase=b"other"))
        identity = Identity(str(self.folder / "id_rsa"), "", self.ask)
        for _ in range(3):
            self.wrong(identity.findSigners(self.tools()))
        self.assertEqual(1, len(self.prompts))

    def test_leftToKeygen(self) -> None:
        """If ssh-keygen is to ask, it does so for one file, however many hosts there are."""
        for name, key in (("id_rsa", RSA), ("id_ed25519", ED25519)):
            self.write(name, encode(key, passphrase=b"right"))
        name = "pkdoors.client.keys._filesigner"
        self.addCleanup(sys.modules.__setitem__, name, sys.modules[name])
        sys.modules[name] = None  # type: ignore[assignment]
        identity = Identity(USUAL, SOCKET, self.ask)
        tools = self.tools()._replace(work=workAtOnce)
        works = [Deferred.fromCoroutine(identity.findSigners(tools)) for _ in range(3)]
        self.reactor.pump([0.0] * 8)
        for work in works:
            (signer,) = self.successResultOf(work)
            self.assertEqual(RSA.blob(), signer.publicKey)
        self.assertEqual([], self.prompts)

    def test_bad(self) -> None:
        """A file that cannot be used is named, and the others seal."""
        self.write("id_rsa", b"hello")
        self.write("id_ecdsa", encode(ECDSA), 0o644)
        self.write("id_ed25519", encode(ED25519))
        self.assertEqual([ED25519.blob()], self.keys())
        self.assertEqual("~/.ssh/id_rsa: it does not contain an SSH key", self.said[0])
        self.assertIn("~/.ssh/id_ecdsa: others can read or change it", self.said[1])
        self.assertEqual("sealing with ~/.ssh/id_ed25519", self.said[2])

    def test_pipe(self) -> None:
        """A pipe is not waited for, nor is a loop of links followed."""
        os.mkfifo(self.folder / "id_rsa")
        (self.folder / "id_ecdsa").symlink_to("id_ecdsa")
        self.write("id_ed25519", encode(ED25519))
        self.assertEqual([ED25519.blob()], self.keys())
        self.assertIn("~/.ssh/id_rsa: it cannot be read: it is a pipe, not a file", self.said)
        self.assertIn("~/.ssh/id_ecdsa: it cannot be read: Too many levels of", self.said[1])

    def test_certificate(self) -> None:
        """The certificate beside a file is sent first."""
        self.write("id_ed25519", encode(ED25519))
        blob = certificate(makeKey("ed25519", 1), ED25519)
        kind = b"ssh-ed25519-cert-v01@openssh.com"
        self.write("id_ed25519-cert.pub", publicLine(blob, kind))
        first, second = self.find()
        assert first.certificate is not None
        self.assertEqual((blob, None), (first.certificate.blob, second.certificate))

    def test_securityKey(self) -> None:
        """A security key is used if there is nothing else, whatever its file's name."""
        key = SecurityKey()
        for name in ("id_ed25519_sk", "id_rsa"):
            self.write(name, securityFile())
            (signer,) = self.find()
            self.assertEqual((key.blob(), True), (signer.publicKey, signer.needsTouch))
            (self.folder / name).rename(self.folder / "id_ed25519_sk")
        self.write("id_ecdsa", encode(ECDSA))
        self.assertEqual([ECDSA.blob()], self.keys())
        self.assertEqual("sealing with ~/.ssh/id_ecdsa", self.said[-1])

    def test_none(self) -> None:
        """If there is nothing, one sentence says what was looked for."""
        self.write("id_rsa.pub", publicLine(RSA.blob(), b"ssh-rsa"))
        for path, reason in (
            ("", "there is no SSH agent (SSH_AUTH_SOCK is not set)"),
            (SOCKET, "the SSH agent has no usable key, or is locked: run ssh-add"),
        ):
            found = self.wrong(Identity(USUAL, path, self.ask).findSigners(self.tools()))
            self.assertTrue(found.startswith(reason), found)
            self.assertIn("no usable key is in ~/.ssh (id_rsa, id_ecdsa, ", found)

    def test_noSockets(self) -> None:
        """If Python cannot reach the agent, ssh-keygen signs with a public key: it can."""
        self.patch(_filekeys, "hasAgentSockets", lambda: False)
        self.write("key.pub", publicLine(ED25519.blob()))
        identity = Identity("~/.ssh/key", "", self.ask)
        (signer,) = self.wait(identity.findSigners(self.tools()))
        self.assertEqual(ED25519.blob(), signer.publicKey)
        self.assertEqual(str(self.folder / "key.pub"), getattr(signer, "path", ""))
