"""What clients with plain knocks do, and strangers."""

import time

from tests.soak.expectations import PENALTY, Gate
from tests.soak.stepbase import HANDLED, StepBase
from tests.soak.world import STRANGERS

MALFORMED = (
    b"",
    b"knock",
    b"knock \n",
    b"knock -1\n",
    b"knock 1e3\n",
    b"KNOCK\n",
    b"knock\nknock\n",
    b"pkdoors1 ",
    b"pkdoors1 vault 0 1 2 3 *\n",
    b"knock 9999999999\n",
    b"\0" * 2048,
)


class PlainSteps(StepBase):
    """Plain knocks, right and wrong, and the tries of strangers."""

    def knock(self) -> str:
        """Knock in the right order."""
        return self._knockAt(self._gate(), self._source())

    def again(self) -> str:
        """Knock again for a client that is already in, to stay in for longer."""
        keys = [key for key in self._listOpenings() if self._isFree(key[1])]
        door, source = self.random.choice(keys) if keys else ("ssh", self._source())
        gate = self.world.gates[door]
        return self._knockAt(self._gate() if gate.keys else gate, source)

    def _knockAt(self, gate: Gate, source: str) -> str:
        asked = self._asked()
        self.knocks += 1
        began = time.monotonic()
        payload = b"knock %d\n" % asked if asked else b"knock\n"
        self.world.send(source, gate.sequence, payload)
        self._expectOpening(gate, source, began, asked)
        return f"{source} knocks at {gate.name}, for {asked or 'its own'} s"

    def half(self) -> str:
        """Knock the first half, have something happen, and knock the rest."""
        gate, source, cut = self._gate(), self._source(), self.random.randrange(1, 6)
        self.knocks += 1
        self.world.send(source, gate.sequence[:cut])
        between = self.random.choice([lambda: "nothing", *self.between])()
        if lack := self.checker.awaitAgreement():
            raise AssertionError(f"between two halves of a knock: {lack}")
        began = time.monotonic()
        self.world.send(source, gate.sequence[cut:])
        self._expectOpening(gate, source, began)
        return f"{source} knocks at {gate.name} in two halves; between: {between}"

    def wrong(self) -> str:
        """Knock in an order that opens no door."""
        gate, source = self._gate(), self._source()
        if not self._mayBeWrong(gate, source):
            return self._knockAt(gate, source)
        self.knocks += 1
        self.world.send(source, self._wrongOrder(gate))
        self._taint(source)
        return f"{source} knocks at {gate.name} in the wrong order"

    def _wrongOrder(self, gate: Gate) -> tuple[int, ...]:
        """Return an order that no door has. It begins with the first port, to end earlier tries."""
        first, *rest = gate.sequence
        orders = [known.sequence for known in self._gates()]
        while (ports := (first, *self.random.sample(rest, len(rest)))) in orders:
            pass
        return ports

    def penalised(self) -> str:
        """Knock in a wrong order, and at once in the right one, which is ignored."""
        gate, source = self._gate(), self._source()
        if not self._mayBeWrong(gate, source):
            return self._knockAt(gate, source)
        self.knocks += 2
        began = time.monotonic()
        first, second, _, other, *_ = gate.sequence
        self.world.send(source, (first, second, other))
        self.world.send(source, gate.sequence)
        self._taint(source)
        if time.monotonic() > began + PENALTY / 2:  # a slow machine: the penalty may be over
            self.world.expected.noteDoubtful(
                (gate.name, source), time.monotonic() + HANDLED, gate.maxOpenFor
            )
        return f"{source} knocks at {gate.name} wrongly, then rightly"

    def malformed(self) -> str:
        """Send datagrams that are not knocks, in the right order."""
        gate, source = self._gate(), self._source()
        junk = self.random.choice((*MALFORMED, self.random.randbytes(40)))
        self.knocks += 1
        self.world.send(source, gate.sequence, junk)
        return f"{source} sends {junk[:30]!r} to the ports of {gate.name}"

    def stranger(self) -> str:
        """Try what a stranger tries who knows the ports, but not their order."""
        source, gate = self._source(STRANGERS), self._gate()
        kind = self.random.choice(("most", "order", "scan"))
        if kind != "most" and not self._mayBeWrong(gate, source):
            kind = "most"
        self.knocks += 1
        if kind == "most":
            self.world.send(source, gate.sequence[:-1])
        elif kind == "order":
            self.world.send(source, self._wrongOrder(gate))
        else:
            self.world.send(
                source, sorted({port for known in self._gates() for port in known.sequence})
            )
        self._taint(source)
        return f"stranger {source} tries: {kind}"
