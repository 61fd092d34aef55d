"""The order of the packages, and what else the imports of a module must keep to."""

import sys
from graphlib import TopologicalSorter

from twisted.trial.unittest import SynchronousTestCase

from tests.lab.sources import imports, inside, isPure, modules, namedIn, outside, reached

ORDER = """errors+_version+util files model knocks locks host config keysources events firewall
knockports doorkeeper daemon admin adminclient fleet install doctor client web wiring tap commands
cli __main__"""
"""The packages from the ground up: each imports only itself and those before it."""
RANK = {name: rank for rank, names in enumerate(ORDER.split()) for name in names.split("+")}
IMPURE = {"os", "sys", "io", "pathlib", "socket", "subprocess", "threading", "time", "asyncio"}
SSH = {
    "client.keys._filesigner",
    "knocks.signatures",
    "locks.sealed.authorizedkeys",
}
"""These read SSH keys with other people's code, and are pure all the same."""
LATE = {"argcomplete", "dbus", "firewall", "gi", "nftables", "prometheus_client", "rich", "segno"}
"""What comes from the distribution, and may be missing; and what hardly anybody needs."""
PROCESS = {"cli", "tap", "adminclient.console", "config.options", "client.keys.passphrase"}
PROCESS |= {"client.keys._keygenrun"}
PROCESS |= {"daemon.process.options", "daemon.process.setup", "daemon.process.signals"}
PROCESS |= {"fleet.tap", "doctor.options", "host.bootid", "install.servicecode", "util.output"}
PROCESS |= {"client.api", "install._clientstart", "install.clientfile"}
"""Beside the commands, only these use the global reactor, the environment or C{sys}."""


class LayerTests(SynchronousTestCase):
    """Who imports what."""

    def test_order(self) -> None:
        """No module imports a later package."""
        rank = {name: RANK[name.partition(".")[0]] for name in modules() if name}
        for name in rank:
            later = {each for each in inside(name) if each and rank[each] > rank[name]}
            self.assertEqual(set(), later, name)

    def test_noCircles(self) -> None:
        """No module imports itself by way of others."""
        order = TopologicalSorter({name: inside(name) for name in modules()})
        self.assertEqual(len(modules()), len(list(order.static_order())))

    def test_private(self) -> None:
        """Only its own package uses a module that has an underscore in front."""
        for name in modules():
            for each in inside(name):
                package, _, last = each.rpartition(".")
                isOwn = name.startswith(f"{package}.") or not package
                self.assertTrue(isOwn or not last.startswith("_"), f"{name} imports {each}")

    def test_pure(self) -> None:
        """What calls itself pure has the standard library, but no files, sockets or clocks."""
        for name in filter(isPure, modules()):
            allowed = sys.stdlib_module_names - IMPURE - {"logging"}
            allowed |= {"cryptography", "twisted"} if name in SSH else set()
            clocks = namedIn(name) & {"now", "today", "utcnow"}
            found = {each.partition(".")[0] for each in imports(name) - {"os.urandom"}}
            self.assertEqual(set(), (found - allowed - {"pkdoors"}) | clocks, name)

    def test_process(self) -> None:
        """Few use what belongs to the process, and nobody takes the reactor on import."""
        for name in modules():
            self.assertNotIn("twisted.internet.reactor", imports(name, atTop=True), name)
            if name not in PROCESS and not name.startswith("commands."):
                used = {f"{each}." for each in imports(name) | namedIn(name)}
                banned = ("twisted.internet.reactor.", "os.environ.", "os.getenv.", "sys.")
                self.assertEqual([], [each for each in used if each.startswith(banned)], name)

    def test_late(self) -> None:
        """Nobody needs some libraries on import; plain knocks load no cryptography."""
        for name in modules():
            self.assertEqual(set(), outside(name, atTop=True) & LATE, name)
        commands = [name for name in modules() if name.startswith("commands.")]
        for name in reached("cli", "client.blocking.driver", *commands, atTop=True):
            found = imports(name, atTop=True)
            heavy = ("cryptography", "twisted.conch")
            self.assertEqual([], [each for each in found if each.startswith(heavy)], name)

    def test_client(self) -> None:
        """The client needs nothing of the daemon."""
        used = reached(*(name for name in modules() if name.startswith("client.")))
        server = [name for name, rank in RANK.items() if RANK["knocks"] < rank < RANK["client"]]
        self.assertEqual([], [each for each in used if each.startswith(tuple(server))])
        commands = [name for name in modules() if name.startswith("commands.")]
        loaded = reached("cli", *commands, atTop=True)
        self.assertEqual([], [name for name in loaded if name.startswith("firewall")])
