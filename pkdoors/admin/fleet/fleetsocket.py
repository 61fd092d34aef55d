"""This host's part in its fleet: the lesser socket, and what the daemon does behind it."""

import grp
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from pkdoors.admin._lazysite import AdminSite
from pkdoors.admin.fleet._seals import Relay
from pkdoors.admin.operations import AdminOperations
from pkdoors.admin.unixsocket import AdminSocket, tryToCreate
from pkdoors.config.config import Config
from pkdoors.daemon.component import Optional
from pkdoors.daemon.fleet.fleet import Fleet
from pkdoors.errors import ListenError
from pkdoors.files.acl import PASS, READ, WRITE, letOwnerAndGroup
from pkdoors.files.folders import makeFolders
from pkdoors.host.instance import FOLDER

GROUP = "pkdoors-fleet"
"""The group whose members can use the socket."""
NAME = "fleet.sock"
"""Its name, beside the admin socket."""

_NOT_SHARED = (
    "only the daemon's own user can use {path}: the group {group} cannot get access ({reason}), so "
    "the fleet's process must run as the same user, or as root"
)


class FleetSite(AdminSite):
    """
    Takes connections of the fleet's process.

    @param relay: takes and gives seals.
    """

    name = "the fleet's socket"
    most = 16

    def __init__(self, reactor: Any, operations: AdminOperations, relay: Relay) -> None:
        super().__init__(reactor, operations)
        self._relay = relay

    def makeServer(self, reactor: Any, operations: AdminOperations) -> Any:
        """See L{AdminSite.makeServer}."""
        from pkdoors.admin.fleet._site import makeServer

        return makeServer(reactor, operations, self._relay)


class FleetSocket(AdminSocket, Optional):
    """
    Listens on a socket that the members of a group can use, too, if there is such a group.

    @param fleet: what the daemon does.
    @param group: the group's name.
    """

    name = "socket for the fleet"

    def __init__(
        self,
        reactor: Any,
        path: str,
        operations: AdminOperations,
        fleet: Fleet,
        group: str = GROUP,
    ) -> None:
        super().__init__(reactor, path, operations)
        self._fleet = fleet
        self._group = group

    def makeSite(self, reactor: Any, operations: AdminOperations) -> AdminSite:
        """See L{AdminSocket.makeSite}."""
        return FleetSite(reactor, operations, self._fleet)

    def use(self, config: Config) -> None:
        """See L{Optional.use}."""
        assert config.fleet is not None
        self._fleet.use(config.fleet)

    def troubles(self) -> list[str]:
        """See L{Optional.troubles}."""
        return self._fleet.troubles()

    def start(self) -> None:
        """See L{Component.start}."""
        self._fleet.start()

    def stop(self) -> Deferred[None]:
        """See L{Component.stop}."""
        self._fleet.stop()
        return super().stop()

    def prepare(self) -> None:
        """See L{Component.prepare}."""
        try:
            makeFolders(Path(self._path).parent, 0o700)
            tryToCreate(self._path)
        except OSError as error:
            raise ListenError(
                f"cannot create the fleet's socket {self._path}: {error.strerror}; until the next "
                "start this host neither gets the seals of other hosts nor sends its own"
            ) from error

    def _share(self) -> None:
        """Let the group use the socket, and pass through the daemon's own folder."""
        try:
            group = grp.getgrnam(self._group).gr_gid
        except KeyError:  # there is no service for the fleet: it runs as our user, or root's
            return
        try:
            letOwnerAndGroup(self._path, READ + WRITE, group, READ + WRITE)
            if Path(self._path).parent == FOLDER:
                letOwnerAndGroup(FOLDER, READ + WRITE + PASS, group, PASS)
        except OSError as error:
            self._log.warn(_NOT_SHARED, path=self._path, group=self._group, reason=error.strerror)


def fleetPath(admin: str) -> str:
    """
    Return the path of the socket.

    @param admin: the path of the admin socket; empty for none.
    """
    return str((Path(admin).parent if admin else FOLDER) / NAME)
