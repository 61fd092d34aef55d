"""What seals a knock: a private key from a file, or one that the SSH agent holds."""

import os
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from pkdoors.client.core.agent import Agent
from pkdoors.client.core.methods import Signer, Tools
from pkdoors.client.keys._agentkeys import chooseAgentKeys
from pkdoors.client.profiles import FROM_AGENT, USUAL
from pkdoors.errors import BadValue, KnockError

if TYPE_CHECKING:
    from pkdoors.client.keys._filekeys import FileKeys
    from pkdoors.client.keys._filesigner import FileSigner

USUAL_FILES = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")
"""The files in C{~/.ssh} that ssh tries by itself, in its order, if their kinds can knock."""

_NO_AGENT = "there is no SSH agent (SSH_AUTH_SOCK is not set)"
_TOUCHED = "_sk"


class Identity:
    """
    Which key is to seal the knocks.

    @ivar path: of a key's file; L{FROM_AGENT}; or L{USUAL}.
    @param agentPath: of the agent's socket, C{SSH_AUTH_SOCK}; empty if there is no agent.
    @param ask: asks the user for a passphrase, with a prompt. A driver with a reactor calls it in
        another thread.
    @param timeOfDay: seconds since 1970.
    """

    def __init__(
        self,
        path: str,
        agentPath: str,
        ask: Callable[[str], bytes],
        timeOfDay: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._agentPath = agentPath
        self._ask = ask
        self._timeOfDay = timeOfDay
        self._ready: list[Signer] = []
        self._certified: list[Signer] = []
        self._said: set[str] = set()
        self._fileKeys: FileKeys | None = None

    async def findSigners(self, tools: Tools) -> list[Signer]:
        """
        Return what signs. After the first call, no passphrase is asked for again. If there was a
        certificate, look each time for a newer one, as some live for an hour only.

        @raise KnockError: nothing can sign.
        """
        tools = tools._replace(say=partial(self._sayOnce, tools.say))
        if not self._ready:
            self._take(await self._find(tools))
        elif self._certified:
            try:
                self._take(await self._find(tools))
            except KnockError as error:
                tools.say(str(error))
        return [*self._ready]

    def _take(self, found: list[Signer]) -> None:
        self._ready[:] = found
        self._certified.extend(each for each in found if each.certificate and not self._certified)

    def _sayOnce(self, say: Callable[[str], None], line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            say(line)

    async def _find(self, tools: Tools) -> list[Signer]:
        agent = Agent(self._agentPath, tools.ask) if self._agentPath else None
        if self.path == FROM_AGENT:
            if agent is None:
                raise KnockError(f"{_NO_AGENT}: start one, or use --identity FILE")
            return [*await chooseAgentKeys(agent, self._timeOfDay(), tools.say)]
        files = self._useFiles()
        try:
            if self.path == USUAL:
                return await self._chooseUsual(agent, files, tools)
            return await self._chooseNamed(agent, files, tools)
        finally:
            files.forgetPassphrase()

    def _useFiles(self) -> "FileKeys":
        if self._fileKeys is None:
            from pkdoors.client.keys._filekeys import FileKeys  # the agent's keys need it not

            self._fileKeys = FileKeys(self._ask)
        return self._fileKeys

    async def _chooseNamed(
        self, agent: Agent | None, files: "FileKeys", tools: Tools
    ) -> list[Signer]:
        try:
            return await files.choose(self.path, agent, self._timeOfDay(), tools)
        except BadValue as error:
            raise KnockError(f"{self.path}: {error}") from error

    async def _chooseUsual(
        self, agent: Agent | None, files: "FileKeys", tools: Tools
    ) -> list[Signer]:
        """
        Return what signs with the agent's keys; without any, with the files that ssh takes.

        @raise KnockError: nothing signs.
        """
        if agent is None:
            reason = _NO_AGENT
        else:
            try:
                return [*await chooseAgentKeys(agent, self._timeOfDay(), tools.say)]
            except KnockError as error:
                reason = str(error)
        for names in (_withoutTouch(), _withTouch()):
            found = await self._chooseAmong(names, files, tools)
            easy = [signer for signer in found if not signer.needsTouch]
            if found:
                return easy or found
        raise KnockError(
            f"{reason}, and no usable key is in ~/.ssh ({', '.join(USUAL_FILES)}): "
            "create one with ssh-keygen, or use --identity FILE"
        )

    async def _chooseAmong(self, names: list[str], files: "FileKeys", tools: Tools) -> list[Signer]:
        """Return what signs with some of ssh's usual files, and tell the user which they are."""
        used: list[str] = []
        signers: list[Signer] = []
        for name in names:
            path = f"~/.ssh/{name}"
            if not os.path.lexists(os.path.expanduser(path)):
                continue
            try:
                signers += await files.choose(path, None, self._timeOfDay(), tools)
                used.append(path)
            except BadValue as error:
                tools.say(f"{path}: {error}")
            except KnockError as error:  # the user gave no passphrase
                tools.say(str(error))
        if used:
            tools.say(f"sealing with {' and '.join(used)}")
        return signers


class GivenKey:
    """
    A private key that a program has in memory, as the L{pkdoors.client.core.methods.Identity}.

    @param secret: the contents of its file, not encrypted.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._ready: list[Signer] = []

    async def findSigners(self, tools: Tools) -> list[Signer]:
        """
        Return what signs.

        @raise KnockError: the key cannot be used.
        """
        if not self._ready:
            try:
                self._ready.append(await tools.work(partial(_makeSigner, self._secret)))
            except BadValue as error:
                raise KnockError(f"the key cannot be used: {error}") from error
        return [*self._ready]


def _makeSigner(secret: bytes) -> "FileSigner":
    from pkdoors.client.keys._filekeys import makeFileSigner
    from pkdoors.client.keys._formats import PassphraseNeeded

    try:
        return makeFileSigner(secret)
    except PassphraseNeeded as error:
        raise KnockError("the key is encrypted: decrypt it, or add it to the SSH agent") from error


def _withoutTouch() -> list[str]:
    return [name for name in USUAL_FILES if not name.endswith(_TOUCHED)]


def _withTouch() -> list[str]:
    return [name for name in USUAL_FILES if name.endswith(_TOUCHED)]
