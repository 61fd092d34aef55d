"""
New configurations, as text: the daemon's, with a comment for each key, and the profile that a
client has of it. Pure.
"""

import json
import re

from pkdoors.config.config import ADMIN_SOCKET, KEYS_FILE
from pkdoors.model.doors import Door
from pkdoors.util.durations import formatDuration

_CONF = """\
# The configuration of pkdoors, which the daemon reads when it starts (twistd pkdoors --conf FILE).
# It holds a secret, the sequence: nobody else may read it.

# "nftables", "firewalld" or "dry-run"; "auto" is firewalld where it runs, else nftables.
firewall = "auto"
# firewalld's zone, instead of the one that firewalld puts the client in.
#zone = "public"
# The local addresses to listen on, instead of all.
#interfaces = ["192.0.2.1", "2001:db8::1"]
# Where the daemon listens for its operator, who is root; "off" for nowhere.
#admin = "{admin}"
# A file to which each event is appended, as a line of JSON.
#audit = "/var/log/pkdoors/audit.jsonl"

# A door; there can be more of them, each with another name.
[doors.{name}]
# The secret: these UDP ports in this order, 5 to 20, open the door.
sequence = {sequence}
# What the door protects: "22" is "22/tcp"; "51820/udp", "6000-6010/tcp".
ports = [{ports}]
# For how long a knock opens it that asks for no time.
open_for = "{openFor}"
# What a knock can ask for at most.
max_open_for = "{maxOpenFor}"
# In what time the whole sequence must come.
knock_timeout = "{knockTimeout}"
# How long a network is ignored after a wrong knock; "0" for not at all.
penalty = "{penalty}"
# Whether connections live on when the door closes ("keep"), or end with it ("cut").
sessions = "keep"
# UDP has no connections: a session of a door that has closed ends when the client has been silent
# for udp_idle, and in any case udp_max after the door has closed.
udp_idle = "{udpIdle}"
udp_max = "{udpMax}"
# How long a UDP port stays open that is protected for the first time, so that clients in the midst
# of something are not cut; only on a host that does not track connections. "0" for not at all.
udp_grace = "{udpGrace}"
# Only knocks that are sealed with one of the SSH keys in this file open the door.
{plain}authorized_keys = {keys}
# By how much the clocks of a sealed knock's sender and of this host may differ.
{plain}clock_skew = "{clockSkew}"
# How many datagrams a second are heard of one source; 0 for all.
knock_rate = {knockRate}
# How many of them at once.
knock_burst = {knockBurst}
# A program that is run when the door opens for somebody, and its arguments; no shell reads them.
#on_open = ["/usr/local/bin/pkdoors-tell", "open"]
# Likewise when it closes.
#on_close = ["/usr/local/bin/pkdoors-tell", "closed"]
# Likewise when a knock is refused.
#on_refuse = ["/usr/local/bin/pkdoors-tell", "refused"]
"""


def confText(door: Door) -> str:
    """The configuration file for one door."""
    times = (
        *("openFor", "maxOpenFor", "knockTimeout", "penalty", "clockSkew"),
        *("udpIdle", "udpMax", "udpGrace"),
    )
    return _CONF.format(
        name=door.name,
        sequence=list(door.sequence.ports),
        ports=", ".join(_quoted(_short(str(each))) for each in door.ports),
        admin=ADMIN_SOCKET,
        keys=_quoted(door.authorizedKeys or KEYS_FILE),
        knockRate=door.knockRate,
        knockBurst=door.knockBurst,
        plain="" if door.authorizedKeys else "#",
        **{field: formatDuration(getattr(door, field)) for field in times},
    )


def profileText(host: str, address: str, door: Door) -> str:
    """
    The client's profile for one door of a host.

    @param host: the profile's name.
    """
    key = host if re.fullmatch("[A-Za-z0-9_-]+", host) else _quoted(host)
    lines = [
        f"[hosts.{key}]",
        f"address = {_quoted(address)}",
        f"sequence = {list(door.sequence.ports)}",
        *[f"wait = {each.first}" for each in door.ports if each.protocol == "tcp"][:1],
        # A plain knock names no door: the client takes its name for a mistake there.
        *([f"door = {_quoted(door.name)}", "sealed = true"] if door.authorizedKeys else []),
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A text as TOML has it; JSON has the same escapes."""
    return json.dumps(text, ensure_ascii=False)


def _short(ports: str) -> str:
    return ports.removesuffix("/tcp")
