"""What others do to the firewall, and to the daemon."""

import signal
import time

from tests.lab.hosts import eventually
from tests.soak.books import Key
from tests.soak.chance import LATE, Chance
from tests.soak.world import STRANGERS


class Others(Chance):
    """Whoever is root, too."""

    def _nft(self, command: str) -> None:
        self.world.server.run("nft", command)

    def flush(self) -> str:
        """Flush nftables; firewalld has to be restarted then."""
        self._nft("flush ruleset")
        return f"flush{self._firewalldAnew()}"

    def _firewalldAnew(self) -> str:
        return f", and {self.firewalldRestart()}" if self.world.firewalld else ""

    def deleteTable(self) -> str:
        """Delete the guard."""
        self._nft("delete table inet pkdoors")
        return "delete table"

    def deleteElement(self) -> str:
        """Delete an opening from the kernel."""
        keys = self._open()
        if not keys:
            return self.deleteTable()
        self._delete(key := self.random.choice(keys))
        return f"delete element {key}"

    def _delete(self, key: Key) -> None:
        set_ = f"{key[0]}_open{6 if ':' in key[1] else 4}"
        self._nft(f"delete element inet pkdoors {set_} {{ {key[1]} }}")

    def emptyGuard(self) -> str:
        """Empty a chain, or the set of what is protected."""
        what = self.random.choice(("chain inet pkdoors guard", "set inet pkdoors protected"))
        self._nft(f"flush {what}")
        return f"flush {what}"

    def plant(self) -> str:
        """Put a stranger into the set of those who are let in: the daemon throws him out."""
        self._nft(f"add element inet pkdoors ssh_open4 {{ {STRANGERS[0]} timeout 1h }}")
        eventually(lambda: ("ssh", STRANGERS[0]) not in self.eyes.inKernel()[0], LATE)
        return "somebody puts a stranger into the set"

    def firewalldReload(self) -> str:
        """Reload firewalld."""
        assert self.world.firewalld
        self.world.firewalld.cmd("--reload")
        return "firewalld reloads"

    def firewalldRestart(self) -> str:
        """Restart firewalld, orderly or not."""
        assert self.world.firewalld
        how = self.random.choice((signal.SIGTERM, signal.SIGKILL))
        self.world.firewalld.process.stop(how)
        self.world.firewalld.start()
        return f"firewalld restarts after {how.name}"

    def saved(self) -> str:
        """Make permanent what firewalld has."""
        assert self.world.firewalld
        self.world.firewalld.cmd("--runtime-to-permanent")
        return "firewall-cmd --runtime-to-permanent"

    def restart(self) -> str:
        """End the daemon, have something happen, and start another one."""
        world = self.world
        how = self.random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        kind = self.random.choice(("nothing", "look", "wait", "delete element", "flush", "knock"))
        world.stop(how)
        if kind == "look" and (wrong := self.eyes.settled() or self.eyes.strangersIn()):
            raise AssertionError(f"with a dead daemon: {wrong}")
        elif kind == "wait":
            time.sleep(self.random.uniform(0.5, 3))
        elif kind == "delete element" and (keys := self._open()):
            self._delete(keys[0])
            world.books.closed(keys[:1])
        elif kind == "flush":
            kind += self._flushDead()
        elif kind == "knock":
            world.send(self._source(), self._gate().sequence)
        world.start()
        world.books.takenOver()
        return f"restart after {how.name}; between: {kind}"

    def _flushDead(self) -> str:
        self._nft("flush ruleset")
        self.world.books.closedAll()
        return self._firewalldAnew()
