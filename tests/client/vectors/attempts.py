"""
Attempts, and what must come of them: what each knock port hears, how many connections are accepted,
how it ends, and what the user is told. C{HOST4} stands for the address of the test.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from pkdoors.client.core.plan import RoundTrip

PLAIN = b"knock\n"
SEALED = "sealed"
"""Stands for the sealed knock in C{bytes.json}, C{CLOSE} for the one that closes."""
CLOSE = "close"

REFUSED = (
    "vector.example refuses connections to 47122/tcp: "
    "the door is probably open, but nothing listens on that port"
)
AGAIN = "connection refused, knocking again (1 left)"


class Vector(NamedTuple):
    """
    An attempt.

    @ivar options: the fields of the attempt that are not as usual; C{wait} waits.
    @ivar families: of the host's addresses.
    @ivar deaf: those of them on which nothing is to be heard.
    @ivar opensAfter: see L{tests.client.vectors.world.World}.
    @ivar connections: how many are accepted; at least so many, if the port opens only later.
    @ivar hears: what each port hears on each family.
    @ivar pauses: for each knock, the milliseconds between its last two datagrams; L{None} if they
        are as the options say.
    @ivar ends: the fields of the outcome, or the kind and the sentence of the error.
    """

    name: str
    options: Mapping[str, Any] = MappingProxyType({})
    families: tuple[int, ...] = (4,)
    deaf: tuple[int, ...] = ()
    method: str = "plain"
    opensAfter: int | None = None
    agent: str = "good"
    hears: tuple[Any, ...] = ()
    connections: int = 0
    syns: int = 0
    pauses: tuple[float, ...] | None = None
    ends: tuple[Any, ...] = ()
    said: tuple[str, ...] = ()


HOST4, HOST6 = "HOST4", "::1"
OPENED, OPEN = (HOST4, False, ""), (HOST4, True, "")
SENT = (None, False, "")
ONCE = {"tries": 1, "timeout": 0.1}
TWICE = {"tries": 2, "timeout": 0.1}
LOOK = {"look": 0.05}
NEAR = {"path": RoundTrip(0.032, 0.001), "interval": None}

VECTORS = (
    Vector("plain", hears=(PLAIN,), ends=((HOST4,), *SENT)),
    Vector("plain, a time", {"seconds": 59.5}, hears=(b"knock 60\n",), ends=((HOST4,), *SENT)),
    Vector("plain, IPv6", families=(6,), hears=(PLAIN,), ends=((HOST6,), *SENT)),
    Vector("plain, both", families=(4, 6), hears=(PLAIN,), ends=((HOST4, HOST6), *SENT)),
    Vector(
        "plain, a family",
        {"family": 6},
        families=(4, 6),
        deaf=(4,),
        hears=(PLAIN,),
        ends=((HOST6,), *SENT),
    ),
    Vector("plain, TCP", method="tcp", hears=(PLAIN,), syns=1, ends=((HOST4,), *SENT)),
    Vector("sealed", method="sealed", hears=(SEALED,) * 3, ends=((HOST4,), *SENT)),
    Vector(
        "sealed, both",
        families=(4, 6),
        method="sealed",
        hears=(SEALED,) * 3,
        ends=((HOST4, HOST6), *SENT),
    ),
    Vector("sealed, to close", method="close", hears=(CLOSE,) * 3, ends=((HOST4,), *SENT)),
    Vector(
        "waits",
        {"wait": True, **LOOK},
        opensAfter=5,
        hears=(PLAIN,),
        connections=1,
        ends=((HOST4,), *OPENED),
    ),
    Vector(
        "waits, sealed",
        {"wait": True, **LOOK},
        method="sealed",
        opensAfter=15,
        hears=(SEALED,) * 3,
        connections=1,
        ends=((HOST4,), *OPENED),
    ),
    Vector(
        "was open",
        {"wait": True, "look": 30.0},
        opensAfter=0,
        hears=(PLAIN,),
        connections=1,
        ends=((HOST4,), *OPEN),
    ),
    Vector(
        "does not open",
        {"wait": True, **TWICE, **LOOK},
        hears=(PLAIN,) * 2,
        ends=("NotOpen", REFUSED),
        said=(AGAIN,),
    ),
    Vector(
        "opens after the second knock",
        {"wait": True, "tries": 3, "timeout": 0.3, **LOOK},
        opensAfter=10,
        hears=(PLAIN,) * 2,
        connections=1,
        ends=((HOST4,), *OPENED),
        said=("connection refused, knocking again (2 left)",),
    ),
    Vector(
        "race, open",
        {"wait": True, "isRace": True, "look": 30.0},
        opensAfter=0,
        connections=1,
        ends=((), *OPEN),
    ),
    Vector(
        "race, closed",
        {"wait": True, "isRace": True, **LOOK},
        opensAfter=5,
        hears=(PLAIN,),
        connections=1,
        ends=((HOST4,), *OPENED),
    ),
    Vector(
        "near, the second knock is slower",
        {"wait": True, "isRace": True, "timeout": 0.3, "tries": 24, **LOOK, **NEAR},
        opensAfter=6,
        hears=(PLAIN,) * 2,
        connections=1,
        pauses=(8.0, 20.0),
        ends=((HOST4,), *OPENED),
        said=("connection refused, knocking again (23 left)",),
    ),
    Vector(
        "near, without another try",
        {"wait": True, **ONCE, **LOOK, **NEAR},
        hears=(PLAIN,),
        pauses=(20.0,),
        ends=("NotOpen", REFUSED),
    ),
    Vector(
        "near, at the user's pace",
        {"wait": True, "isRace": True, **LOOK, **NEAR, "interval": 0.001},
        opensAfter=5,
        hears=(PLAIN,),
        connections=1,
        pauses=(1.0,),
        ends=((HOST4,), *OPENED),
    ),
    Vector(
        "near, sealed",
        {"wait": True, **LOOK, **NEAR},
        method="sealed",
        opensAfter=5,
        hears=(SEALED,) * 3,
        connections=1,
        pauses=(0.0,),
        ends=((HOST4,), *OPENED),
    ),
    Vector(
        "race, sealed, not open",
        {"wait": True, "isRace": True, **ONCE, **LOOK},
        method="sealed",
        hears=(SEALED,) * 3,
        ends=("NotOpen", REFUSED),
    ),
    Vector(
        "race, open, with an agent that is away",
        {"wait": True, "isRace": True, "look": 30.0},
        method="sealed",
        agent="away",
        opensAfter=0,
        connections=1,
        ends=((), *OPEN),
    ),
    Vector(
        "the agent refuses",
        method="sealed",
        agent="refuses",
        ends=(
            "KnockError",
            "cannot knock on HOST4: the SSH agent refuses to sign with KEY: perhaps it is locked "
            "(unlock it with ssh-add -X), has lost the key, or its user declined",
        ),
    ),
    Vector(
        "the agent hangs up",
        method="sealed",
        agent="hangs up",
        ends=("NoKey", "the SSH agent at AGENT does not list its keys: it hung up"),
    ),
    Vector(
        "no agent",
        method="sealed",
        agent="away",
        ends=("NoKey", "no SSH agent answers at AGENT (SSH_AUTH_SOCK): is it still running?"),
    ),
    Vector(
        "no address",
        {"family": 6},
        ends=(
            "NoAddress",
            "no IPv6 address found for 'vector.example': Name or service not known",
        ),
    ),
)
