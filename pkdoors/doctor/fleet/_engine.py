"""The engine of a fleet: who may do what there, and what it keeps. Pure."""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from pkdoors.doctor.findings import ERROR, OK, WARNING, Finding
from pkdoors.doctor.fleet.facts import FleetFacts

SUBJECT = "engine"
ACL = "give each host its user, with the lines that `pkdoors fleet init` prints"


def judgeEngine(facts: FleetFacts, about: Mapping[str, str]) -> Iterator[Finding]:
    """
    Yield what is found about an engine that answers.

    @param about: what it says of itself.
    """
    yield Finding(OK, SUBJECT, f"it answers at {facts.fleet.engine}")
    yield from _judgeWay(facts)
    yield from _judgeRights(facts)
    yield from _judgePersistence(about)
    yield from _judgeMemory(about)


def _judgeWay(facts: FleetFacts) -> Iterator[Finding]:
    engine = facts.fleet.engine
    if engine.isTls:
        yield Finding(
            OK, SUBJECT, "the connection is encrypted, and the engine has proved its name"
        )
    elif not _isHere(engine.host):
        text = (
            "there is no TLS: everybody on the way can read who knocks and the password of this "
            "host, and can hold knocks and orders back"
        )
        remedy = f"let the engine listen with TLS, and use rediss:// in {facts.file}"
        yield Finding(WARNING, SUBJECT, text, remedy)


def _isHere(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _judgeRights(facts: FleetFacts) -> Iterator[Finding]:
    engine = facts.engine
    if engine.isOpenToAll:
        text = (
            "it answers everybody who can reach it, without a password: they can read who knocks, "
            "and delete orders"
        )
        yield Finding(ERROR, SUBJECT, text, f"set `user default off`, and {ACL}")
    if engine.canWriteAll:
        text = (
            f"this host's user ({facts.fleet.user}) may write for other hosts, so a stolen host "
            "could fill or empty their streams"
        )
        yield Finding(WARNING, SUBJECT, text, ACL)
    elif engine.canReadAll:
        text = f"this host's user ({facts.fleet.user}) may read more than the fleet's own keys"
        yield Finding(WARNING, SUBJECT, text, ACL)
    elif not engine.isOpenToAll:
        yield Finding(OK, SUBJECT, "this host may write its own streams only")


def _judgePersistence(about: Mapping[str, str]) -> Iterator[Finding]:
    if about.get("role") == "slave":
        text = "it is a replica, and takes nothing in"
        yield Finding(ERROR, SUBJECT, text, "name the primary in engine")
    if about.get("loading") == "1":
        yield Finding(WARNING, SUBJECT, "it is still reading its data", "wait, and check again")
    if (
        about.get("aof_last_write_status") == "err"
        or about.get("aof_last_bgrewrite_status") == "err"
    ):
        text = "it could not write its append-only file: its disk may be full"
        yield Finding(ERROR, SUBJECT, text, "make room there, and see its log")
    if about.get("aof_enabled") == "0":
        text = (
            "it keeps nothing when it ends: after a restart, hosts that were away never get the "
            "orders and knocks from before"
        )
        remedy = "`appendonly yes` and `appendfsync everysec` in its configuration, then restart it"
        yield Finding(WARNING, SUBJECT, text, remedy)
    elif about.get("aof_enabled") == "1":
        yield Finding(OK, SUBJECT, "it keeps what it has when it ends (append-only file)")


def _judgeMemory(about: Mapping[str, str]) -> Iterator[Finding]:
    most, used = _number(about, "maxmemory"), _number(about, "used_memory")
    policy = about.get("maxmemory_policy", "noeviction")
    if most and policy != "noeviction":
        text = f"when its memory is full it forgets what it likes ({policy}), orders among it"
        yield Finding(WARNING, SUBJECT, text, "`maxmemory-policy noeviction`")
    if most and used > 0.9 * most:
        text = f"its memory is {100 * used // most} % full: when it is full it takes nothing in"
        yield Finding(WARNING, SUBJECT, text, "raise its `maxmemory`")


def _number(about: Mapping[str, str], key: str) -> int:
    text = about.get(key, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0
