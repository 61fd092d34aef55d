"""What can be set for a door: for sealed knocks, and against floods. Pure."""

from functools import partial

from pkdoors.config._setting import BOOLEAN, Setting
from pkdoors.config.config import FLEET_NAME, KEYS_FILE, REVOKED_FILE
from pkdoors.config.values import (
    MOST_OF_DOOR,
    NUMBER,
    PATH,
    PATHS,
    TIME,
    parseDatagrams,
    parseGrant,
    parseOpenings,
    parsePath,
    parsePaths,
)
from pkdoors.model.doors import MAX_SKEW
from pkdoors.util.durations import parseDuration
from pkdoors.util.toml import quoteString

SEALED_SETTINGS = (
    Setting(
        key="authorized_keys",
        field="authorizedKeys",
        parse=parsePaths,
        kind=PATHS,
        option="authorized-keys",
        letter="k",
        about="accept only knocks that are sealed with a key in this file, which is like sshd's, "
        "or in the files of this folder",
        comment="Only knocks that are sealed with one of the SSH keys in this file open the door. "
        'It can be a folder of such files, or several: ["/etc/keys", "/etc/keys.d"].',
        example=quoteString(KEYS_FILE),
        isForSealed=True,
    ),
    Setting(
        key="revoked_keys",
        field="revokedKeys",
        parse=parsePath,
        kind=PATH,
        option="revoked-keys",
        about="refuse the keys and certificates in this file, which is like sshd's RevokedKeys: "
        "public keys, or a list of ssh-keygen -k",
        comment="For sealed knocks: keys and certificates that are revoked, as public keys or as a "
        "list that ssh-keygen -k makes. If the file cannot be read, nobody may knock.",
        example=quoteString(REVOKED_FILE),
    ),
    Setting(
        key="clock_skew",
        field="clockSkew",
        parse=partial(parseDuration, most=MAX_SKEW),
        kind=TIME,
        option="clock-skew",
        about="TIME by which a sealed knock's clock may differ from this host's",
        comment="How much the clocks of a sealed knock's sender and of this host may differ.",
        isForSealed=True,
    ),
    Setting(
        key="grant4",
        field="grant4",
        parse=partial(parseGrant, version=4),
        kind=NUMBER,
        option="grant4",
        about="length of the IPv4 network that a sealed knock opens for, if its key has prefix",
        comment="The length of the IPv4 network, 24 for example, that a sealed knock opens for, if "
        "its key has the option prefix: all hosts in it can then connect. 32 for the sender's "
        "address alone.",
        isForSealed=True,
    ),
    Setting(
        key="grant6",
        field="grant6",
        parse=partial(parseGrant, version=6),
        kind=NUMBER,
        option="grant6",
        about="length of the IPv6 network that a sealed knock opens for, if its key has prefix",
        comment="The same over IPv6: with 64, a client stays in though its address changes "
        "within its network, and so does everybody else in there. 128 for the address alone.",
        isForSealed=True,
    ),
)
"""A part of L{pkdoors.config.settings.DOOR_SETTINGS}."""

FLEET_FILE = Setting(
    key="fleet_file",
    field="fleetFile",
    parse=parsePath,
    kind=PATH,
    comment="The configuration of the fleet, if a door belongs to one; "
    f"{FLEET_NAME} beside this file if the key is missing.",
    example=quoteString(f"/etc/pkdoors/{FLEET_NAME}"),
)
"""A part of L{pkdoors.config.settings.DAEMON_SETTINGS}."""

FLEET_SETTINGS = (
    Setting(
        key="fleet",
        field="fleet",
        parse=bool,
        kind=BOOLEAN,
        comment="Whether the door belongs to the fleet: a sealed knock that another host of the "
        "fleet heard opens it, too, and the others get the knocks that this host hears.",
        example="true",
    ),
    Setting(
        key="listen",
        field="listens",
        parse=bool,
        kind=BOOLEAN,
        comment="Whether this host hears knocks for the door itself. If false, it opens no knock "
        "port for the door, and only knocks that other hosts of the fleet heard open it.",
        example="false",
    ),
)
"""A part of L{pkdoors.config.settings.DOOR_SETTINGS}."""

LIMIT_SETTINGS = (
    Setting(
        key="knock_rate",
        field="knockRate",
        parse=partial(parseDatagrams, orNone=True),
        kind=NUMBER,
        option="knock-rate",
        about="how many datagrams a second are accepted from one source, 0 for all",
        comment="How many datagrams a second are accepted from one source; 0 for all.",
    ),
    Setting(
        key="knock_burst",
        field="knockBurst",
        parse=partial(parseDatagrams, orNone=False),
        kind=NUMBER,
        option="knock-burst",
        about="how many datagrams from one source are accepted at once",
        comment="How many datagrams from one source are accepted at once.",
    ),
    Setting(
        key="max_openings",
        field="mostOpenings",
        parse=partial(parseOpenings, most=MOST_OF_DOOR),
        kind=NUMBER,
        option="max-openings",
        about="how many openings the door may have at a time",
        comment="How many openings the door may have at a time.",
    ),
)
"""Another part of it."""
