"""What knockers with a key do, and those who listened to them."""

import time
from collections.abc import Sequence

from tests.lab.hosts import eventually
from tests.lab.sealing import sealed
from tests.soak.chance import LATE, Chance
from tests.soak.world import CLIENTS, STRANGERS

MAX_HISTORY = 5
"""Sealed knocks that are kept for replays: older ones are refused for their age."""


class Sealers(Chance):
    """Sealed knocks; a door C{vault} opens to them."""

    _history: tuple[bytes, ...] = ()  # those that opened something

    def _seal(self, source: str, asked: int = 0, close: bool = False) -> bytes:
        bind = self.random.choice(("*", source))
        vault = self.world.gates["vault"]
        more = {"door": "vault", "seconds": asked, "bind": bind, "close": close}
        return sealed(self.world.anna, vault.sequence, **more)

    def _scatter(self, source: str, datagram: bytes, ports: Sequence[int] = ()) -> None:
        """Send it to ports in any order, some twice."""
        ports = ports or self.world.gates["vault"].sequence
        many = [*ports, *self.random.choices(ports, k=3)]
        self.random.shuffle(many)
        self.knocks += 1
        self.world.send(source, many, datagram)

    def _keep(self, datagram: bytes) -> None:
        self._history = (*self._history[-MAX_HISTORY:], datagram)

    def seal(self) -> str:
        """Knock with a seal."""
        vault, source, asked = self.world.gates["vault"], self._source(), self._asked()
        datagram = self._seal(source, asked)
        began = time.monotonic()
        self._scatter(source, datagram)
        self._opened(vault, source, began, asked)
        self._keep(datagram)
        return f"{source} knocks at vault with a seal, for {asked or 'its own'} s"

    def halfSeal(self) -> str:
        """Send it to all ports but one, have something happen, and send it there, too."""
        vault, source = self.world.gates["vault"], self._source()
        datagram = sealed(self.world.anna, vault.sequence, door="vault", bind=source)
        ports = self.random.sample(vault.sequence, len(vault.sequence))
        self._scatter(source, datagram, ports[1:])
        between = self.random.choice([lambda: "nothing", *self.between])()
        if lack := self.eyes.settled():
            raise AssertionError(f"between two halves of a sealed knock: {lack}")
        began = time.monotonic()
        self.world.send(source, ports[:1], datagram)
        self._opened(vault, source, began)
        self._keep(datagram)
        return f"{source} knocks with a seal in two parts; between: {between}"

    def replay(self) -> str:
        """Send what opened something, from anywhere."""
        if not self._history:
            return self.seal()
        source = self.random.choice((*CLIENTS, *STRANGERS, *STRANGERS))
        self._scatter(source, self.random.choice(self._history))
        return f"{source} replays a sealed knock"

    def forged(self) -> str:
        """Seal with a key that nobody knows."""
        source = self._source(STRANGERS)
        sequence = self.world.gates["vault"].sequence
        self._scatter(source, sealed(self.world.eve, sequence, door="vault"))
        return f"stranger {source} seals with a key of his own"

    def sealedClose(self) -> str:
        """Have it closed by who opened it."""
        keys = [key for key in self._open() if key[0] == "vault"]
        if not keys:
            return self.seal()
        key = self.random.choice(keys)
        self._scatter(key[1], self._seal(key[1], close=True))
        eventually(lambda: key not in self.eyes.inKernel()[0], LATE)
        self.world.books.closed([key])
        return f"{key[1]} closes with a seal"
