"""
The layers of the house plan: nothing imports upward.
"""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import pkdoors

ROOT = Path(pkdoors.__file__).parent

LAYERS: tuple[frozenset[str], ...] = tuple(
    frozenset(names.split())
    for names in (
        """
        __init__ _version admin.__init__ admission backoff bpf budget changes
        client.__init__ client.binding client.unicast
        client.keyfiles client.plan client.profiles config conftext conftoml doctor.__init__
        doctor.filtering doctor.findings doctor.forwards doctor.guarding doctor.hosting
        doctor.listening doctor.matching doctor.packets doctor.ruleset doctor.verdicts
        doctor.elements doctor.openers doctor.outgoing doctor.ownership doctor.running
        doctor.savedrules doctor.tracking doctor.zoning
        directways doors durations errors events firewall.__init__ knock limits locks
        flowbooks flows guard lockset natcases natrules networks nfdump nfevents nfnetlink
        nftrules nftsets oldguard oneline operating.__init__
        operating.answers operating.board operating.eventstream operating.wording penalties
        placing plainknocks portgroups ports quoting refusals richrules seals.__init__
        seals.addresses
        seals.authorizedkeys seals.hints seals.seal seals.sealchecks seals.sealedlock
        seals.sealqueue seals.seen seals.seennotes seals.signatures
        seedconf sequence
        settings sockets stages status survey tally tomltext who wrongorders xtables zones
        """,
        """
        beneath bootid cleanlog descriptors folders herald interfaces parts reading steering trust
        turns
        """,
        """
        admin.answers admin.asking admin.browsers admin.channel admin.connections admin.metrics
        admin.port admin.resources admin.sending admin.sharing admin.socket
        admin.site admin.stream audit clientaddress client.agent client.knocker client.ownaddress
        client.ownfiles
        client.relay client.roaming conffile doctor.files doctor.proc doctor.services drops
        firewall.bus firewall.counted firewall.dryrun firewall.exposures
        firewall.firewalld firewall.guardreader firewall.guardtable firewall.kernel
        firewall.library firewall.listing firewall.liveflows firewall.nftables firewall.routes
        firewall.takeover firewall.watch firewall.ways
        firewall.zonebus firewall.zoneclient firewall.zonedoors firewall.zonesurvey heap
        doctor.saved firewall.guardlook
        hookrun hooks inbox instance iproute knocksocket lastgood listener notify
        operating.adminclient operating.whereabouts receiving runnable
        seals.authorizedfile seals.seenfile servicecode servicefiles serviceunit serviceuser
        socketfilter
        thishost
        """,
        """
        alarm announcing check client.hostsfile client.keypairs client.manners client.reaching
        client.signers client.staying client.visit failclosed healer installing keeper
        knockports life locksmith operating.following operating.tables operating.view operator
        release reloading sealturns walls
        """,
        """
        checkcmd checkopts cli client.connectcmd client.knockcmd client.sealopts
        client.terminal clitools completers completioncmd initcmd installcmd
        operating.console options outlet service steercmd tap watchcmd
        """,
    )
)
"""The modules of each layer, from the lowest. A new one is placed here."""

HELPERS = {
    "firewall.guardlook": {"firewall.guardtable"},
    "audit": {"serviceuser"},
    "listener": {"descriptors", "knocksocket", "receiving", "socketfilter"},
    "lastgood": {"serviceuser"},
    "knocksocket": {"inbox", "receiving", "socketfilter"},
    "admin.answers": {"admin.browsers"},
    "admin.channel": {"admin.answers", "admin.browsers"},
    "admin.site": {"admin.connections", "admin.resources"},
    "admin.socket": {"admin.port", "admin.site", "serviceuser"},
    "admin.resources": {
        *("admin.answers", "admin.asking", "admin.channel", "admin.metrics", "admin.sending"),
        *("admin.sharing", "admin.stream"),
    },
    "admin.stream": {"admin.answers"},
    "hooks": {"hookrun", "runnable"},
    "client.roaming": {"client.ownaddress"},
    "conffile": {"serviceuser"},
    "doctor.services": {"serviceuser"},
    "operating.adminclient": {"serviceunit"},
    "instance": {"serviceuser"},
    "seals.seenfile": {"serviceuser"},
    "firewall.routes": {"iproute"},
    "thishost": {"iproute"},
    "firewall.nftables": {
        *("firewall.guardtable", "firewall.kernel", "firewall.liveflows", "firewall.takeover"),
        *("firewall.watch", "firewall.ways"),
    },
    "firewall.guardtable": {
        *("firewall.guardreader", "firewall.kernel", "firewall.library", "firewall.takeover"),
    },
    "firewall.guardreader": {"firewall.kernel"},
    "firewall.library": {"firewall.kernel"},
    "firewall.liveflows": {"firewall.kernel"},
    "firewall.watch": {"firewall.kernel", "socketfilter"},
    "firewall.listing": {"firewall.kernel", "firewall.library"},
    "firewall.zonesurvey": {"firewall.exposures", "firewall.zonebus", "firewall.zoneclient"},
    "firewall.firewalld": {
        *("firewall.bus", "firewall.zonebus", "firewall.zoneclient", "firewall.zonedoors"),
    },
    "firewall.zonedoors": {"firewall.zonebus", "firewall.zoneclient"},
    "firewall.zoneclient": {"firewall.routes", "firewall.zonebus"},
}
"""Within layer 2, each deals with one outside world of its own; only these have helpers."""

PURE_OUTSIDE = {
    "_version": {"incremental"},
    "client.keyfiles": {"cryptography", "twisted"},
    "seals.signatures": {"twisted"},
    "seals.authorizedkeys": {"twisted"},
}
"""What modules of layer 0 import beside the standard library."""

LOADED_LATE = {
    *("argcomplete", "dbus", "firewall", "gi", "nftables", "prometheus_client", "rich", "segno")
}
"""What comes from the distribution, and may be missing; and what hardly anybody needs."""


def modules() -> dict[str, ast.Module]:
    """The modules of the package, by their name in it."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text())
        for path in sorted(ROOT.rglob("*.py"))
    }


def imports(tree: ast.AST) -> Iterator[str]:
    """All that is imported anywhere in a module: C{a.b} for C{from a import b}."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def atTop(tree: ast.Module) -> Iterator[str]:
    """What is imported when the module is."""
    for node in tree.body:
        yield from imports(node) if isinstance(node, ast.Import | ast.ImportFrom) else ()


def own(name: str, known: set[str]) -> str | None:
    """Which of our modules an import is of; L{None} where of none."""
    package, _, rest = name.partition(".")
    if package != "pkdoors":
        return None
    for candidate in (rest, rest.rpartition(".")[0], f"{rest}.__init__"):
        if candidate in known:
            return candidate
    return "__init__"


def uses(tree: ast.Module) -> set[str]:
    """The attributes C{a.b} that a module names."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


class LayerTests(SynchronousTestCase):
    """
    Who imports what.
    """

    def setUp(self) -> None:
        """Read all modules."""
        self.trees = modules()
        self.layer = {name: level for level, names in enumerate(LAYERS) for name in names}

    def inside(self, name: str) -> set[str]:
        """Our modules that one of them imports."""
        known = set(self.trees)
        found = {own(each, known) for each in imports(self.trees[name])}
        return {each for each in found if each is not None} - {name}

    def outside(self, name: str) -> set[str]:
        """What one of our modules imports of others."""
        return {each for each in imports(self.trees[name]) if not each.startswith("pkdoors.")}

    def test_everyModuleIsPlaced(self) -> None:
        """Each module of the package is in the table, and no other."""
        self.assertEqual(sorted(self.trees), sorted(self.layer))

    def test_nothingImportsUpward(self) -> None:
        """No module imports one of a higher layer."""
        upward = [
            f"{name} imports {each}"
            for name in self.trees
            for each in self.inside(name)
            if self.layer.get(each, 9) > self.layer.get(name, 9)
        ]
        self.assertEqual([], upward)

    def test_noCircles(self) -> None:
        """No module imports itself by way of others."""
        order = TopologicalSorter({name: self.inside(name) for name in self.trees})
        self.assertEqual(len(self.trees), len(list(order.static_order())))

    def test_worldsApart(self) -> None:
        """Within layer 2 nobody imports another, but for their own helpers."""
        for name in sorted(LAYERS[2]):
            others = self.inside(name) & LAYERS[2]
            self.assertEqual(set(), others - HELPERS.get(name, set()), name)

    def test_pureCore(self) -> None:
        """Layer 0 imports the standard library, and nothing else."""
        import sys

        for name in sorted(LAYERS[0]):
            packages = {each.partition(".")[0] for each in self.outside(name)}
            foreign = packages - sys.stdlib_module_names - PURE_OUTSIDE.get(name, set())
            self.assertEqual(set(), foreign, name)

    def test_coreTouchesNothing(self) -> None:
        """Layer 0 has no files, sockets, threads or clocks."""
        banned = {"os", "sys", "io", "pathlib", "socket", "subprocess", "threading", "time"}
        for name in sorted(LAYERS[0]):
            packages = {each.partition(".")[0] for each in self.outside(name)}
            self.assertEqual(set(), packages & (banned | {"asyncio", "logging"}), name)

    def test_coreReadsNoClock(self) -> None:
        """What layer 0 has of C{datetime} is only for writing and reading times."""
        for name in sorted(LAYERS[0]):
            named = {
                node.attr for node in ast.walk(self.trees[name]) if isinstance(node, ast.Attribute)
            }
            self.assertEqual(set(), named & {"now", "today", "utcnow"}, name)

    def test_reactor(self) -> None:
        """Only layer 4 takes the global reactor, the environment and C{sys}."""
        # bootid: what systemd tells a service that does not see the kernel's own file.
        # servicecode: the folders where the interpreter finds modules.
        for name in sorted(set(self.trees) - LAYERS[4] - {"bootid", "servicecode"}):
            banned = {
                each
                for each in self.outside(name)
                if each in ("twisted.internet.reactor", "os.environ", "os.getenv", "sys")
                or each.startswith("sys.")
            }
            named = uses(self.trees[name]) & {"os.environ", "os.getenv", "sys.exit"}
            self.assertEqual(set(), banned | named, name)

    def test_reactorIsTakenLate(self) -> None:
        """Nobody takes the global reactor on import: that would install one."""
        for name, tree in self.trees.items():
            self.assertNotIn("twisted.internet.reactor", set(atTop(tree)), name)

    def test_loadedLate(self) -> None:
        """Nobody needs these libraries on import."""
        for name, tree in self.trees.items():
            packages = {each.partition(".")[0] for each in atTop(tree)}
            self.assertEqual(set(), packages & LOADED_LATE, name)

    def test_clientNeedsNoFirewall(self) -> None:
        """What the client imports has nothing to do with a firewall."""
        # Those commands are the server's, and imported by themselves.
        seen, todo = {"release", "check"}, {"cli"}
        for name in todo | {"checkcmd"}:
            late = {each.rpartition(".")[0] for each in atTop(self.trees[name])}
            self.assertEqual(set(), late & {"pkdoors.release", "pkdoors.check"})
        while todo:
            name = todo.pop()
            seen.add(name)
            todo |= self.inside(name) - seen
        self.assertEqual([], sorted(each for each in seen if "firewall" in each))

    def test_plainKnocksLoadNoCryptography(self) -> None:
        """What a plain knock imports has nothing to do with SSH keys, which take long to load."""
        seen: set[str] = set()
        todo = {"cli", "client.visit"}
        while todo:
            name = todo.pop()
            seen.add(name)
            found = set(atTop(self.trees[name]))
            heavy = ("twisted.conch", "cryptography")
            self.assertEqual([], [each for each in found if each.startswith(heavy)], name)
            todo |= {own(each, set(self.trees)) or name for each in found} - seen

    def test_plugin(self) -> None:
        """The plugin imports only C{ServiceMaker}: what fails there breaks everybody's twistd."""
        plugin = ROOT.parent / "twisted" / "plugins" / "pkdoors_plugin.py"
        tree = ast.parse(plugin.read_text())
        self.assertEqual(["twisted.application.service.ServiceMaker"], list(imports(tree)))

    def test_noPackageOfTwisted(self) -> None:
        """There is no C{__init__.py} that would overwrite Twisted's own."""
        self.assertEqual([], list((ROOT.parent / "twisted").rglob("__init__.py")))
