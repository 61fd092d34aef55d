"""
What a client does and sees, as lines that a user can paste into a bug report: no port of the
sequence, no signature. Pure.
"""

from pkdoors.client.core.actions import Abandon, Connect, Listen, Say, Seal, Send
from pkdoors.client.core.agent import publicKeyIn
from pkdoors.client.core.agentwire import FAILURE, parseKeyList, parseSignature
from pkdoors.client.core.attempt import Attempt
from pkdoors.client.core.events import (
    Answered,
    Asked,
    Connected,
    Disconnected,
    Failed,
    Found,
    Greeted,
    Learned,
    Planned,
    Sealing,
    Traced,
)
from pkdoors.client.core.methods import PlainMethod, SealedMethod
from pkdoors.errors import BadValue
from pkdoors.knocks.wire import Malformed, fingerprint, kindOf
from pkdoors.model.knockports import TcpPort
from pkdoors.util.durations import formatDuration
from pkdoors.util.oneline import limitLines, oneLine

_LIST = 11  # the agent protocol's number of a request for a list of the keys
_MOST = 120
"""Letters of something from outside that a line shows."""
_MOST_ALIKE = 3
"""Connections in a row with the same end that are shown after a knock."""
_MOST_KEYS = 20
"""Keys of an agent that a line shows; ssh gives up after fewer."""


class Tracer:
    """
    Makes lines of what happens.

    @param home: the user's folder, which a line shows as C{~}; empty if it has none.
    """

    def __init__(self, home: str) -> None:
        self._home = home
        self._counts: dict[str, tuple[int, int]] = {}  # address -> ports, datagrams of its knock
        self._tries: dict[int, str] = {}
        self._ends: dict[str, tuple[str, int]] = {}  # place -> how the last ones ended, how many

    def describe(self, traced: Traced) -> str:
        """Return a line; empty for something that is not worth one."""
        match traced:
            case Found(host, addresses):
                return f"{oneLine(host, _MOST)} has {', '.join(addresses)}"
            case Seal(address):
                return f"make the knock for {address}"
            case Asked() | Answered() | Sealing():
                return self._describeKeys(traced)
            case Learned(server, address):
                return f"{server} sees this host as {address}"
            case Planned(address, plan):
                ports = len(plan.sendings) if _isInOrder(traced) else _countPorts(traced)
                self._counts[address] = ports, len(plan.sendings)
                self._ends.clear()
                return f"the knock for {address} has {_describePlan(traced)}"
            case Send():
                return self._describeSend(traced)
            case Failed(address, reason):
                return f"cannot knock on {address}: {reason}"
            case Say():
                return ""  # the user reads it anyway
            case _:
                return self._describeTry(traced)

    def _describeSend(self, send: Send) -> str:
        ports, datagrams = self._counts[send.address]
        place = (send.place - 1) % ports + 1
        what = f"{send.place} of {datagrams}: port {place} of {ports} of {send.address}"
        if isinstance(send.port, TcpPort):
            return f"send SYN {what}"
        return f"send datagram {what}, {len(send.datagram)} bytes"

    def _describeTry(self, traced: Traced) -> str:
        match traced:
            case Connect(number, address, port):
                place = self._tries[number] = f"port {port}/tcp of {address}"
                isShown = self._ends.get(place, ("", 0))[1] < _MOST_ALIKE
                return f"begin connection {number}, to {place}" if isShown else ""
            case Connected(number):
                return f"answered: connection {number}, to {self._tries[number]}"
            case Disconnected(number, isRefused):
                return self._describeEnd(number, "refused:" if isRefused else "failed:")
            case Abandon(number):
                return self._describeEnd(number, "give up")
            case Listen(number):
                return f"wait for the server's first bytes on connection {number}"
            case Greeted(data):
                text = oneLine(data.decode(errors="replace").rstrip(), _MOST)
                return f"the server says: {text}" if data else "the server says nothing"
        return ""

    def _describeEnd(self, number: int, how: str) -> str:
        place = self._tries[number]
        last, count = self._ends.get(place, ("", 0))
        count = count + 1 if last == how else 1
        self._ends[place] = how, count
        if count > _MOST_ALIKE:
            return ""
        note = "; until the next knock, only others are shown" if count == _MOST_ALIKE else ""
        return f"{how} connection {number}, to {place}{note}"

    def _describeKeys(self, traced: Asked | Answered | Sealing) -> str:
        match traced:
            case Asked(path, question):
                what = "for its keys" if question[0] == _LIST else "for a signature"
                return f"ask the SSH agent at {self._shorten(path)} {what}"
            case Sealing(publicKey, isCertified, statement):
                extra = ", with its certificate" if isCertified else ""
                return f"seal with {_describeKey(publicKey)}{extra}: {statement.rstrip()}"
            case Answered(b"", reason):
                return f"the agent does not answer: {reason or 'no answer in time'}"
            case Answered(answer):
                return f"the agent {_describeAnswer(answer)}"
        return ""

    def _shorten(self, path: str) -> str:
        """Return what helps of a path: not the user's name, nor what is above the last folder."""
        if self._home and path.startswith(f"{self._home}/"):
            return oneLine(f"~{path[len(self._home) :]}", _MOST)
        return oneLine(f".../{path.rpartition('/')[2]}" if path.count("/") > 1 else path, _MOST)


def describeAttempt(attempt: Attempt) -> str:
    """Return what is attempted, without the secret."""
    method = attempt.method
    what = "knock"
    if isinstance(method, PlainMethod):
        what = f"plain knock on {len(method.sequence.ports)} ports"
    elif isinstance(method, SealedMethod):
        what = f"sealed knock on {len(method.sequence.ports)} ports, for door {method.door}"
    asked = f", asks for {formatDuration(method.seconds)}" if method.seconds else ""
    only = f", IPv{attempt.family} only" if attempt.family else ""
    wait = ""
    if attempt.port is not None:
        look = "" if attempt.look is None else f", look {formatDuration(attempt.look)}"
        timeout = formatDuration(attempt.timeout)
        wait = f", port {attempt.port}/tcp{look}, tries {attempt.tries} of {timeout}"
    return f"{oneLine(attempt.host, _MOST)}: {what}{asked}{only}{wait}"


def _isInOrder(planned: Planned) -> bool:
    """Return whether each datagram of a knock counts, as in a plain one."""
    return planned.plan.enough == len(planned.plan.sendings)


def _describePlan(planned: Planned) -> str:
    sendings = planned.plan.sendings
    pause = f", {formatDuration(sendings[-1].pause)} apart" if _isInOrder(planned) else ""
    return f"{len(sendings)} datagrams{pause}"


def _countPorts(planned: Planned) -> int:
    return len({each.port for each in planned.plan.sendings})


def _describeAnswer(answer: bytes) -> str:
    if answer[0] == FAILURE:
        return "refuses"
    if signature := parseSignature(answer):
        return f"signs, {len(signature)} bytes"
    try:
        keys = [_describeKey(blob) for blob in parseKeyList(answer)]
    except ValueError:
        return f"sends something else, {len(answer)} bytes"
    if not keys:
        return "has no keys"
    shown = ", ".join(limitLines(keys, "keys", _MOST_KEYS))
    return f"has {len(keys)} key{'s' if len(keys) > 1 else ''}: {shown}"


def _describeKey(blob: bytes) -> str:
    try:
        kind = oneLine(kindOf(blob).decode(errors="replace"), _MOST)
        return f"{kind} {fingerprint(publicKeyIn(blob))}"
    except (BadValue, Malformed, ValueError):
        return "something else"
