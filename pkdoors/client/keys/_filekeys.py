"""What signs with the key of a file: the agent, cryptography, or ssh-keygen."""

import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pkdoors.client.core.agent import Agent
from pkdoors.client.core.methods import Signer, Tools
from pkdoors.client.keys._agentkeys import AgentSigner, findInAgent, isUseful
from pkdoors.client.keys._certificates import checkCertificate
from pkdoors.client.keys._formats import NotReadable, PassphraseNeeded, isEncrypted
from pkdoors.client.keys._pairs import KeyPair, readKeyPair
from pkdoors.client.keys.passphrase import Question, Terminal
from pkdoors.errors import BadValue, KnockError
from pkdoors.knocks.wire import fingerprint, isSecurityKey

if TYPE_CHECKING:
    from pkdoors.client.keys._filesigner import FileSigner
    from pkdoors.client.keys._keygen import KeygenSigner

    HalfSigner = AgentSigner | FileSigner | KeygenSigner


class FileKeys:
    """
    Finds what signs with files, and remembers the private keys that were decrypted.

    @ivar mayAsk: whether a passphrase may be asked for. It is asked for once at most, whatever the
        number of files.
    """

    def __init__(self, ask: Callable[[str], bytes]) -> None:
        self._ask = ask
        self._unlocked: dict[bytes, FileSigner] = {}
        self._passphrase: bytes | None = None
        self._left: set[str] = set()
        self.mayAsk = True

    async def choose(
        self,
        path: str,
        agent: Agent | None,
        now: float,
        tools: Tools,
    ) -> list[Signer]:
        """
        Return what signs with the key of a file: first with its certificate, as ssh does, since the
        client cannot know which of the two the host knows.

        @param now: seconds since 1970.
        @raise BadValue: the file is not a key that can knock.
        @raise KnockError: the agent or ssh-keygen fails, or the user does not give the passphrase.
        """
        pair = await tools.work(partial(readKeyPair, os.path.expanduser(path)))
        certificate = pair.certificate
        if certificate is not None and pair.isCertificateAsked:
            checkCertificate(certificate, now)
        elif certificate is not None and not isUseful(certificate, now, tools.say):
            certificate = None
        plain = await self._findHalf(path, pair, agent, tools)
        if certificate is None:
            return [plain]
        if plain.publicKey != certificate.key:
            what = f"the certificate of {certificate} is for another key"
            if pair.isCertificateAsked:
                raise BadValue(what)
            tools.say(f"{what}: it is not sent")
            return [plain]
        certified = plain._replace(certificate=certificate)
        return [certified] if pair.isCertificateAsked else [certified, plain]

    async def _findHalf(
        self, path: str, pair: KeyPair, agent: Agent | None, tools: Tools
    ) -> "HalfSigner":
        """Return what signs with the private half of a key."""
        if pair.blob and agent and (held := await _askAgent(agent, pair, pair.blob)):
            return held
        if pair.blob and pair.needsAgent:
            if agent is None and not hasAgentSockets():
                return self._useKeygen(pair, tools)  # it knows the agent of Windows
            raise BadValue(_describeMissing(pair.blob, agent))
        if pair.blob and isSecurityKey(pair.blob):
            return self._useKeygen(pair, tools)
        try:
            return await self._unlock(path, pair.secret, tools)
        except NotReadable as error:
            return self._useKeygen(pair, tools, error)

    async def _unlock(self, path: str, secret: bytes, tools: Tools) -> "FileSigner":
        if secret not in self._unlocked:
            try:
                found = await tools.work(partial(makeFileSigner, secret))
            except PassphraseNeeded:
                passphrase = await self._findPassphrase(path, tools)
                found = await tools.work(partial(makeFileSigner, secret, passphrase))
            self._unlocked[secret] = found
        return self._unlocked[secret]

    async def _findPassphrase(self, path: str, tools: Tools) -> bytes:
        """
        Return the passphrase that the user types, or typed for another file before.

        @raise KnockError: the user gives none.
        """
        if self._passphrase is not None:
            return self._passphrase
        if not self.mayAsk:
            raise BadValue("it is encrypted, and a passphrase is asked for only once")
        self.mayAsk = False
        prompt = f"Passphrase for {path}: "
        if isinstance(self._ask, Terminal):  # a question of our own can be stopped
            question = Question(prompt)
            self._passphrase = await tools.work(question, question.stop)
        else:
            self._passphrase = await tools.work(partial(self._ask, prompt))
        return self._passphrase

    def forgetPassphrase(self) -> None:
        """Forget what the user typed; the keys stay decrypted. From now on nothing is asked."""
        self._passphrase = None
        self.mayAsk = False

    def _useKeygen(
        self, pair: KeyPair, tools: Tools, reason: BadValue | None = None
    ) -> "KeygenSigner":
        """
        Return what lets ssh-keygen sign.

        @param reason: why it must.
        """
        from pkdoors.client.keys._keygen import KeygenSigner, findKeygen

        try:
            program = findKeygen()
        except BadValue as error:
            raise reason or error from error
        if pair.blob is None:
            raise BadValue(
                "ssh-keygen needs its public half beside it: write that with "
                "`ssh-keygen -y -f FILE > FILE.pub`"
            )
        if pair.secret and isEncrypted(pair.secret):
            self._askLater(pair.path, tools.say)
        return KeygenSigner(program, pair.path, pair.blob, tools.work)

    def _askLater(self, path: str, say: Callable[[str], None]) -> None:
        """Let ssh-keygen ask for a passphrase, if no other one is asked for."""
        if path not in self._left and not self.mayAsk:
            raise BadValue("it is encrypted, and a passphrase is asked for only once")
        self.mayAsk = False
        self._left.add(path)
        say("ssh-keygen asks for the passphrase of the key for each knock: ssh-add avoids that")


def makeFileSigner(secret: bytes, passphrase: bytes | None = None) -> "FileSigner":
    """
    Return what signs with a private key. See L{pkdoors.client.keys._filesigner.parsePrivateKey}.

    @raise NotReadable: cryptography cannot read it, or is not installed.
    """
    try:
        from pkdoors.client.keys._filesigner import parsePrivateKey  # it loads cryptography
    except ImportError as error:
        raise NotReadable(
            "neither ssh-keygen nor Python's cryptography is installed, and one of them must seal: "
            "install OpenSSH, or add the key to an SSH agent"
        ) from error
    return parsePrivateKey(secret, passphrase)


def hasAgentSockets() -> bool:
    """Return whether Python can connect to an SSH agent on this system."""
    import socket

    return hasattr(socket, "AF_UNIX")


async def _askAgent(agent: Agent, pair: KeyPair, blob: bytes) -> AgentSigner | None:
    try:
        return await findInAgent(agent, blob)
    except KnockError:
        if pair.needsAgent:
            raise
        return None


def _describeMissing(blob: bytes, agent: Agent | None) -> str:
    what = f"the private half of {fingerprint(blob)} is not in this file"
    if agent is None:
        return f"{what}, and there is no SSH agent (SSH_AUTH_SOCK is not set)"
    return f"{what}, and the SSH agent does not hold it, or is locked: run ssh-add, or ssh-add -X"
