"""
Write what a Debian package says of itself.

``packaging/deb/build`` runs this, with the distribution's Python alone::

    describe.py version VERSION
    describe.py control VERSION ARCHITECTURE SIZE LIBRARIES
    describe.py changelog VERSION TIME
    describe.py copyright FOLDER
    describe.py bundled FOLDER
    describe.py stray <LIST
"""

import platform
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from email.utils import formatdate
from importlib.metadata import Distribution, distributions
from os import environ
from pathlib import Path

NOBODY = ("The pkdoors authors", "pkdoors@packages.invalid")
"""Who maintains the package, unless the environment says it."""
PREFIX = "usr/lib/pkdoors"

FOLDERS = (
    f"{PREFIX}/",
    "usr/lib/sysusers.d/",
    "usr/lib/systemd/system/",
    "usr/lib/tmpfiles.d/",
    "usr/share/bash-completion/completions/",
    "usr/share/doc/pkdoors/",
    "usr/share/fish/vendor_completions.d/",
    "usr/share/lintian/overrides/",
    "usr/share/man/",
    "usr/share/pkdoors/",
    "usr/share/polkit-1/rules.d/",
    "usr/share/zsh/vendor-completions/",
)
"""Where the package may have files."""
FILES = ("etc/logrotate.d/pkdoors", "usr/bin/pkdoors", "usr/share/cockpit/pkdoors")
"""Its files elsewhere."""

INSIDE = {
    "bcrypt": "Compiled; it contains crates of Rust, under MIT, Apache-2.0 or BSD licenses.",
    "cffi": "Compiled; it may contain libffi, under the MIT license.",
    "hiredis": "Compiled; it contains hiredis, under the BSD license.",
    "cryptography": "Compiled; it contains OpenSSL, under the Apache-2.0 license, and crates of "
    "Rust, under MIT, Apache-2.0 or BSD licenses. The folder sboms beside its metadata lists them.",
}
"""What compiled packages of the package index contain besides their own code."""

_LICENSES = {
    "MIT License": "MIT",
    "BSD License": "BSD-3-clause",
    "Apache Software License": "Apache-2.0",
    "Python Software Foundation License": "PSF-2.0",
    "Zope Public License": "ZPL-2.1",
    "http://www.apache.org/licenses/LICENSE-2.0": "Apache-2.0",
}
"""Short names of licenses, for packages that have only a classifier, or an address."""
_APACHE = re.compile(r"\s*Apache License\s+Version 2\.0")
_COMMON = "On Debian systems, the license is in /usr/share/common-licenses/Apache-2.0.\n"


def debianVersion(version: str, system: Mapping[str, str]) -> str:
    """
    Return a version as Debian orders them: what is before a release comes before it, and the
    package for a later release of the distribution comes after the one for this release.

    @param version: as Python writes it, C{26.11.0.dev0}.
    @param system: what C{os-release} says.
    """
    number = re.sub(r"\.?(dev|a|b|rc)(?=\d)", r"~\1", version)
    name = "deb" if system["ID"] == "debian" else system["ID"]
    return f"{number}+{name}{system['VERSION_ID']}"


def nameMaintainer(environment: Mapping[str, str]) -> str:
    """Return who maintains the package; C{debchange(1)}."""
    name, address = NOBODY
    return f"{environment.get('DEBFULLNAME', name)} <{environment.get('DEBEMAIL', address)}>"


SUGGESTED = (
    "firewalld",
    "redis-server | valkey-server",
    "python3-segno",
    "openssh-server",
    "cockpit",
    "bash-completion",
)


def control(version: str, architecture: str, size: str, libraries: str) -> str:
    """
    Return the control file.

    @param size: in KiB, as installed.
    @param libraries: what the compiled modules depend on.
    """
    major, minor = sys.version_info[:2]
    depends = (
        # Compiled modules, and the folder that has their names, belong to one version of Python.
        f"python3 (>= {major}.{minor}~)",
        f"python3 (<< {major}.{minor + 1})",
        "python3-nftables",
        "nftables",
        "iproute2",
        "systemd | systemd-standalone-sysusers | systemd-sysusers",
        "systemd | systemd-standalone-tmpfiles | systemd-tmpfiles",
        *filter(None, libraries.split(", ")),
    )
    return f"""\
Package: pkdoors
Version: {version}
Architecture: {architecture}
Maintainer: {nameMaintainer(environ)}
Installed-Size: {size}
Depends: {", ".join(depends)}
Recommends: python3-firewall, polkitd, logrotate
Suggests: {", ".join(SUGGESTED)}
Section: admin
Priority: optional
Description: port-knocking daemon that never leaves a door open, and its client
 pkdoors keeps chosen ports of a host closed in the kernel's firewall
 (nftables, beside firewalld if that runs), and opens them to one address
 for a limited time after a secret knock. A knock can be sealed with an SSH
 key. The kernel itself ends an opening, even if the daemon dies.
 .
 The daemon, its Python packages and the client are below {"/" + PREFIX}.
 /usr/share/pkdoors/pkdoors-knock.pyz is the client in one file, for other
 machines that have nothing but Python.
"""


def changelog(version: str, time: float) -> str:
    """Return the changelog, in Debian's form. The news are in another file."""
    return (
        f"pkdoors ({version}) unstable; urgency=medium\n\n"
        "  * Made from the sources; NEWS.gz has the changes.\n\n"
        f" -- {nameMaintainer(environ)}  {formatdate(time)}\n"
    )


def listBundled(folder: Path) -> list[Distribution]:
    """Return the Python packages in a folder, by name."""
    return sorted(distributions(path=[str(folder)]), key=lambda each: each.name.lower())


def copyright(folder: Path) -> str:
    """Return the copyright file, in Debian's form (DEP-5), with the licenses of all packages in a
    folder, as they were installed."""
    found = listBundled(folder)
    own = next(each for each in found if each.name == "pkdoors")
    others = [each for each in found if each is not own]
    head = (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n"
        "Upstream-Name: pkdoors\n"
        "Comment: The Python packages below site-packages come from the Python package index.\n"
        " bundled.txt has their versions.\n"
    )
    stanzas = [_describe(["*"], own)]
    for each in others:
        stanzas.append(
            _describe([f"{PREFIX}/*/site-packages/{name}" for name in _tops(each)], each)
        )
    return "\n".join([head, *stanzas])


def _describe(files: Iterable[str], package: Distribution) -> str:
    text = "\n".join(_readLicenses(package))
    owners = re.findall(r"^[^\w©]*((?:copyright|©).*(?:\d{4}|©|\(c\)).*)$", text, re.I | re.M)
    owners = [re.sub(r"[*\s]+$", "", owner) for owner in dict.fromkeys(owners)]
    comment = INSIDE.get(package.name, "")
    return (
        "Files: " + "\n ".join(files) + "\n"
        "Copyright: " + "\n ".join(owners or [f"the authors of {package.name}"]) + "\n"
        f"License: {_nameLicense(package)}\n{_indent(text)}"
        + (f"Comment: {textwrap.fill(comment, 76, subsequent_indent=' ')}\n" if comment else "")
    )


def _tops(package: Distribution) -> list[str]:
    """Return the files and folders of a package in its folder, as patterns."""
    tops = dict.fromkeys(
        file.parts[0] + ("/*" if len(file.parts) > 1 else "")
        for file in package.files or ()
        if file.parts[0] not in ("..", "bin")
    )
    return sorted(tops)


def _readLicenses(package: Distribution) -> Iterator[str]:
    found = False
    for file in sorted(package.files or (), key=str):
        if re.search(r"\.dist-info/.*(LICEN[CS]E|COPYING|NOTICE)", str(file)):
            text = Path(str(file.locate())).read_text(errors="replace").expandtabs()
            found = True
            yield _COMMON if _APACHE.match(text) else text
    if not found:
        raise SystemExit(f"{package.name} has no license: it cannot be part of the package")


def _nameLicense(package: Distribution) -> str:
    """Return the name of a license, with the conjunctions as Debian writes them."""
    fields = package.metadata.json
    named = str(fields.get("license_expression", ""))
    for classifier in fields.get("classifier", []):
        kind, _, name = classifier.rpartition(" :: ")
        if not named and kind.startswith("License"):
            named = _LICENSES.get(name, "")
    first = str(fields.get("license", "")).partition("\n")[0]
    named = named or _LICENSES.get(first, first) or "other"
    return re.sub(r" (AND|OR) ", lambda found: found[0].lower(), named.strip())


def _indent(text: str) -> str:
    """Return a text as the value of a field: an empty line is a dot."""
    lines = (line.rstrip() for line in text.strip().splitlines())
    return "".join(f" {line or '.'}\n" for line in lines)


def listStray(names: Iterable[str]) -> list[str]:
    """
    Return the files that have no place in the package.

    @param names: a kind, C{d} for a folder, and a path for each.
    """
    paths = [name.split(" ", 1) for name in names]
    return [
        path
        for kind, path in paths
        if kind != "d" and path not in FILES and not path.startswith(FOLDERS)
    ]


def main(what: str, *arguments: str) -> int:
    """Print one of the texts; return an exit status."""
    match what:
        case "version":
            print(debianVersion(arguments[0], platform.freedesktop_os_release()))
        case "control":
            print(control(*arguments), end="")
        case "changelog":
            print(changelog(arguments[0], float(arguments[1])), end="")
        case "copyright":
            print(copyright(Path(arguments[0])), end="")
        case "bundled":
            for package in listBundled(Path(arguments[0])):
                if package.name != "pkdoors":
                    print(f"{package.name}=={package.version}")
        case "stray":
            stray = listStray(sys.stdin.read().splitlines())
            print(*stray, sep="\n", end="", file=sys.stderr)
            return bool(stray)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
