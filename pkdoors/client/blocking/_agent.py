"""One request to the SSH agent, in a loop of L{pkdoors.client.blocking.driver}."""

import socket
from collections.abc import Generator
from typing import Any

from pkdoors.client.core.agentwire import (
    NO_SOCKETS,
    AgentAway,
    AgentError,
    AnswerReader,
    frame,
)

_CHUNK = 65_536


class Asking:
    """
    A request. Whoever awaits it gets the answer; the loop finds out when it is there.

    @ivar seconds: that the agent has for it.
    """

    def __init__(self, path: str, question: bytes, seconds: float) -> None:
        self._path = path
        self._unsent = frame(question)
        self._reader = AnswerReader()
        self.seconds = seconds

    def __await__(self) -> Generator["Asking", bytes, bytes]:
        answer = yield self
        return answer

    def open(self) -> socket.socket | None:
        """
        Connect.

        @return: L{None} if it accepts no more connections at the moment.
        @raise AgentError: no agent listens there, or this process cannot have another socket.
        """
        if not hasattr(socket, "AF_UNIX"):
            raise AgentError(NO_SOCKETS)
        try:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as error:  # too many files are open
            raise AgentError(error.strerror or str(error)) from error
        try:
            connection.setblocking(False)
            connection.connect(self._path)
        except BlockingIOError:
            connection.close()
            return None
        except (OSError, ValueError) as error:  # ValueError: a path with a null byte, say
            connection.close()
            raise AgentAway from error
        return connection

    @property
    def isSent(self) -> bool:
        """Whether the whole request is sent."""
        return not self._unsent

    def send(self, connection: Any) -> None:
        """
        Send more of it.

        @raise AgentError: the agent hung up.
        """
        try:
            self._unsent = self._unsent[connection.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError as error:
            raise AgentError("it hung up") from error

    def receive(self, connection: Any) -> bytes | None:
        """
        Receive more of the answer.

        @return: the answer; L{None} if more of it is to come.
        @raise AgentError: the agent hung up, or its answer is of no use.
        """
        try:
            data = connection.recv(_CHUNK)
        except BlockingIOError:
            return None
        except OSError as error:
            raise AgentError("it hung up") from error
        if not data:
            raise AgentError("it hung up")
        return self._reader.feed(data)
