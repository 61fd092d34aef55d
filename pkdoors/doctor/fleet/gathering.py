"""Puts together what is known about a fleet."""

from collections.abc import Callable, Collection

from pkdoors.config.fleet import FleetConfig
from pkdoors.doctor.fleet.facts import EngineFacts, FleetFacts
from pkdoors.errors import PkdoorsError
from pkdoors.fleet.overview.orderlist import listOrders
from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey
from pkdoors.model.doors import Door

ReadOperators = Callable[[str], tuple[list[AuthorizedKey], list[str]]]


def gatherFleet(
    fleet: FleetConfig,
    file: str,
    engine: EngineFacts,
    doors: Collection[Door],
    readOperators: ReadOperators,
    isFleetOn: Callable[[], bool | None],
) -> FleetFacts:
    """
    Return all facts.

    @param file: the fleet's configuration file.
    @param doors: those of this host.
    @param isFleetOn: returns whether systemd runs the fleet's process, or starts it at boot.
    """
    operators: list[AuthorizedKey] = []
    complaints: list[str] = []
    if fleet.operators:
        try:
            operators, complaints = readOperators(fleet.operators)
        except PkdoorsError as error:
            complaints = [str(error)]
    survey = engine.survey
    orders = listOrders(survey.entries, fleet.name, operators, survey.time) if survey else []
    shared = [door for door in doors if door.fleet]
    return FleetFacts(
        fleet,
        file,
        engine,
        doors=[door.name for door in shared],
        operators=len(operators),
        complaints=complaints,
        orders=orders,
        isServiceOn=isFleetOn(),
        clockSkew=min((door.clockSkew for door in shared), default=0.0),
    )
