"""The reference of the options in the file of SSH keys that may knock."""

from manual.markdown import listDefinitions

KEY_OPTIONS = {
    "from": (
        '="PATTERN,..."',
        "The addresses and networks from which the key can knock, and for which it can open. "
        "`!` before one excludes it.",
    ),
    "expiry-time": (
        '="TIME"',
        "The time from which the key counts no longer: `YYYYMMDD`, `YYYYMMDDHHMM` or "
        "`YYYYMMDDHHMMSS`, local, or in UTC with `Z` at the end.",
    ),
    "doors": ('="NAME,..."', "The doors that the key can open."),
    "max-open-for": ('="TIME"', "The longest time for which the key can open a door."),
    "prefix": (
        "",
        "At a door with `grant4` or `grant6`, the key opens for the network of that length around "
        "the address.",
    ),
    "for-others": (
        "",
        "The key can open for another address than the one that it knocks from: "
        "`pkdoors knock --for ADDRESS`.",
    ),
    "cert-authority": (
        "",
        "The key does not knock, but certifies the keys that may. It needs one of the next two "
        "options.",
    ),
    "principals": ('="NAME,..."', "A certificate must have one of these principals."),
    "any-principal": ("", "Every certificate of this authority that is for users counts."),
}
"""Option -> its value, and what it means; a test compares them with those that are read."""


def describeKeyOptions() -> str:
    """Return the reference."""
    return listDefinitions(
        (f"`{name}{value}`", meaning) for name, (value, meaning) in KEY_OPTIONS.items()
    )
