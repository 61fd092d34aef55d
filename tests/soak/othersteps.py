"""What other programs do to the firewall, and to the daemon."""

import signal
import time

from tests.lab.hosts import eventually
from tests.soak.expectations import Key
from tests.soak.stepbase import LATE, StepBase
from tests.soak.world import STRANGERS


class OtherSteps(StepBase):
    """Steps of other programs that run as root."""

    def _nft(self, command: str) -> None:
        self.world.server.run("nft", command)

    def flush(self) -> str:
        """Flush nftables; firewalld must be restarted then."""
        self._nft("flush ruleset")
        return f"flush{self._andRestartFirewalld()}"

    def _andRestartFirewalld(self) -> str:
        return f", and {self.firewalldRestart()}" if self.world.firewalld else ""

    def deleteTable(self) -> str:
        """Delete the guard."""
        self._nft("delete table inet pkdoors")
        return "delete table"

    def deleteElement(self) -> str:
        """Delete an opening from the kernel."""
        keys = self._listOpenings()
        if not keys:
            return self.deleteTable()
        self._delete(key := self.random.choice(keys))
        return f"delete element {key}"

    def _delete(self, key: Key) -> None:
        name = f"tcp_open{6 if ':' in key[1] else 4}"
        port = self.world.gates[key[0]].port
        self._nft(f"delete element inet pkdoors {name} {{ {key[1]} . {port} }}")

    def emptyGuard(self) -> str:
        """Empty a chain, or the set of protected ports."""
        target = self.random.choice(("chain inet pkdoors tcp_in", "set inet pkdoors tcp_ports"))
        self._nft(f"flush {target}")
        return f"flush {target}"

    def plant(self) -> str:
        """Put a stranger into the set of openings: the daemon removes it again."""
        port = self.world.gates["ssh"].port
        self._nft(f"add element inet pkdoors tcp_open4 {{ {STRANGERS[0]} . {port} timeout 1h }}")
        eventually(lambda: ("ssh", STRANGERS[0]) not in self.checker.readKernel()[0], LATE)
        return "another program puts a stranger into the set"

    def firewalldReload(self) -> str:
        """Reload firewalld."""
        assert self.world.firewalld
        self.world.firewalld.cmd("--reload")
        return "firewalld reloads"

    def firewalldRestart(self) -> str:
        """Restart firewalld, with or without an orderly end."""
        assert self.world.firewalld
        end = self.random.choice((signal.SIGTERM, signal.SIGKILL))
        self.world.firewalld.process.stop(end)
        self.world.firewalld.start()
        return f"firewalld restarts after {end.name}"

    def saved(self) -> str:
        """Make firewalld's runtime configuration permanent."""
        assert self.world.firewalld
        self.world.firewalld.cmd("--runtime-to-permanent")
        return "firewall-cmd --runtime-to-permanent"

    def restart(self) -> str:
        """End the daemon, let something happen, and start another one."""
        world = self.world
        end = self.random.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM))
        kind = self.random.choice(("nothing", "look", "wait", "delete element", "flush", "knock"))
        world.stop(end)
        if kind == "look" and (wrong := self.checker.awaitAgreement() or self.checker.tryDoors()):
            raise AssertionError(f"while the daemon is dead: {wrong}")
        elif kind == "wait":
            time.sleep(self.random.uniform(0.5, 3))
        elif kind == "delete element" and (keys := self._listOpenings()):
            self._delete(keys[0])
            world.expected.noteClosed(keys[:1])
        elif kind == "flush":
            kind += self._flushWhileDead()
        elif kind == "knock":
            world.send(self._source(), self._gate().sequence)
        world.start()
        world.expected.noteTakenOver()
        return f"restart after {end.name}; between: {kind}"

    def _flushWhileDead(self) -> str:
        self._nft("flush ruleset")
        self.world.expected.noteAllClosed()
        return self._andRestartFirewalld()
