"""A firewalld for the tests of L{pkdoors.firewall.firewalld.firewall}, and its rules."""

from math import floor

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pkdoors.firewall.firewalld.client import ZoneClient
from pkdoors.firewall.firewalld.firewall import FirewalldFirewall
from pkdoors.model.doors import Door
from tests.fakes.dbus import FakeDBus, SyncBusThread
from tests.fakes.doors import makeDoor
from tests.fakes.firewalld import FakeFirewalld
from tests.fakes.host import FakeIp
from tests.fakes.log import Log
from tests.fakes.modules import makeModule, replaceModule

KNOCKS = {
    'rule priority="31337" port port="17001" protocol="udp" accept': 0,
    'rule priority="31337" port port="17203" protocol="udp" accept': 0,
    'rule priority="31337" port port="17005" protocol="udp" accept': 0,
    'rule priority="31337" port port="17404" protocol="udp" accept': 0,
    'rule priority="31337" port port="17002" protocol="udp" accept': 0,
}
"""The rules that let knocks on L{PORTS} in."""
QUESTIONS = (
    "getZones",
    "getRichRules",
    "getActiveZones",
    "getDefaultZone",
    "queryPanicMode",
    "getZoneSettings",
    "config",
)
"""The questions to firewalld in each restoration."""
STRANGERS = 'rule priority="-1" family="ipv4" source address="198.51.100.66" drop'


def rule(
    priority: int, port: str = "22", protocol: str = "tcp", source: str = "203.0.113.9"
) -> str:
    """Return the rich rule of an opening."""
    family = "ipv6" if ":" in source else "ipv4"
    return (
        f'rule priority="{priority}" family="{family}" source address="{source}" '
        f'port port="{port}" protocol="{protocol}" accept'
    )


class FirewalldTestCase(SynchronousTestCase):
    """
    A test with a firewalld whose zone C{public} has the interface of the clients.
    """

    zone = ""

    def setUp(self) -> None:
        """Start a firewalld that has a rule of somebody else."""
        self.bus = FakeDBus("org.fedoraproject.FirewallD1")
        self.bus.install(self)
        FakeIp(
            {
                "route get 203.0.113.9": [{"dev": "eth0"}],
                "route get 2001:db8::7": [{"dev": "eth0"}],
            }
        ).install(self)
        self.log = Log(self)
        self.clock = Clock()
        self.firewalld = FakeFirewalld(self.clock)
        self.firewalld.rules["public"] = {STRANGERS: 0}
        self.thread = SyncBusThread()
        self.firewall = FirewalldFirewall(
            self.clock,
            self.thread,
            lambda zone: ZoneClient(zone, lambda: self.firewalld),
            self.zone,
        )
        self.doors: tuple[Door, ...] = (makeDoor(),)
        self.lost: list[str] = []

    def haveClient(self) -> None:
        """Pretend that python-firewall, firewalld's client, is installed."""
        module = makeModule("firewall.client", FirewallClient=object)
        replaceModule(self, "firewall", makeModule("firewall", client=module))
        replaceModule(self, "firewall.client", module)

    def start(self) -> None:
        """Start the firewall, and forget its calls."""
        self.firewall.start(self.doors, self.lost.append)
        self.firewalld.calls.clear()

    def added(self, zone: str = "public") -> dict[str, float]:
        """Return the rules of a zone with their time left, except those that let knocks in."""
        present = self.present(zone)
        return {rule: left for rule, left in present.items() if rule not in {*KNOCKS, STRANGERS}}

    def present(self, zone: str = "public") -> dict[str, float]:
        """Return the rules of a zone with the whole seconds that they surely have left."""
        return {rule: floor(left) for rule, left in self.firewalld.present(zone).items()}
