"""Asks the engine of a fleet for the facts that judges need."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from pkdoors.config.fleet import FleetConfig
from pkdoors.doctor.fleet.facts import EngineFacts
from pkdoors.errors import EngineError, EngineRefusal, PkdoorsError
from pkdoors.fleet.engine import IEngine
from pkdoors.fleet.overview.survey import surveyFleet
from pkdoors.fleet.streams import Streams

NOBODY = "!check"
"""The name of a host that cannot exist. No host of a fleet may read or write for it."""
BRIEFLY = 1
"""Seconds for which a value lasts that an engine without an ACL let this host write."""

Connect = Callable[[bool], Awaitable[IEngine]]
"""Connects to the engine: as this host, or, with C{True}, as nobody in particular."""


async def askEngine(fleet: FleetConfig, connect: Connect, own: float) -> EngineFacts:
    """
    Ask the engine. Whatever goes wrong is among the facts.

    @param own: the time of day.
    """
    try:
        engine = await connect(False)
    except PkdoorsError as error:
        return EngineFacts(trouble=str(error))
    try:
        survey = await surveyFleet(engine, fleet.name, fleet.hosts, own)
        return EngineFacts(
            survey=survey,
            canReadAll=await _canReadAll(engine),
            canWriteAll=await _canWriteAll(engine, fleet.name),
            isOpenToAll=await _isOpenToAll(connect),
        )
    except EngineError as error:
        return EngineFacts(trouble=str(error))
    finally:
        await engine.close()


async def _canReadAll(engine: IEngine) -> bool:
    """Return whether this host may read what does not belong to the fleet."""
    try:
        await engine.get(f"pkdoors-{NOBODY}")
    except EngineRefusal:
        return False
    return True


async def _canWriteAll(engine: IEngine, fleet: str) -> bool:
    """Return whether this host may write for another one."""
    try:
        await engine.put(Streams(fleet).up(NOBODY), b"", BRIEFLY)
    except EngineRefusal:
        return False
    return True


async def _isOpenToAll(connect: Connect) -> bool:
    """Return whether the engine answers those that do not log in."""
    with suppress(PkdoorsError):
        engine = await connect(True)
        try:
            await engine.describe()
        finally:
            await engine.close()
        return True
    return False
