"""
The rules in firewalld's zones that need no opening. Everything here runs in the thread that owns
the connection.
"""

from collections.abc import Callable, Iterable
from functools import cache

from pkdoors.firewall.firewalld._admission import Admission
from pkdoors.firewall.firewalld._placement import Pair, Present
from pkdoors.firewall.firewalld.client import ZoneClient
from pkdoors.firewall.firewalld.richrules import (
    isKnockRule,
    isTrustedRule,
    knockRule,
    trustedRules,
)
from pkdoors.model.doors import Door, listKnockPorts
from pkdoors.model.ports import PortRange
from pkdoors.model.sources import Network
from pkdoors.model.trusted import Interface


class StandingRules:
    """
    Lets in knocks, and what doors trust.

    @param letsKnocksIn: whether knocks need rules, because sockets hear them.
    @param serve: called before each call of firewalld: openings need not wait for all of them.
    """

    def __init__(self, letsKnocksIn: bool, serve: Callable[[], None]) -> None:
        self._letsKnocksIn = letsKnocksIn
        self._serve = serve
        self._knocks: dict[Pair, None] = {}
        self._trusted: dict[Pair, None] = {}

    def __contains__(self, pair: Pair) -> bool:
        return pair in self._knocks or pair in self._trusted

    def knockPorts(self, doors: Iterable[Door]) -> list[tuple[PortRange]]:
        """Return the knock ports that firewalld must let through, each by itself."""
        ports = listKnockPorts(doors) if self._letsKnocksIn else ()
        return [(PortRange("udp", port, port),) for port in ports]

    def letKnocksIn(
        self, client: ZoneClient, doors: Iterable[Door], admission: Admission, present: Present
    ) -> None:
        """
        Add the rules for knocks if they need any, and remove those of an earlier daemon.

        @raise FirewallError: firewalld refused.
        """
        ports = self.knockPorts(doors)
        self._knocks = dict.fromkeys(
            (zone, knockRule(port.first))
            for zone in (client.knockZones() if ports else ())
            for (port,) in ports
            if not admission.admits(zone, (port,))
        )
        self._makeSo(client, present, isKnockRule, self._knocks)

    def letTrustedIn(
        self, client: ZoneClient, doors: Iterable[Door], admission: Admission, present: Present
    ) -> None:
        """
        Add the rules for what is trusted, and remove those for what is trusted no more.

        @raise FirewallError: firewalld refused.
        """
        zonesOf = cache(client.trustedZones)
        self._trusted = dict.fromkeys(
            (zone, rule)
            for door in doors
            for trusted in door.trusted
            for zone in zonesOf(trusted if isinstance(trusted, Interface) else None)
            if not admission.admits(zone, door.ports)
            for rule in trustedRules(_networkOf(trusted), door.ports)
        )
        self._makeSo(client, present, isTrustedRule, self._trusted)

    def takeKnocks(self, client: ZoneClient) -> None:
        """
        Remove the rules that let knocks in. Those for what is trusted stay, as in the guard.

        @raise FirewallError: firewalld refused.
        """
        for zone, rule in self._knocks:
            client.remove(zone, rule)
        self._knocks = {}

    def _makeSo(
        self,
        client: ZoneClient,
        present: Present,
        isMeant: Callable[[str], bool],
        wanted: Iterable[Pair],
    ) -> None:
        """Have exactly these rules of a kind."""
        existing = dict.fromkeys((zone, rule) for zone, rules in present.items() for rule in rules)
        for zone, rule in existing:
            if isMeant(rule) and (zone, rule) not in wanted:
                self._serve()
                client.remove(zone, rule)
        for zone, rule in wanted:
            if (zone, rule) not in existing:
                self._serve()
                client.add(zone, rule)


def _networkOf(trusted: Network | Interface) -> Network | None:
    return None if isinstance(trusted, Interface) else trusted
