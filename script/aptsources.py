"""
Write what apt's sources of this machine are for another release of Debian, as files for mmdebstrap.

Mirrors, keys and options stay as they are; only the name of the release is another. Usage::

    aptsources.py RELEASE FOLDER
"""

import re
import sys
from pathlib import Path

APT = Path("/etc/apt")
_PARTS = ("", "-updates", "-security")
"""What may follow the release's name in a suite. Backports and the like are not wanted."""


def renamed(suites: list[str], old: str, new: str) -> list[str]:
    """Return the suites of the old release, named after the new one; all others are left out."""
    return [new + part for part in _PARTS if old + part in suites]


def oneLine(text: str, old: str, new: str) -> str:
    """Return the entries of a C{sources.list} that are of the old release, for the new one."""
    found = ""
    for line in text.splitlines():
        entry = re.fullmatch(r"\s*deb\s+((?:\[[^]]*\]\s+)?\S+)\s+(\S+)\s+([^#]*?)\s*(?:#.*)?", line)
        if entry and "main" in entry[3].split():
            for suite in renamed([entry[2]], old, new):
                found += f"deb {entry[1]} {suite} main\n"
    return found


def deb822(text: str, old: str, new: str) -> str:
    """Return the stanzas of a C{.sources} file that are of the old release, for the new one."""
    found = ""
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE)
    for stanza in re.split(r"\n\s*\n", text):
        # A field's value may go on in lines that begin with a blank.
        parts = re.findall(r"^([^\s:]+):(.*(?:\n[ \t].*)*)", stanza, flags=re.MULTILINE)
        fields = {name.lower(): value for name, value in parts}
        suites = renamed(fields.get("suites", "").split(), old, new)
        wanted = "deb" in fields.get("types", "").split()
        wanted &= "main" in fields.get("components", "").split()
        wanted &= fields.get("enabled", "yes").strip().lower() not in ("no", "false", "0", "off")
        if wanted and suites:
            fields |= {"types": " deb", "suites": " " + " ".join(suites), "components": " main"}
            found += "".join(f"{name}:{value}\n" for name, value in fields.items()) + "\n"
    return found


def release(text: str) -> str:
    """Return the name of the release of Debian that C{os-release} is of; empty: another system."""
    fields = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    values = {name: value.strip("\"'") for name, value in fields.items()}
    return values.get("VERSION_CODENAME", "") if values.get("ID") == "debian" else ""


def main(new: str, folder: Path) -> int:
    """Write C{apt.list} and C{apt.sources}, if they have something; return an exit status."""
    old = release(Path("/etc/os-release").read_text())
    places = [APT / "sources.list", *sorted((APT / "sources.list.d").glob("*"))]
    status = 1
    for suffix, convert in (".list", oneLine), (".sources", deb822):
        files = [path for path in places if path.suffix == suffix and path.is_file()]
        found = "".join(convert(path.read_text(), old, new) for path in files) if old else ""
        if found:
            (folder / f"apt{suffix}").write_text(found)
            status = 0
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], Path(sys.argv[2])))
