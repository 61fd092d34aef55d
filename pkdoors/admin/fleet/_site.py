"""The paths of the lesser socket."""

from typing import Any

from twisted.web.http import Request
from twisted.web.resource import IResource, Resource

from pkdoors.admin._eventstream import Events
from pkdoors.admin._resources import SLICES_PER_TURN, Operation, UnknownPath
from pkdoors.admin.channel import AdminChannel, AdminRequest, QuietSite
from pkdoors.admin.fleet._seals import Relay, Seals
from pkdoors.admin.operations import AdminOperations
from pkdoors.admin.responses import Senders
from pkdoors.events.gathering import gatherEvents
from pkdoors.util.turns import Turns

MAX_BODY = 1 << 18
"""Bytes of a request's body: several hundred seals."""
MAX_PIECES = 1024
"""Pieces of it: the kernel hands over whatever has arrived."""
TIMEOUT = 3600.0
"""Seconds until a connection is closed on which no request comes. The fleet's process keeps one
open, and this must not end it in the moment of a seal."""

GATHERED = 0.1
"""Seconds for which events wait for others. Each message wakes the fleet's process, and then seals,
for which clients wait, take longer."""


class FleetRequest(AdminRequest):
    """A request with many seals."""

    maxBody, maxPieces = MAX_BODY, MAX_PIECES


class FleetChannel(AdminChannel):
    """Takes such requests."""

    maxBody = MAX_BODY


class FleetRoot(Resource):
    """Finds the resource for a path; there are only these."""

    def __init__(self, reactor: Any, operations: AdminOperations, relay: Relay) -> None:
        super().__init__()
        turns = Turns(reactor, SLICES_PER_TURN)
        follow = gatherEvents(reactor, operations.follow, GATHERED)
        selection = ("door", "source", "within", "after", "limit")
        self._resources: dict[str, IResource] = {
            "seals": Seals(relay),
            "events": Events(follow, operations.history),
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
    return FleetServer(reactor, FleetRoot(reactor, operations, relay), TIMEOUT)
