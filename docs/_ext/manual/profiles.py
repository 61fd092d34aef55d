"""The reference of the keys in the client's file of profiles, C{hosts.toml}."""

from typing import NamedTuple


class Key(NamedTuple):
    """
    A key of a profile.

    @ivar about: what it means.
    @ivar form: how its value is written.
    @ivar default: the behaviour without it.
    @ivar example: a value, in TOML.
    @ivar option: of C{pkdoors knock}, in Markdown; empty if there is none.
    """

    about: str
    form: str
    default: str
    example: str
    option: str = ""


PROFILE_KEYS = {
    "address": Key(
        "The host to knock on.",
        "a name, or an IPv4 or IPv6 address",
        "the name of the profile",
        '"myhost.example"',
        "*HOST*",
    ),
    "sequence": Key(
        "The host's sequence. It is a secret, so nobody else may be able to read the file.",
        'a list of 5 to 20 ports: `17001` is a UDP port, `"17203/tcp"` a TCP port',
        "`KNOCKER_SEQ` in the environment",
        "[17001, 17203, 17005, 17404, 17002, 17108, 17301, 17009]",
        "`-m` *PORTS*, `--magic-seq` *PORTS*",
    ),
    "sealed": Key(
        "Whether the knock is sealed with an SSH key. `true` uses the agent's keys or, if there "
        "are none, ssh's usual files in `~/.ssh`.",
        "`true` or `false`",
        "`true` if there is an `identity`, otherwise `false`",
        "true",
        "`-i usual`, `--identity usual`",
    ),
    "identity": Key(
        "The SSH key that seals the knock: a private key, a certificate, or a public key whose "
        "private half the SSH agent holds.",
        'the path of a file, `"agent"` for every key of the agent, or `"usual"` for these or, '
        "if there are none, ssh's usual files",
        "none; see `sealed`",
        '"~/.ssh/id_ed25519"',
        "`-i` *FILE*, `--identity` *FILE*",
    ),
    "door": Key(
        "For sealed knocks: the name of the door in the host's configuration.",
        "a name",
        '`"default"`',
        '"ssh"',
        "`--door` *NAME*",
    ),
    "bind": Key(
        "For sealed knocks: the address that the host will see, the only one that can use the "
        "knock.",
        'an address, `"auto"`, `"none"`, or `"stun:HOST"` to ask a STUN server for it',
        '`"auto"`, the local address if it is global',
        '"stun:stun.example"',
        "`--bind` *ADDRESS*",
    ),
    "open_for": Key(
        "How long the door is to stay open.",
        'a time: `"45s"`, `"10m"`, `"8h"`, `"7d"` or `"1h30m"`',
        "the door's own time",
        '"10m"',
        "`--open-for` *TIME*",
    ),
    "wait": Key(
        "The TCP port to wait for after the knock. If it does not answer, the client knocks again.",
        'a port: `22` or `"22/tcp"`',
        "none, the client knocks once",
        "22",
        "`--wait` *PORT*",
    ),
    "uses": Key(
        'How many connections an opening of the door lets in. Write `"once"` if the host\'s door '
        "has that: then the client refuses to wait for a port, which would use the opening up.",
        '`"many"` or `"once"`',
        '`"many"`',
        '"once"',
    ),
    "payload": Key(
        'What the door accepts as a knock. Write `"any"` if the host\'s door has that: then '
        '`pkdoors export` can write for clients that cannot send "knock".',
        '`"knock"` or `"any"`',
        '`"knock"`',
        '"any"',
    ),
    "round_trip": Key(
        "The time to the host and back. `pkdoors connect` knocks if no answer comes in that time. "
        "The datagrams of a first plain knock are a quarter of it apart, but at least 2.5 ms.",
        'a time from `"1ms"` to `"10s"`',
        "what the kernel remembers of earlier connections to the host",
        '"20ms"',
    ),
    "interval": Key(
        "The time between two datagrams of a plain knock. On their way they must not overtake each "
        "other: the host takes that for a wrong order, and ignores the client's network for some "
        "seconds.",
        'a time from `"0s"` to `"10s"`',
        '`"20ms"`; less for the first of several knocks on a host nearby, see `round_trip`',
        '"50ms"',
        "`--interval` *TIME*",
    ),
}
"""The keys of C{[hosts.NAME]}; a test compares them with those that are read."""


def describeProfiles() -> str:
    """Return the reference."""
    return "\n".join(_describe(name, key) for name, key in PROFILE_KEYS.items())


def _describe(name: str, key: Key) -> str:
    facts = [
        ("Form", key.form),
        ("Default", key.default),
        ("Example", f"`{name} = {key.example}`"),
    ]
    if key.option:
        facts.append(("Option", key.option))
    listed = "".join(f"- {title}: {text}\n" for title, text in facts)
    return f"### `{name}`\n\n{key.about}\n\n{listed}"
