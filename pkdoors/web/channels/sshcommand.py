"""The command line of ssh, and what its end means. Pure."""

import re
import shlex
from typing import NamedTuple

from pkdoors.errors import BadValue
from pkdoors.util.quoting import shown

OPTIONS = ("-T", "-o", "ServerAliveInterval=15", "-o", "ServerAliveCountMax=3")
"""No terminal; and if the network goes away, ssh notices within a minute."""
PROGRAM = "pkdoors"

_BRACKETED = re.compile(r"(.*@)?\[([0-9A-Fa-f:.]+(?:%\w+)?)\]")
_LOGIN_FAILED, _NOT_EXECUTABLE, _NOT_FOUND, _NOT_UNDERSTOOD = 255, 126, 127, 2


class SshTarget(NamedTuple):
    """
    Where the daemon is, and how to get there.

    @ivar host: as ssh takes it.
    @ivar ssh: the words that run ssh.
    @ivar program: pkdoors on the host.
    @ivar options: of C{relay-admin}.
    @ivar isSudo: whether sudo runs it there.
    """

    host: str
    ssh: tuple[str, ...] = ("ssh",)
    program: str = PROGRAM
    options: tuple[str, ...] = ()
    isSudo: bool = False

    def words(self) -> list[str]:
        """Return the command line."""
        sudo = ["sudo", "-n"] if self.isSudo else []  # it could not ask for a password
        command = [*sudo, self.program, "relay-admin", *self.options]
        # After --, neither the host nor the command can be taken for an option.
        return [*self.ssh, *OPTIONS, "--", self.host, shlex.join(command)]

    def explainStart(self, status: int, version: str) -> str:
        """
        Return why pkdoors on the host has not answered.

        @param status: the exit status of ssh.
        @param version: of pkdoors here.
        """
        host = self.host
        if status == _LOGIN_FAILED:
            return f"ssh cannot log in to {host}: its message is above"
        if status == _NOT_FOUND:
            return (
                f"{self.program} is not found on {host}: install pkdoors there, or use --program "
                "PATH if it is not in the PATH of ssh's commands"
            )
        if status == _NOT_EXECUTABLE:
            return f"{self.program} cannot be run on {host}: use --program PATH for another one"
        if status == _NOT_UNDERSTOOD:
            return (
                f"pkdoors on {host} does not know what it is asked for (its message is above): if "
                f"it is older than {version}, upgrade it"
            )
        if self.isSudo and status == 1:
            return (
                f"sudo on {host} refused (its message is above): it cannot ask for a password "
                f"here. Use root@HOST, or let your user run `{self.program} relay-admin` without "
                "a password (NOPASSWD in sudoers)"
            )
        if status == 0:
            return (
                f"{host} ended the connection, and pkdoors did not answer: does its "
                "authorized_keys force another command?"
            )
        return f"pkdoors on {host} did not answer (status {status} of ssh): its message is above"


def parseHost(text: str) -> str:
    """
    Read the name of a host as ssh takes it.

    @raise BadValue: ssh would take it for an option, or it cannot be a host.
    """
    if text.startswith("-") or not text.isprintable() or not text or " " in text:
        raise BadValue(f"{shown(text)} is not a host: give one as ssh takes it, such as root@gate1")
    found = _BRACKETED.fullmatch(text)
    return (found[1] or "") + found[2] if found else text


def parseCommand(text: str) -> tuple[str, ...]:
    """
    Read the words that run ssh.

    @raise BadValue: there are none, or a quote is not closed.
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError:
        words = ()
    if not words:
        raise BadValue(f"{shown(text)} is not a command: give one such as 'ssh -p 2222'")
    return words
