"""Signs with C{ssh-keygen}: it reads what cryptography cannot read, or what is not installed."""

import os
from typing import NamedTuple

from pkdoors.client.core.agent import SIGN_TIMEOUT
from pkdoors.client.core.methods import Work
from pkdoors.client.keys._keygenrun import KeygenRun, Ran
from pkdoors.client.keys._sshsig import parseFileSignature
from pkdoors.client.keys.passphrase import NO_TERMINAL, hasTerminal
from pkdoors.errors import BadValue, KnockError
from pkdoors.knocks.certificates import Certificate
from pkdoors.knocks.seal import NAMESPACE
from pkdoors.knocks.signatureforms import fitsKey
from pkdoors.knocks.wire import isSecurityKey
from pkdoors.util.oneline import oneLine
from pkdoors.util.quoting import hidePorts

_WINDOWS = r"%SYSTEMROOT%\System32\OpenSSH"
"""Where Windows has its own."""
_LONGEST_COMPLAINT = 200  # letters
_REASONS = (
    ("option -- ", "is too old to sign: OpenSSH 8.1 or newer is needed"),
    ("agent refused operation", "did not get a signature: the SSH agent or its user declined"),
    ("device not found", "did not find the security key that the file is for: plug it in"),
    ("No private key found", "found no good private half: if the file is not damaged, run ssh-add"),
)
"""What ssh-keygen writes -> what that means."""
_WRONG = "incorrect passphrase"


class KeygenSigner(NamedTuple):
    """
    A key whose file ssh-keygen reads. It asks for a passphrase by itself, each time. See L{Signer}.

    @ivar program: the path of ssh-keygen.
    @ivar path: of the key's file.
    """

    program: str
    path: str
    publicKey: bytes
    work: Work
    certificate: Certificate | None = None
    asksAgent: bool = False

    @property
    def needsTouch(self) -> bool:
        """See L{Signer}."""
        return isSecurityKey(self.publicKey)

    async def sign(self, message: bytes, namespace: bytes = NAMESPACE) -> bytes:
        """See L{Signer.sign}."""
        argv = (self.program, "-q", "-Y", "sign", "-n", namespace.decode(), "-f", self.path)
        run = KeygenRun(argv, message, SIGN_TIMEOUT, needsAgent=self.path.endswith(".pub"))
        try:
            found = parseFileSignature(checkRan(await self.work(run, run.stop)), namespace)
        except BadValue as error:
            raise KnockError(f"{self.path}: ssh-keygen does not sign: {error}") from error
        except KnockError as error:
            raise KnockError(f"{self.path}: {error}") from error
        if found.publicKey != self.publicKey or not fitsKey(self.publicKey, found.signature):
            raise KnockError(
                f"{self.path}: ssh-keygen signed with another key, or in a way that no daemon "
                "accepts: has the file changed, or is the file beside it (.pub) another key's?"
            )
        return found.signature


def findKeygen() -> str:
    """
    Return the path of ssh-keygen.

    @raise BadValue: there is none.
    """
    name = "ssh-keygen.exe" if os.name == "nt" else "ssh-keygen"
    for folder in (*os.get_exec_path(), os.path.expandvars(_WINDOWS)):
        program = os.path.join(folder, name)
        # One in the current folder may be anybody's. Windows would take it first, as which() does.
        if os.path.isabs(folder) and os.path.isfile(program) and os.access(program, os.X_OK):
            return program
    raise BadValue(
        "this key needs ssh-keygen, which is not installed or not in PATH: install OpenSSH, or "
        "add the key to the SSH agent"
    )


def checkRan(ran: Ran) -> bytes:
    """
    Return the output of ssh-keygen.

    @raise KnockError: it failed. The message is the end of a sentence.
    """
    if ran.status == 0:
        return ran.output
    said = ran.complaint.decode(errors="replace")
    if _WRONG in said:
        raise KnockError("the passphrase is wrong" if hasTerminal() else NO_TERMINAL)
    for sign, reason in _REASONS:
        if sign in said:
            raise KnockError(f"ssh-keygen {reason}")
    lines = [line for line in map(str.strip, said.splitlines()) if line]
    # It may quote what it signs, and the sequence is in that.
    last = oneLine(hidePorts(lines[-1]), _LONGEST_COMPLAINT) if lines else f"status {ran.status}"
    raise KnockError(f"ssh-keygen does not sign: {last}")
