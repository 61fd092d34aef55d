"""The paths of the lesser socket."""

from typing import Any

from twisted.web.http import Request
from twisted.web.resource import IResource, Resource

from pkdoors.admin._channel import AdminChannel, AdminRequest
from pkdoors.admin._eventstream import Events
from pkdoors.admin._resources import SLICES_PER_TURN, Operation, QuietSite, UnknownPath
from pkdoors.admin._responses import Senders
from pkdoors.admin.fleet._seals import Relay, Seals
from pkdoors.admin.operations import AdminOperations
from pkdoors.util.turns import Turns

MAX_BODY = 1 << 18
"""Bytes of a request's body: several hundred seals."""
MAX_PIECES = 1024
"""Pieces of it: the kernel hands over whatever has arrived."""
TIMEOUT = 3600.0
"""Seconds until a connection is closed on which no request comes. The fleet's process keeps one
open, and this must not end it in the moment of a seal."""


class FleetRequest(AdminRequest):
    """A request with many seals."""

    maxBody, maxPieces = MAX_BODY, MAX_PIECES


class FleetChannel(AdminChannel):
    """Takes such requests."""

    maxBody = MAX_BODY


class FleetRoot(Resource):
    """Finds the resource for a path; there are only these."""

    def __init__(self, operations: AdminOperations, relay: Relay, turns: Turns) -> None:
        super().__init__()
        selection = ("door", "source", "within", "after", "limit")
        self._resources: dict[str, IResource] = {
            "seals": Seals(relay),
            "events": Events(operations),
            "status": Operation({"GET": (operations.status, selection)}, turns, Senders()),
        }

    def getChild(self, path: bytes, request: Request) -> IResource:
        """See L{Resource.getChild}."""
        rest: list[bytes] = request.postpath  # type: ignore[attr-defined]
        name = path.decode("utf-8", "replace")
        if name in self._resources and not rest:
            return self._resources[name]
        return UnknownPath([f"/{known}" for known in self._resources])


class FleetServer(QuietSite):
    """A site that keeps no log of its own."""

    protocol = FleetChannel
    requestFactory = FleetRequest


def makeServer(reactor: Any, operations: AdminOperations, relay: Relay) -> FleetServer:
    """Return the whole interface."""
    root = FleetRoot(operations, relay, Turns(reactor, SLICES_PER_TURN))
    return FleetServer(reactor, root, TIMEOUT)
