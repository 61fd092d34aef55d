"""What clients with a key do, and attackers who recorded their knocks."""

import time
from collections.abc import Sequence

from tests.lab.hosts import eventually
from tests.lab.sealing import sealed
from tests.soak.stepbase import LATE, StepBase
from tests.soak.world import CLIENTS, STRANGERS

MAX_HISTORY = 5
"""How many sealed knocks to keep for replays: the daemon refuses older ones for their age."""


class SealedSteps(StepBase):
    """Sealed knocks at the door C{vault}."""

    _history: tuple[bytes, ...] = ()  # knocks that opened the door

    def _seal(self, source: str, asked: int = 0, close: bool = False) -> bytes:
        bind = self.random.choice(("*", source))
        vault = self.world.gates["vault"]
        fields = {"door": "vault", "seconds": asked, "bind": bind, "close": close}
        return sealed(self.world.anna, vault.sequence, **fields)

    def _scatter(self, source: str, datagram: bytes, ports: Sequence[int] = ()) -> None:
        """Send a datagram to ports in any order, to some of them twice."""
        ports = ports or self.world.gates["vault"].sequence
        targets = [*ports, *self.random.choices(ports, k=3)]
        self.random.shuffle(targets)
        self.knocks += 1
        self.world.send(source, targets, datagram)

    def _keep(self, datagram: bytes) -> None:
        self._history = (*self._history[-MAX_HISTORY:], datagram)

    def seal(self) -> str:
        """Knock with a seal."""
        vault, source, asked = self.world.gates["vault"], self._source(), self._asked()
        datagram = self._seal(source, asked)
        began = time.monotonic()
        self._scatter(source, datagram)
        self._expectOpening(vault, source, began, asked)
        self._keep(datagram)
        return f"{source} knocks at vault with a seal, for {asked or 'its own'} s"

    def halfSeal(self) -> str:
        """Send a seal to all ports but one, do another step, and send it to the last port."""
        vault, source = self.world.gates["vault"], self._source()
        datagram = sealed(self.world.anna, vault.sequence, door="vault", bind=source)
        ports = self.random.sample(vault.sequence, len(vault.sequence))
        self._scatter(source, datagram, ports[1:])
        between = self.random.choice([lambda: "nothing", *self.between])()
        if lack := self.checker.awaitAgreement():
            raise AssertionError(f"between two halves of a sealed knock: {lack}")
        began = time.monotonic()
        self.world.send(source, ports[:1], datagram)
        self._expectOpening(vault, source, began)
        self._keep(datagram)
        return f"{source} knocks with a seal in two parts; between: {between}"

    def replay(self) -> str:
        """Replay a knock that opened the door, from any address."""
        if not self._history:
            return self.seal()
        source = self.random.choice((*CLIENTS, *STRANGERS, *STRANGERS))
        self._scatter(source, self.random.choice(self._history))
        return f"{source} replays a sealed knock"

    def forged(self) -> str:
        """Seal with a key that the daemon does not know."""
        source = self._source(STRANGERS)
        sequence = self.world.gates["vault"].sequence
        self._scatter(source, sealed(self.world.eve, sequence, door="vault"))
        return f"stranger {source} seals with an unknown key"

    def sealedClose(self) -> str:
        """Close an opening with a sealed knock of its client."""
        keys = [key for key in self._listOpenings() if key[0] == "vault"]
        if not keys:
            return self.seal()
        key = self.random.choice(keys)
        self._scatter(key[1], self._seal(key[1], close=True))
        eventually(lambda: key not in self.checker.readKernel()[0], LATE)
        self.world.expected.noteClosed([key])
        return f"{key[1]} closes with a seal"
