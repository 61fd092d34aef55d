"""
Scripts that knock: for bash, for Termux on Android, and for PowerShell. Their texts lie beside this
module; what differs is set in front of them.
"""

from importlib.resources import files
from shlex import quote

from pkdoors.client.core.plan import INTERVAL, ROUND_PAUSE
from pkdoors.client.export.subject import Subject, checkSealed
from pkdoors.client.profiles import FROM_AGENT
from pkdoors.errors import BadValue
from pkdoors.knocks.knock import makePlainKnock
from pkdoors.model.knockports import KnockPort, TcpPort, numberOf

_ARGUMENTS = "key=$1 host=$2 door=$3 ports=$4 seconds=${5:-0}\n"
"""The line of the sealed script that the values of a profile replace."""

_BASH = """\
#!{shell}
# Knock on {host}. This needs nothing but {needs}.
#
#   bash FILE         knock
#   bash FILE PORT    knock, and connect standard input and output to this TCP port with nc
#
# The sequence in this file is a secret: keep it private (chmod 600).
"""
_TERMUX = """\
# On Android, in Termux: pkg install {packages}
# As ~/.shortcuts/NAME, the widget Termux:Widget runs it with one touch.
"""
_KEY = """
# The key: PKDOORS_KEY in the environment, or the first of these.
key=${{PKDOORS_KEY:-}}
for file in {files}; do
    [ -n "$key" ] || [ ! -e "${{file%.pub}}.pub" ] || key=$file
done
[ -n "$key" ] || {{ echo 'no SSH key found: put the path of one into PKDOORS_KEY' >&2; exit 1; }}
"""
_CONNECT = """
# Connect, once the host has opened the door.
if [ $# -gt 0 ]; then
    {cleanup}sleep 0.2
    exec nc "$host" "$1"
fi
"""
_CLEANUP = """rm -rf "$folder"
    trap - EXIT
    """
_POWERSHELL = """\
# Knock on {host}. This needs nothing but PowerShell 5.1 or later{needs}.
#
#   powershell -ExecutionPolicy Bypass -File FILE
#
# The sequence in this file is a secret: keep it private.
$ErrorActionPreference = 'Stop'
$server = {server}
$ports = {ports}
"""

DELAY = 0.05
"""Seconds between two datagrams of C{knock}: it is also used from slow networks."""

_QUOTES = dict.fromkeys(map(ord, "'\u2018\u2019\u201a\u201b"))
"""All the letters that end a quotation in PowerShell."""


def renderBash(subject: Subject, shell: str = "/usr/bin/env bash", about: str = "") -> str:
    """
    Return a script for bash.

    @param shell: the path of the shell.
    @param about: more lines at the beginning.
    """
    isSealed = subject.profile.isSealed
    needs = "bash, ssh-keygen and coreutils" if isSealed else "bash"
    head = _BASH.format(shell=shell, host=subject.address, needs=needs) + about
    cleanup = _CLEANUP if isSealed else ""
    body = _renderSealed(subject) if isSealed else _renderPlain(subject)
    return head + body + _CONNECT.format(cleanup=cleanup)


def renderTermux(subject: Subject) -> str:
    """Return a script for Termux, which has its programs in a folder of its own."""
    packages = "openssh netcat-openbsd" if subject.profile.isSealed else "netcat-openbsd"
    about = _TERMUX.format(packages=packages)
    return renderBash(subject, "/data/data/com.termux/files/usr/bin/bash", about)


def _renderPlain(subject: Subject) -> str:
    payload = makePlainKnock(subject.seconds).decode("ascii").rstrip("\n")
    ports = " ".join(map(str, subject.ports))
    values = f"host={quote(subject.address)}\nports={quote(ports)}\npayload={quote(payload)}\n"
    values += f"interval={subject.intervalOr(INTERVAL):g}\n"
    return values + _readScript("knock.sh")


def _renderSealed(subject: Subject) -> str:
    checkSealed(subject)
    ports = ",".join(map(str, subject.ports))
    values = (
        f"host={quote(subject.address)}\ndoor={quote(subject.door)}\n"
        f"ports={quote(ports)}\nseconds={subject.seconds}\n"
    )
    script = _readScript("sealed-knock.sh").partition(_ARGUMENTS)[2]
    return values + _KEY.format(files=_listKeys(subject.profile.identity)) + script


def _listKeys(identity: str | None) -> str:
    """
    Return the files that may have the key, quoted for a shell.

    @param identity: the profile's.
    """
    usual = [f"~/.ssh/{name}" for name in ("id_ed25519", "id_ecdsa", "id_rsa")]
    if identity in (None, FROM_AGENT):
        return " ".join(usual)
    if identity.endswith("-cert.pub"):
        raise BadValue("a script cannot send a certificate: use --format ssh-config")
    if identity.startswith("~/"):
        return f"~/{quote(identity[2:])}"
    return quote(identity)


def renderPowerShell(subject: Subject) -> str:
    """Return a script for PowerShell."""
    isSealed = subject.profile.isSealed
    needs = " and ssh-keygen, which Windows has" if isSealed else ""
    head = _POWERSHELL.format(
        host=subject.address,
        needs=needs,
        server=_quotePowerShell(subject.address),
        ports=", ".join(_quotePowerShell(str(port)) for port in subject.ports),
    )
    if isSealed:
        checkSealed(subject)
        values = f"$door = {_quotePowerShell(subject.door)}\n$seconds = {subject.seconds}\n"
        pause = _toMilliseconds(ROUND_PAUSE)
        knock = f"$rounds = 3\n$pause = {pause}\n{values}{_readScript('sealed.ps1')}"
    else:
        payload = makePlainKnock(subject.seconds).decode("ascii").rstrip("\n")
        text = f'[Text.Encoding]::ASCII.GetBytes("{payload}`n")'
        pause = _toMilliseconds(subject.intervalOr(INTERVAL))
        knock = f"$rounds = 1\n$pause = {pause}\n$datagram = {text}\n"
    return head + knock + _readScript("send.ps1")


def _quotePowerShell(text: str) -> str:
    """Quote a text: between single quotes, only these have a meaning."""
    return "'" + "".join(2 * letter if ord(letter) in _QUOTES else letter for letter in text) + "'"


def renderKnockd(subject: Subject) -> str:
    """Return the line that knocks with C{knock}, which belongs to knockd."""
    ports = subject.ports
    if subject.profile.isSealed:
        raise BadValue("knock cannot seal a knock: use --format bash")
    if subject.profile.openFor:
        raise BadValue("knock cannot ask for a time (open_for): use --format bash")
    if not subject.profile.hearsAny and not all(isinstance(port, TcpPort) for port in ports):
        raise BadValue(
            "knock sends no payload on UDP ports: use --format bash, or TCP ports, or set "
            'payload = "any" for the door and in the profile'
        )
    delay = _toMilliseconds(subject.intervalOr(DELAY))
    return f"knock -d {delay} {quote(subject.address)} {' '.join(map(_nameForKnockd, ports))}\n"


def _toMilliseconds(seconds: float) -> int:
    return round(1000 * seconds)


def _nameForKnockd(port: KnockPort) -> str:
    return f"{numberOf(port)}:{'tcp' if isinstance(port, TcpPort) else 'udp'}"


def _readScript(name: str) -> str:
    return files("pkdoors.client.export").joinpath(name).read_text("ascii")
