"""The doors of a new configuration."""

from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from pkdoors.commands.setup._keys import KeyCopy, copyKeys
from pkdoors.model.doors import Door
from pkdoors.model.knockports import KnockPort, asRange
from pkdoors.model.ports import PortRange, mergeRanges
from pkdoors.model.sequence import DEFAULT_LENGTH, Sequence

if TYPE_CHECKING:
    from pkdoors.host.logins.users import User

KEYS_NAME = "authorized_keys"
"""The name of the file with the keys, beside the configuration."""


class Plan(NamedTuple):
    """
    What C{pkdoors init} is going to write.

    @ivar keys: the file of keys that it copies; L{None} if it copies none.
    @ivar report: what became of another program's configuration.
    @ivar program: the service of that program, which opens ports in the host's own firewall; empty
        if there is none.
    """

    doors: tuple[Door, ...]
    keys: KeyCopy | None = None
    report: str = ""
    program: str = ""


class Host:
    """
    What this host's sshd says, asked once, and only if it is needed.

    @ivar user: the user whose keys are copied.
    """

    def __init__(self, options: Namespace, environment: Mapping[str, str]) -> None:
        from pkdoors.host.logins.users import findUser

        self.user: User = findUser(environment, options.user or "")
        self._isCaller = bool(options.user) or self.user.uid != 0
        self._settings: dict[str, list[str]] | None = None

    def _ask(self) -> dict[str, list[str]]:
        from pkdoors.host.logins.sshd import askSshd

        if self._settings is None:
            self._settings = askSshd(self.user)
        return self._settings

    def sshPorts(self) -> tuple[PortRange, ...]:
        """Return the ports on which sshd listens."""
        from pkdoors.host.logins.sshd import findSshPorts
        from pkdoors.host.proc import Proc

        ports = findSshPorts(self._ask(), Proc())
        return mergeRanges(PortRange("tcp", port, port) for port in ports)

    def copyKeys(self, path: str) -> KeyCopy:
        """See L{copyKeys}."""
        return copyKeys(path, self._ask(), self.user, self._isCaller)


def makeSequence(options: Namespace, ports: tuple[PortRange, ...]) -> Sequence:
    """Return a random sequence of free ports, other than some protected ones."""
    from pkdoors.commands.sequence import isFree

    def isFit(port: KnockPort) -> bool:
        return not any(map(asRange(port).overlaps, ports)) and isFree(port)

    return Sequence.random(options.length or DEFAULT_LENGTH, isFit, options.tcp)


def makeDoor(options: Namespace, host: Host, keys: tuple[str, ...]) -> Door:
    """
    Return the door that the options ask for; without any, one for ssh.

    @param keys: the files with the keys that open it; empty for a plain sequence.
    """
    ports = options.ports or host.sshPorts()
    name = options.door or "ssh"
    return Door(name, makeSequence(options, ports), ports, authorizedKeys=keys)
