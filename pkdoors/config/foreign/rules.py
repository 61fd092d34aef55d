"""
Commands that let a client through a firewall, as other programs run them: which ports they open.
Pure.

::

    /usr/sbin/iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT
    ufw insert 1 allow from %IP% to any port 22 proto tcp
    nft add rule inet filter input ip saddr %IP% tcp dport { 22, 443 } accept
    firewall-cmd --add-rich-rule='rule source address="%IP%" service name="ssh" accept'
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from pkdoors.config.foreign.shell import Words
from pkdoors.errors import BadValue
from pkdoors.model.ports import PortRange, mergeRanges, parsePortRange

Ports = tuple[PortRange, ...]

OPENS, CLOSES, NEUTRAL = "opens", "closes", "neutral"

_SERVICES = {
    "ssh": "22/tcp", "ftp": "21/tcp", "telnet": "23/tcp", "smtp": "25/tcp", "domain": "53/udp",
    "dns": "53/udp", "http": "80/tcp", "pop3": "110/tcp", "imap": "143/tcp", "https": "443/tcp",
    "submission": "587/tcp", "imaps": "993/tcp", "pop3s": "995/tcp", "openvpn": "1194/udp",
    "mysql": "3306/tcp", "ms-wbt-server": "3389/tcp", "rdp": "3389/tcp", "postgresql": "5432/tcp",
    "vnc-server": "5900/tcp", "wireguard": "51820/udp",
}  # fmt: skip
"""Names in place of ports that people use in such commands."""
_RICH_PORT = re.compile(r'port port="?([0-9-]+)"? protocol="?(tcp|udp)"?')
_RICH_SERVICE = re.compile(r'service name="?([a-z0-9-]+)"?')


class Rule(NamedTuple):
    """
    What a command does to a firewall.

    @ivar kind: L{OPENS}, L{CLOSES}, or L{NEUTRAL}.
    @ivar ports: the ports that it opens; empty for all.
    """

    kind: str
    ports: Ports = ()


def readRule(words: Words) -> Rule | None:
    """Return what a command does to a firewall; L{None} if it is not such a command, or unclear."""
    program = words[0].rpartition("/")[2]
    reader = next((read for name, read in _READERS.items() if re.fullmatch(name, program)), None)
    try:
        return reader(words[1:]) if reader else None
    except (BadValue, StopIteration):  # a wrong port, or an option without its value
        return None


def _parsePorts(text: str, protocol: str) -> Ports:
    """Read C{22}, C{22,80}, C{6000:6010}, C{6000-6010} or C{ssh}."""
    return tuple(
        parsePortRange(_parseName(item) or f"{item.replace(':', '-')}/{protocol}")
        for item in text.split(",")
    )


def _parseName(text: str) -> str:
    return _SERVICES.get(text.lower(), "")


def _readIptables(words: Words) -> Rule | None:
    kind, protocol, target, ports = "", "tcp", "", ""
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        if name in _ELSEWHERE:
            return None
        if name in ("-A", "--append", "-I", "--insert", "-D", "--delete"):
            kind = CLOSES if name in ("-D", "--delete") else OPENS
            if (value if equals else next(left)).lower() in _OTHER_CHAINS:
                return None
        elif name in ("-j", "--jump", "-p", "--protocol", "--proto", *_DPORTS):
            given = value if equals else next(left)
            if name in ("-j", "--jump"):
                target = given
            elif name in _DPORTS:
                ports = given
            else:
                protocol = given
    if target != "ACCEPT" or not kind:
        return Rule(CLOSES) if kind == CLOSES else None
    if protocol not in ("tcp", "udp"):
        return Rule(kind) if protocol in ("all", "any") and not ports else None
    return Rule(kind, _parsePorts(ports, protocol) if ports else ())


_ELSEWHERE = ("!", "-t", "--table", "-d", "--dst", "--destination", "-o", "--out-interface")
"""Options of rules that are for other hosts, or for some of this host's addresses; or unclear."""
_OTHER_CHAINS = ("forward", "output", "prerouting", "postrouting", "docker-user")
"""Chains, in small letters, that packets to this host do not pass, or not only they."""
_DPORTS = ("--dport", "--dports", "--destination-port", "--destination-ports")


def _readUfw(words: Words) -> Rule | None:
    left = [word for word in words if not word.startswith("-")]
    kind = OPENS
    if left[:1] == ["delete"]:
        kind, left = CLOSES, left[1:]
    if kind == CLOSES and left and left[0].isdigit():
        return Rule(CLOSES)
    if left[:1] == ["insert"]:
        left = left[2:]
    if left[:1] == ["prepend"]:
        left = left[1:]
    if not left or left[0] not in ("allow", "limit"):
        return None
    rest = [word for word in left[1:] if word not in ("in", "tcp", "udp")]
    protocol = next((word for word in left if word in ("tcp", "udp")), "tcp")
    if "to" in rest and rest[rest.index("to") + 1 :][:1] != ["any"]:
        return None
    if "port" in rest:
        after = rest[rest.index("port") + 1 :]
        return Rule(kind, _parsePorts(after[0], protocol)) if after else None
    if len(rest) == 1:
        number, slash, protocol = rest[0].partition("/")
        return Rule(kind, _parsePorts(number, protocol if slash else "tcp"))
    return Rule(kind) if "from" in rest else None


def _readNft(words: Words) -> Rule | None:
    text = " ".join(words)
    if _NFT_ELSEWHERE.search(text):
        return None
    if re.match(r"(-\S+ )*delete rule ", text):
        return Rule(CLOSES)
    if not re.match(r"(-\S+ )*(add|insert) rule ", text) or not re.search(r"\baccept\b", text):
        return None
    found = [*re.finditer(r"\b(tcp|udp) dport (\{[^}]*\}|\S+)", text)]
    if not found:
        return None if "dport" in text else Rule(OPENS)
    return Rule(OPENS, tuple(_nftPorts(found)))


_NFT_ELSEWHERE = re.compile(
    rf"\brule (?:(?:ip6?|inet) )?(?!ip6? |inet )\S+ (?:{'|'.join(_OTHER_CHAINS)})\b"
    r"|\bdaddr\b|\boif",
    re.I,
)
"""The same as L{_ELSEWHERE} and L{_OTHER_CHAINS} for nft."""


def _nftPorts(found: list[re.Match[str]]) -> Iterator[PortRange]:
    for match in found:
        yield from _parsePorts(re.sub(r"[{}\s]", "", match[2]), match[1])


def _readFirewallCmd(words: Words) -> Rule | None:
    kinds: set[str] = set()
    ports: list[PortRange] = []
    left = iter(words)
    for word in left:
        name, equals, value = word.partition("=")
        match = re.fullmatch("--(add|remove)-(port|service|rich-rule)", name)
        if match:
            kinds.add(OPENS if match[1] == "add" else CLOSES)
            ports += _firewalldPorts(match[2], value if equals else next(left))
        elif name not in ("--permanent", "--zone", "--timeout", "--quiet", "-q", "--reload"):
            return None
        elif name in ("--zone", "--timeout") and not equals:
            next(left)
    if len(kinds) > 1:
        return None
    return Rule(kinds.pop(), tuple(ports)) if kinds else Rule(NEUTRAL)


def _firewalldPorts(what: str, value: str) -> Iterator[PortRange]:
    if what == "rich-rule":
        if not re.search(r"\baccept\b", value):
            raise BadValue("it accepts nothing")
        if re.search(r"\bdestination\b", value):
            raise BadValue("it is about one address")
        for port in _RICH_PORT.finditer(value):
            yield parsePortRange(f"{port[1]}/{port[2]}")
        for service in _RICH_SERVICE.finditer(value):
            yield parsePortRange(_serviceOf(service[1]))
    elif what == "port":
        yield parsePortRange(value)
    else:
        yield parsePortRange(_serviceOf(value))


def _serviceOf(name: str) -> str:
    text = _parseName(name)
    if not text:
        raise BadValue("its ports are unknown")
    return text


_READERS: dict[str, Callable[[Words], Rule | None]] = {
    "ip6?tables(-nft|-legacy)?": _readIptables,
    "ufw": _readUfw,
    "nft": _readNft,
    "firewall-cmd": _readFirewallCmd,
}
"""What reads the arguments of a program, by a pattern of its name."""


def mergePorts(rules: list[Rule]) -> Ports:
    """Return the ports that some rules open."""
    return mergeRanges(ports for rule in rules for ports in rule.ports)
