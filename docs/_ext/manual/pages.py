"""The manual pages, those for C{man}: which there are, and what each is about."""

from manual.markdown import escape
from pkdoors.cli import COMMANDS

ABOUT = {
    "pkdoors.1": "knock on hosts that run pkdoors, and operate its daemon",
    **{f"pkdoors-{name}.1": command.about for name, command in COMMANDS.items()},
    "fleet.toml.5": "configuration of a fleet of hosts that run pkdoors",
    "hosts.toml.5": "profiles of the hosts on which pkdoors knocks",
    "pkdoors-authorized_keys.5": "SSH keys that may seal knocks",
    "pkdoors.toml.5": "configuration of the pkdoors daemon",
    "pkdoors.8": "the port-knocking daemon",
}
"""Name and section of a page -> its description, as C{apropos} shows it."""


def split(page: str) -> tuple[str, int]:
    """Return a page's name and its section."""
    name, _, section = page.rpartition(".")
    return name, int(section)


def link(page: str) -> str:
    """Return a link to a page from one in the same folder."""
    name, section = split(page)
    return f"[{name}({section})]({page}.md)"


def listPages() -> str:
    """Return a list of all pages."""
    return "".join(f"- {link(page)}: {escape(about)}\n" for page, about in ABOUT.items())


def forSphinx() -> list[tuple[str, str, str, list[str], int]]:
    """Return the setting C{man_pages} of Sphinx."""
    return [
        (f"man/{page}", split(page)[0], about, [], split(page)[1]) for page, about in ABOUT.items()
    ]
