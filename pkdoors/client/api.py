"""
The client for programs on Twisted; C{pkdoors.client} has the names. See C{docs/client-api.md}.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from twisted.internet.interfaces import (
    IReactorTCP,
    IReactorThreads,
    IReactorTime,
    IReactorUDP,
)
from twisted.logger import Logger

from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.attempt import Outcome as AttemptOutcome
from pkdoors.client.core.binding import AUTO, parseBind
from pkdoors.client.core.methods import Identity as AnyIdentity
from pkdoors.client.core.methods import Method, PlainMethod, SealedMethod
from pkdoors.client.keys.signers import GivenKey, Identity
from pkdoors.client.network import findLocalAddress
from pkdoors.client.profiles import FROM_AGENT
from pkdoors.client.reactor.driver import perform
from pkdoors.errors import BadValue, KnockError
from pkdoors.model.knockports import TcpPort
from pkdoors.model.names import checkName
from pkdoors.model.sequence import Sequence
from pkdoors.util.durations import MAX_DURATION

DEFAULT_DOOR = "default"
"""The name of the daemon's door if its command line sets it up."""

Value = TypeVar("Value")
Key = str | os.PathLike[str] | bytes

_log = Logger(namespace="pkdoors.client")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    How an attempt ended that did not fail. C{str()} is a sentence for people.

    @ivar host: the name or the address that was given.
    @ivar knocked: the addresses that were knocked on.
    @ivar address: the address that answered; L{None} without C{wait}.
    @ivar wasOpen: whether the port was open before the knock.
    @ivar seconds: from the knock to the answer; L{None} if there was none, or the port was open
        before.
    @ivar note: something about the server that its user should know; empty for nothing.
    """

    host: str
    knocked: tuple[str, ...]
    address: str | None
    wasOpen: bool
    seconds: float | None
    note: str
    sentence: str

    def __str__(self) -> str:
        return self.sentence


async def knock(
    reactor: IReactorTime,
    host: str,
    sequence: str | Sequence,
    *,
    key: Key | None = None,
    agent: str | None = None,
    door: str | None = None,
    wait: int | None = None,
    openFor: float = 0.0,
    bind: str | None = None,
    family: Literal[4, 6] | None = None,
    tries: int = 3,
    timeout: float | None = None,
    interval: float | None = None,
    say: Callable[[str], object] | None = None,
) -> Outcome:
    """
    Knock on a host.

    @param reactor: besides C{IReactorTime}, it must provide C{IReactorUDP}, C{IReactorTCP} and
        C{IReactorThreads}, and C{IReactorUNIX} for an agent, as all of Twisted's own on Unix do.
    @param host: its name or its address.
    @param sequence: its door's, C{"17001,17203,..."}.
    @param key: what seals the knock: the path of a key as for C{pkdoors knock --identity},
        C{"agent"} for the SSH agent's keys, or a private key as bytes. Nobody is asked for a
        passphrase. L{None} for a plain knock.
    @param agent: the path of the SSH agent's socket; empty for no agent; L{None} for
        C{SSH_AUTH_SOCK} in the environment.
    @param door: sealed: its name; L{None} for C{"default"}.
    @param wait: the TCP port to wait for; L{None} to end as soon as the knock is sent.
    @param openFor: seconds to ask for; 0 for what the host grants.
    @param bind: sealed: the address that the host will see, C{"none"}, C{"stun:HOST"}, or
        C{"auto"} as by default.
    @param family: 4 or 6 for only that.
    @param tries: when waiting: knocks in all.
    @param timeout: when waiting: seconds to wait after each knock; L{None} for 5, and for 7 after
        a plain knock.
    @param interval: plain: seconds between two datagrams; L{None} for 0.02, and for less if the
        first of several tries goes to a host nearby.
    @param say: called with lines about the progress.
    @raise NotOpen: the port did not open.
    @raise NoKey: there is no key, or it cannot be used.
    @raise NoAddress: the host has no address.
    @raise KnockError: nothing could be sent; also the base class of those three.
    @raise BadValue: an argument is not allowed.
    @raise TypeError: the reactor lacks an interface.
    """
    _checkReactor(reactor)
    _checkWhole("wait", 1 if wait is None else wait, 1, 65535)
    _checkNumber("openFor", openFor or 1, 1, MAX_DURATION)
    _checkWhole("tries", tries, 1, 1000)
    _checkNumber("timeout", 1 if timeout is None else timeout, 0.1, 24 * 3600)
    _checkNumber("interval", 1 if interval is None else interval, 0, 10)
    ports = _readSequence(sequence)
    if key is None:
        method = _makePlain(ports, openFor, interval, door, bind)
    else:
        method = _makeSealed(ports, openFor, key, agent, door, bind)
    seconds = method.patience if timeout is None else timeout
    attempt = Attempt(
        _checkHost(host), method, _checkFamily(family), wait, timeout=seconds, tries=tries
    )
    return _publish(await perform(reactor, attempt, _makeReporter(say)))


async def close(
    reactor: IReactorTime,
    host: str,
    sequence: str | Sequence,
    *,
    key: Key,
    agent: str | None = None,
    door: str | None = None,
    bind: str | None = None,
    family: Literal[4, 6] | None = None,
    say: Callable[[str], object] | None = None,
) -> Outcome:
    """
    Ask a host to close what a key opened for this address. The host does not answer.

    @param key: see L{knock}, as for all the others. Only a sealed knock can close.
    @raise NoKey: there is no key, or it cannot be used.
    @raise NoAddress: the host has no address.
    @raise KnockError: nothing could be sent; also the base class of those two.
    @raise BadValue: an argument is not allowed.
    @raise TypeError: the reactor lacks an interface.
    """
    _checkReactor(reactor)
    method = _makeSealed(_readSequence(sequence), 0.0, key, agent, door, bind).closing()
    attempt = Attempt(_checkHost(host), method, _checkFamily(family))
    return _publish(await perform(reactor, attempt, _makeReporter(say)))


def _makePlain(
    sequence: Sequence, seconds: float, interval: float | None, door: str | None, bind: str | None
) -> Method:
    for name, value in (("door", door), ("bind", bind)):
        if value is not None:
            raise BadValue(f"{name} needs a sealed knock: give a key")
    if seconds and isinstance(sequence.ports[-1], TcpPort):
        raise BadValue(
            "openFor: a knock on a TCP port cannot ask for a time: "
            "leave it out, or use a sequence that ends with a UDP port"
        )
    return PlainMethod(sequence, seconds, interval)


def _makeSealed(
    sequence: Sequence,
    seconds: float,
    key: Key,
    agent: str | None,
    door: str | None,
    bind: str | None,
) -> Method:
    if sequence.tcpPorts():
        raise BadValue(
            "the sequence has a TCP port, but a sealed knock is a datagram: use UDP ports only"
        )
    socket = os.environ.get("SSH_AUTH_SOCK", "") if agent is None else agent
    return SealedMethod(
        sequence=sequence,
        door=_at("door", lambda: checkName(DEFAULT_DOOR if door is None else door)),
        seconds=seconds,
        close=False,
        bind=_at("bind", lambda: parseBind(AUTO if bind is None else bind)),
        identity=_findIdentity(key, socket),
        timeOfDay=time.time,
        findLocalAddress=findLocalAddress,
    )


def _findIdentity(key: Key, agent: str) -> AnyIdentity:
    if isinstance(key, bytes):
        return GivenKey(key)
    path = os.fspath(key)
    if not path:
        raise BadValue("key is empty: give the path of a key, or None for a plain knock")
    # A file of this name in the current folder can be given as a Path.
    if path == FROM_AGENT and not isinstance(key, str):
        path = os.path.join(os.curdir, path)
    return Identity(path, agent, _refuseToAsk)


def _refuseToAsk(prompt: str) -> bytes:
    raise KnockError("the key is encrypted: decrypt it, or add it to the SSH agent with ssh-add")


def _readSequence(sequence: str | Sequence) -> Sequence:
    if isinstance(sequence, Sequence):
        return sequence
    return _at("sequence", lambda: Sequence.parse(sequence))


def _at(name: str, read: Callable[[], Value]) -> Value:
    """Return a value; if it is not allowed, the error names the argument."""
    try:
        return read()
    except BadValue as error:
        raise error.at(name) from error


def _checkNumber(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise BadValue(f"{name} is {value:g}: it must be from {least:g} to {most:g}")


def _checkWhole(name: str, value: int, least: int, most: int) -> None:
    _checkNumber(name, value, least, most)
    if value != int(value):  # annotations stop nobody, and half a try never ends
        raise BadValue(f"{name} is {value:g}: it must be a whole number")


def _checkHost(host: str) -> str:
    if not host:
        raise BadValue("host is empty: give a name or an address")
    return host


def _checkFamily(family: int | None) -> int | None:
    if family not in (None, 4, 6):
        raise BadValue(f"family is {family}: it must be 4, 6 or None")
    return family


def _checkReactor(reactor: IReactorTime) -> None:
    """Look for the interfaces that no annotation can demand: Python's types have no "and"."""
    for interface in (IReactorTime, IReactorUDP, IReactorTCP, IReactorThreads):
        if not interface.providedBy(reactor):
            raise TypeError(f"the reactor does not provide {interface.__name__}")


def _makeReporter(say: Callable[[str], object] | None) -> Callable[[str], None]:
    """Return a function that calls the program; its errors are not those of the knock."""

    def report(line: str) -> None:
        try:
            if say:
                say(line)
        except Exception:
            _log.failure("a listener for the progress of a knock failed")

    return report


def _publish(outcome: AttemptOutcome) -> Outcome:
    return Outcome(
        host=outcome.attempt.host,
        knocked=outcome.knocked,
        address=outcome.answered,
        wasOpen=outcome.wasOpen,
        seconds=outcome.seconds,
        note=outcome.note,
        sentence=str(outcome),
    )
