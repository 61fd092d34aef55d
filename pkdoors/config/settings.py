"""
What can be set, for the daemon and for a door. Pure.

Options, variables, the keys of a file, the template of a file, and the comparison of two
configurations are all made from the two tables here.
"""

from functools import partial

from pkdoors.config._moresettings import (
    FLEET_FILE,
    FLEET_SETTINGS,
    LIMIT_SETTINGS,
    SEALED_SETTINGS,
)
from pkdoors.config._setting import PAYLOAD, SESSIONS, USES, Setting
from pkdoors.config.config import ADMIN_SOCKET, CONF_FILE, SEED_FILE, SEED_NAME
from pkdoors.config.values import (
    ADDRESSES,
    ADMIN,
    COMMAND,
    MOST_OPENINGS,
    NUMBER,
    PATH,
    PORTS,
    SEQUENCE,
    TIME,
    TRUSTED,
    parseAdmin,
    parseFirewall,
    parseInterfaces,
    parseListening,
    parseOpenings,
)
from pkdoors.model.ports import parseDoorPorts
from pkdoors.model.sequence import Sequence
from pkdoors.model.trusted import parseTrustedList
from pkdoors.util.durations import parseDuration
from pkdoors.util.toml import quoteString

MAX_KNOCK_TIMEOUT = 3600.0
"""Seconds for a whole sequence: a client that failed is reported when they are over."""

MAX_GRACE = 300.0
"""Seconds for which a UDP port can stay open when it is first protected."""

ABOUT = (
    "Keep ports closed, and open them for a limited time to an address that knocks on some UDP or "
    "TCP ports in the right order. Options override the environment (KNOCKER_SEQ for --magic-seq, "
    "KNOCKER_PORTS for --ports), which overrides the file. Options about a door work only if the "
    "file has exactly one door. A TIME is 45, 45s, 10m, 8h, 7d or 1h30m."
)
"""What C{--help} says of the daemon."""
CONF_ABOUT = (
    f"the configuration file (default: the first of {CONF_FILE}, ~/{SEED_NAME} and {SEED_FILE} "
    "that exists; the last two are files of port-knocking-doors)"
)
"""What C{--help} says of C{--conf}."""

DAEMON_SETTINGS = (
    Setting(
        key="firewall",
        field="firewall",
        parse=parseFirewall,
        option="firewall",
        letter="f",
        about="auto, nftables, firewalld or dry-run",
        comment='"nftables", "firewalld" or "dry-run"; "auto" uses firewalld if it is running, '
        "otherwise nftables.",
        isFixed=True,
    ),
    Setting(
        key="zone",
        field="zone",
        parse=str,
        option="zone",
        about="firewalld's zone, instead of the zone of each client",
        comment="firewalld's zone, instead of the zone that firewalld assigns to the client.",
        example='"public"',
        isFixed=True,
    ),
    Setting(
        key="interfaces",
        field="interfaces",
        parse=parseInterfaces,
        kind=ADDRESSES,
        option="interface",
        about="listen on this local address only; can be repeated (default: all IPv4 and IPv6)",
        comment="The local addresses to listen on, instead of all.",
        example='["192.0.2.1", "2001:db8::1"]',
        isRepeated=True,
    ),
    Setting(
        key="listen",
        field="listen",
        parse=parseListening,
        option="listen",
        about="auto, capture or sockets",
        comment='"capture" hears knocks in the kernel\'s packet log: no knock port is open, and no '
        'other firewall has to let knocks in. "sockets" opens a socket for each knock port. "auto" '
        "uses sockets, unless a door has knocks over TCP.",
        isFixed=True,
    ),
    Setting(
        key="admin",
        field="admin",
        parse=parseAdmin,
        kind=ADMIN,
        option="admin",
        about="path of the admin socket, or off",
        comment="The socket on which the daemon listens for its operator, root; "
        '"off" for no socket.',
        example=quoteString(ADMIN_SOCKET),
        isFixed=True,
    ),
    Setting(
        key="audit",
        field="audit",
        parse=str,
        kind=PATH,
        comment="A file to which the daemon appends each event, as a line of JSON.",
        example='"/var/log/pkdoors/audit.jsonl"',
    ),
    Setting(
        key="max_openings",
        field="maxOpenings",
        parse=partial(parseOpenings, most=MOST_OPENINGS),
        kind=NUMBER,
        comment="How many openings there may be at a time, of all doors. Half of them are divided "
        "equally among the doors, so each gets some whatever happens at the others.",
    ),
    FLEET_FILE,
    Setting(
        field="logKnocks",
        parse=bool,
        option="log-knocks",
        about="log every datagram, and what each door makes of it",
        isFlag=True,
    ),
)
"""What can be set for the whole daemon; the fields are those of L{Config}."""

DOOR_SETTINGS = (
    Setting(
        key="sequence",
        field="sequence",
        parse=Sequence.parse,
        kind=SEQUENCE,
        option="magic-seq",
        letter="m",
        about="the sequence: 5 to 20 ports, 17001,17203/tcp,... (a secret)",
        variable="KNOCKER_SEQ",
        comment="The secret: knocks on these 5 to 20 ports, in this order, open the door. 17001 is "
        'a UDP port, "17203/tcp" a TCP port.',
    ),
    Setting(
        key="ports",
        field="ports",
        parse=parseDoorPorts,
        kind=PORTS,
        option="ports",
        letter="p",
        about="the ports to protect: 22,80,51820/udp,6000-6010/tcp",
        variable="KNOCKER_PORTS",
        comment='The ports that the door protects: "22" means "22/tcp"; "51820/udp", '
        '"6000-6010/tcp"; [] for a door that only runs on_open.',
    ),
    Setting(
        key="open_for",
        field="openFor",
        parse=parseDuration,
        kind=TIME,
        option="open-for",
        letter="t",
        about="TIME that a knock opens the door if it does not ask for a time",
        comment="How long a knock opens the door if it does not ask for a time.",
    ),
    Setting(
        key="max_open_for",
        field="maxOpenFor",
        parse=parseDuration,
        kind=TIME,
        option="max-open-for",
        formerOption="max-open",
        about="the longest TIME that a knock can ask for",
        comment="The longest time that a knock can ask for.",
    ),
    Setting(
        key="knock_timeout",
        field="knockTimeout",
        parse=partial(parseDuration, most=MAX_KNOCK_TIMEOUT),
        kind=TIME,
        option="knock-timeout",
        about="TIME within which the whole sequence must arrive",
        comment="The time within which the whole sequence must arrive.",
    ),
    Setting(
        key="penalty",
        field="penalty",
        parse=partial(parseDuration, least=0),
        kind=TIME,
        option="penalty",
        about="TIME that a network is ignored after a wrong knock",
        comment='How long a network is ignored after a wrong knock; "0" for not at all.',
    ),
    Setting(
        key="sessions",
        field="cutSessions",
        parse=SESSIONS.parse,
        kind=SESSIONS.kind,
        option="sessions",
        about="keep or cut live sessions when the door closes",
        comment='Whether connections go on after the door has closed ("keep") or end with it '
        '("cut").',
    ),
    Setting(
        key="uses",
        field="once",
        parse=USES.parse,
        kind=USES.kind,
        option="uses",
        about="many or once: how many connections an opening lets in",
        comment='How many connections an opening lets in: "many", or "once" if the first one uses '
        "it up. TCP ports only.",
    ),
    Setting(
        key="udp_idle",
        field="udpIdle",
        parse=parseDuration,
        kind=TIME,
        option="udp-idle",
        about="TIME without a datagram after which a UDP session ends if its door has closed",
        comment="UDP has no connections: after the door has closed, a session ends as soon as "
        "the client has been silent for this long.",
    ),
    Setting(
        key="udp_max",
        field="udpMax",
        parse=partial(parseDuration, least=0),
        kind=TIME,
        option="udp-max",
        about="the longest TIME that a UDP session goes on after its door has closed",
        comment="The longest time that a UDP session goes on after its door has closed.",
    ),
    Setting(
        key="udp_grace",
        field="udpGrace",
        parse=partial(parseDuration, least=0, most=MAX_GRACE),
        kind=TIME,
        option="udp-grace",
        about="TIME that a UDP port stays open when it is first protected, if the host does not "
        "track connections",
        comment="How long a UDP port stays open when it is first protected, so that clients that "
        "use it just then are not cut off; only on a host that does not track connections. "
        '"0" for not at all.',
    ),
    Setting(
        key="trusted",
        field="trusted",
        parse=parseTrustedList,
        kind=TRUSTED,
        option="trusted",
        about="networks and interfaces that need no knock: 192.168.1.0/24,fd00::/8,wg0",
        comment="The networks and interfaces from which clients reach the ports without a knock.",
        example='["192.168.1.0/24", "fd00::/8", "wg0"]',
    ),
    *SEALED_SETTINGS,
    *FLEET_SETTINGS,
    Setting(
        key="payload",
        field="hearsAny",
        parse=PAYLOAD.parse,
        kind=PAYLOAD.kind,
        option="payload",
        about='knock or any: whether a knock over UDP must have the payload "knock"',
        comment='The content of a knock over UDP: "knock", or "any" for clients that cannot send '
        "that. A knock over TCP is a connection that begins, with nothing in it.",
    ),
    *LIMIT_SETTINGS,
    Setting(
        key="on_open",
        field="onOpen",
        parse=tuple,
        kind=COMMAND,
        comment="A program, with its arguments, to run when the door opens for a client; no shell "
        "reads them.",
        example='["/usr/local/bin/pkdoors-tell", "open"]',
    ),
    Setting(
        key="on_close",
        field="onClose",
        parse=tuple,
        kind=COMMAND,
        comment="A program to run when the door closes.",
        example='["/usr/local/bin/pkdoors-tell", "closed"]',
    ),
    Setting(
        key="on_refuse",
        field="onRefuse",
        parse=tuple,
        kind=COMMAND,
        comment="A program to run when a knock is refused.",
        example='["/usr/local/bin/pkdoors-tell", "refused"]',
    ),
)
"""What can be set for a door; the fields are those of L{Door}."""
