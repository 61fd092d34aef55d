"""
The configuration of fwknopd: C{access.conf}, and C{fwknopd.conf}. Pure.

::

    SOURCE              ANY
    OPEN_PORTS          tcp/22, udp/53
    FW_ACCESS_TIMEOUT   60
    KEY_BASE64          ...
"""

import re

from pkdoors.config.foreign.commands import IP, Meaning, readCommand
from pkdoors.config.foreign.doors import (
    MAX_DOORS,
    MAX_OPEN_FOR,
    Fate,
    Foreign,
    ForeignDoor,
    checkText,
    describeSeconds,
    makeName,
    readSeconds,
    timesFor,
)
from pkdoors.config.foreign.rules import Ports
from pkdoors.errors import BadValue
from pkdoors.model.ports import mergeRanges, parsePortRange

OPEN_FOR = 30.0
"""fwknopd's own default, in seconds."""

_LINE = re.compile(r"(%?[A-Za-z_]{1,40}(?:64)?):?\s+([^;]*)")
_ADDRESS = re.compile(r"\$(?:IP|SRC|PKT_SRC)\b|\$\{(?:IP|SRC|PKT_SRC)\}")
_UNKNOWN = re.compile(r"\$\{?(?:DST|PORT|PROTO|CLIENT_TIMEOUT)\b")
_NAMES = {22: "ssh", 53: "dns", 80: "http", 443: "https", 993: "imaps", 1194: "openvpn"}

_SECRET = "replaced: a new door has new secrets"
_KEYS = {
    "KEY": _SECRET, "KEY_BASE64": _SECRET, "HMAC_KEY": _SECRET, "HMAC_KEY_BASE64": _SECRET,
    "HMAC_DIGEST_TYPE": "not needed: an SSH key has its own",
    "ENCRYPTION_MODE": "not needed: nothing is encrypted, everything is signed",
    "RESTRICT_PORTS": "not needed: a door opens its own ports only",
    "REQUIRE_SOURCE_ADDRESS": "not needed: a door opens for the address that knocks, and a client "
    "can bind its knock to that (bind)",
    "REQUIRE_SOURCE": "not needed, see REQUIRE_SOURCE_ADDRESS",
    "REQUIRE_USERNAME": "not needed: the log names the key",
    "DESTINATION": "not taken: set interfaces to that address if this host has it",
    "ENABLE_CMD_EXEC": "not taken: no client chooses a command; use on_open",
    "ENABLE_CMD_SUDO_EXEC": "not taken: no client chooses a command; use on_open",
    "FORCE_NAT": "not taken: forward the port, and protect it; the guard closes forwarded ports",
    "FORCE_SNAT": "not taken: pkdoors changes no addresses",
    "FORCE_MASQUERADE": "not taken: pkdoors changes no addresses",
    "DISABLE_DNAT": "not needed: pkdoors changes no addresses",
    "FORWARD_ALL": "not taken: pkdoors forwards nothing",
    "ACCESS_EXPIRE": 'not taken: write expiry-time="YYYYMMDD" before the keys',
    "ACCESS_EXPIRE_EPOCH": 'not taken: write expiry-time="YYYYMMDD" before the keys',
    "%INCLUDE": "not read: give that file, too", "%INCLUDE_FOLDER": "not read: give its files, too",
    "%INCLUDE_KEYS": _SECRET,
}  # fmt: skip
_DAEMON = {
    "PCAP_INTF": "not taken: knocks are heard on every interface; set interfaces to addresses",
    "PCAP_FILTER": "not needed: the kernel hears the ports of the sequence only",
    "UDPSERV_PORT": _SECRET,
    "TCPSERV_PORT": _SECRET,
    "ENABLE_SPA_PACKET_AGING": "not needed: seals always expire",
    "ENABLE_DIGEST_PERSISTENCE": "not needed: seals open once, also after a restart",
    "MAX_SPA_PACKET_AGE": "not taken: set clock_skew if the clocks of clients are wrong",
}
_DAEMON_PREFIXES = (
    "PCAP_", "ENABLE_", "MAX_", "RULES_", "UDPSERV_", "TCPSERV_", "NFQ_", "LOCALE", "SYSLOG_",
    "SNAT_", "FLUSH_", "FIREWD_", "IPT_", "IPFW_", "PF_", "FWKNOP_", "ACCESS_", "DIGEST_", "GPG_",
    "SUDO_", "FIREWALL_", "VERBOSE", "EXIT_", "CMD_EXEC_", "ALLOW_", "CONF_", "FAULT_",
)  # fmt: skip
"""How keys of fwknopd.conf begin."""

Stanza = dict[str, str]


def readFwknop(*texts: str) -> Foreign:
    """
    Return what configurations of fwknopd mean: C{access.conf}, and perhaps C{fwknopd.conf}.

    @raise BadValue: no text has a stanza, or there is too much of it.
    """
    daemon: Stanza = {}
    stanzas: list[Stanza] = []
    fates: list[Fate] = []
    for text in texts:
        _readText(checkText(text), stanzas, daemon, fates)
    if not stanzas:
        raise BadValue("it is not the access.conf of fwknop, which has a stanza with SOURCE")
    if len(stanzas) > MAX_DOORS:
        raise BadValue(f"it has more than {MAX_DOORS} stanzas")
    fates += [(key, _describeDaemon(key)) for key in daemon]
    doors: list[ForeignDoor] = []
    for number, stanza in enumerate(stanzas, 1):
        door = _makeDoor(stanza, [door.name for door in doors])
        doors.append(door)
        where = f"stanza {number}"
        fates.append((where, f"is now the door {door.name}"))
        fates += [(f"{where} {key}", _describe(key, stanza)) for key in stanza]
        if "OPEN_PORTS" not in stanza and door.ports is None:
            reason = "the client named the ports: the door protects those of sshd, add others"
            fates.append((f"{where} OPEN_PORTS", reason))
    return Foreign(tuple(doors), fates)


def _readText(text: str, stanzas: list[Stanza], daemon: Stanza, fates: list[Fate]) -> None:
    """Add the stanzas, or the daemon's own settings, of a file."""
    isAccess = False
    for number, line in enumerate(map(str.strip, text.splitlines()), 1):
        if not line or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if match is None:
            fates.append((f"line {number}", "not understood, and not taken"))
            continue
        key, value = match[1].upper(), match[2].strip()
        if key == "SOURCE":
            isAccess = True
            stanzas.append({})
        (stanzas[-1] if isAccess else daemon)[key] = value


def _makeDoor(stanza: Stanza, used: list[str]) -> ForeignDoor:
    ports = _readPorts(stanza.get("OPEN_PORTS", ""))
    opening, closing = (
        _readHook(stanza.get(key, ""), ports) for key in ("CMD_CYCLE_OPEN", "CMD_CYCLE_CLOSE")
    )
    asked = stanza.get("FW_ACCESS_TIMEOUT") or stanza.get("CMD_CYCLE_TIMER") or ""
    longest = readSeconds(stanza.get("MAX_FW_TIMEOUT", "")) or MAX_OPEN_FOR
    fields = timesFor(readSeconds(asked) or OPEN_FOR, longest)
    if opening.hook:
        fields["onOpen"] = opening.hook
    if closing.hook:
        fields["onClose"] = closing.hook
    name = _NAMES.get(ports[0].first, "door") if ports else "ssh"
    isProgram = not ports and bool(opening.hook)
    shown = ports or (() if isProgram else None)
    return ForeignDoor(makeName("program" if isProgram else name, used), shown, fields)


def _readPorts(text: str) -> Ports:
    """Read C{tcp/22, udp/53}; what is not a port is left out."""
    found = []
    for item in text.split(","):
        protocol, _, number = item.strip().lower().partition("/")
        try:
            found.append(parsePortRange(f"{number.strip()}/{protocol.strip()}"))
        except BadValue:
            continue
    return mergeRanges(found)


def _readHook(text: str, ports: Ports) -> Meaning:
    """Return what a command means that runs when the door opens or closes."""
    if not text or text.upper() == "NONE":
        return Meaning()
    port = ports[0] if ports else None
    plain = _ADDRESS.sub(IP, text)
    if port:  # only to see what it does: a hook gets no such variables
        known = re.sub(r"\$\{?PORT\}?", port.span, plain)
        meaning = readCommand(re.sub(r"\$\{?PROTO\}?", port.protocol, known))
        if meaning.opens or meaning.closes:
            return meaning
    return Meaning() if _UNKNOWN.search(plain) else readCommand(plain)


def _describe(key: str, stanza: Stanza) -> str:
    """Return what became of a key. No value: some are secrets."""
    value = stanza[key]
    if key == "SOURCE":
        isAny = value.upper() in ("ANY", "0.0.0.0/0", "")
        return "not needed" if isAny else 'not taken: write from="..." with it before the keys'
    if key == "OPEN_PORTS":
        return "is now ports" if _readPorts(value) else "not taken: it has no port"
    if key in ("FW_ACCESS_TIMEOUT", "CMD_CYCLE_TIMER"):
        return describeSeconds(value, "open_for")
    if key == "MAX_FW_TIMEOUT":
        return describeSeconds(value, "max_open_for")
    if key in ("CMD_CYCLE_OPEN", "CMD_CYCLE_CLOSE"):
        if value.upper() == "NONE":
            return "not needed"
        meaning = _readHook(value, _readPorts(stanza.get("OPEN_PORTS", "")))
        lost = "not taken: a hook knows the client's address only ($PKDOORS_SOURCE)"
        name = "on_open" if key == "CMD_CYCLE_OPEN" else "on_close"
        return lost if meaning == Meaning() and _UNKNOWN.search(value) else meaning.describe(name)
    if key.startswith("GPG_"):
        return _SECRET
    return _KEYS.get(key, "unknown key, not taken")


def _describeDaemon(key: str) -> str:
    isKnown = key.startswith(_DAEMON_PREFIXES)
    return _DAEMON.get(key, "not needed" if isKnown else "unknown key, not taken")
