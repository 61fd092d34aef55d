"""
The messages of the SSH agent's protocol, draft-ietf-sshm-ssh-agent, as far as knocks need them.
The agent is not trusted. Pure.
"""

from pkdoors.knocks.wire import joinStrings, splitStrings

RSA_SHA2_512 = 4
"""The flag that makes an agent sign with SHA-512; otherwise RSA keys sign with SHA-1, which no
daemon accepts. Other keys ignore it."""
MAX_ANSWER = 256 * 1024
"""The most bytes of an answer, the same as in OpenSSH."""
MAX_LISTED = 256
"""The most keys that are looked at of those that an agent lists."""

NO_SOCKETS = (
    "Python cannot connect to an agent on this system: use --identity FILE, so that ssh-keygen "
    "signs with that key"
)
"""Half a sentence, for systems without UNIX sockets."""

FAILURE, _LIST, _IDENTITIES, _SIGN, _SIGNED = 5, 11, 12, 13, 14
_LENGTH = 4  # bytes of the length of a message, and of other numbers


class AgentError(Exception):
    """The agent does not do what it is asked to do; the message is half a sentence."""


class AgentAway(AgentError):
    """No agent listens there."""


class AgentSilent(AgentError):
    """It does not answer in time."""


class AnswerReader:
    """Puts together the answer to one request."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> bytes | None:
        """
        Add bytes that the agent sent.

        @return: the answer; L{None} if more of it is to come.
        @raise AgentError: it is too long, or empty.
        """
        self._data += data
        if len(self._data) < _LENGTH:
            return None
        size = int.from_bytes(self._data[:_LENGTH])
        if not 1 <= size <= MAX_ANSWER:
            raise AgentError(f"its answer has {size} bytes, 1 to {MAX_ANSWER} are allowed")
        if len(self._data) < _LENGTH + size:
            return None
        return self._data[_LENGTH : _LENGTH + size]


def frame(question: bytes) -> bytes:
    """Return a request as it is sent."""
    return joinStrings(question)


def makeListRequest() -> bytes:
    """Return the request for a list of the keys."""
    return bytes([_LIST])


def makeSignRequest(blob: bytes, data: bytes) -> bytes:
    """Return the request for a signature with one of the keys."""
    return bytes([_SIGN]) + joinStrings(blob, data) + RSA_SHA2_512.to_bytes(4)


def parseKeyList(answer: bytes) -> list[bytes]:
    """
    Return the blobs of the keys in an answer.

    @raise ValueError: it is not a list of keys. Nothing else is raised.
    """
    if answer[0] != _IDENTITIES or len(answer) < 1 + _LENGTH:
        raise ValueError("it is something else")
    count, rest = int.from_bytes(answer[1 : 1 + _LENGTH]), answer[1 + _LENGTH :]
    blobs = []
    for _ in range(min(count, MAX_LISTED)):
        blob, _comment, rest = splitStrings(rest, 2)
        blobs.append(blob)
    return blobs


def parseSignature(answer: bytes) -> bytes:
    """Return the signature blob in an answer; empty if it has none."""
    if answer[0] != _SIGNED:
        return b""
    try:
        return splitStrings(answer[1:], 1)[0]
    except ValueError:
        return b""
