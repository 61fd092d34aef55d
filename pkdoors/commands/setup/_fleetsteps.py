"""What to do after C{pkdoors fleet init}. Pure."""

from collections.abc import Iterable, Iterator
from shlex import quote
from textwrap import indent
from typing import NamedTuple

from pkdoors.config.fleet import FleetConfig
from pkdoors.fleet.access import NOBODY, Server, listLines


class Setting(NamedTuple):
    """
    Where the steps are taken.

    @ivar program: how this host starts C{pkdoors}.
    @ivar file: the fleet's configuration that was written.
    @ivar isUsual: whether the daemon finds it without being told.
    @ivar words: the arguments of the command that all hosts share.
    @ivar user: the line that makes this host a user of the engine.
    @ivar server: the engine's program.
    @ivar hasClient: whether this installation can speak to the engine.
    @ivar isShared: whether the fleet's service can read the password.
    """

    program: str
    file: str
    isUsual: bool
    words: str
    user: str
    server: Server
    hasClient: bool
    isShared: bool


def describeSteps(fleet: FleetConfig, setting: Setting) -> str:
    """Return what was written, and the steps, numbered."""
    steps = [*_listEngineSteps(fleet, setting), *_listSteps(fleet, setting)]
    lines = [f"{number}. {step}" for number, step in enumerate(steps, 1)]
    written = f"Wrote {setting.file}, and this host's password for the engine, {fleet.password}."
    return "\n\n".join([written, *lines, ""]).removesuffix("\n")


def _listEngineSteps(fleet: FleetConfig, setting: Setting) -> Iterator[str]:
    engine, server = fleet.engine, setting.server
    if not engine.isTls:
        yield (
            "Without TLS, everybody who can read the network between the hosts and the engine "
            "learns the passwords: unless nobody else can, use rediss:// in --engine instead."
        )
    yield (
        f"On {engine.host}, once: install {server.package}, for this fleet alone. Let nothing but "
        f"the hosts of the fleet reach its port {engine.port}. Put these lines at the end of "
        f"{server.conf}:{_block(listLines(engine, server))}"
    )
    if fleet.ca:
        yield (
            f"There, once, unless {engine.host} has a certificate: make one with this command, and "
            f"copy {server.certificate} to {fleet.ca} on each host of the fleet:"
            f"{_block(_makeCertificate(engine.host, server))}"
        )
    yield (
        f"There, put these lines into {server.users}; the second one has a hash of this host's "
        f"password, and each other host prints its own:{_block([NOBODY, setting.user])}\n\n"
        f"   Then: chown {server.name}: {server.users}; chmod 600 {server.users}; "
        f"systemctl restart {server.package}"
    )


def _makeCertificate(host: str, server: Server) -> list[str]:
    kind = "IP" if ":" in host or host.replace(".", "").isdecimal() else "DNS"
    return [
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \\",
        f"    -subj {quote(f'/CN={host}')} -addext {quote(f'subjectAltName={kind}:{host}')} \\",
        f"    -keyout {server.key} -out {server.certificate} && chown {server.name}: {server.key}",
    ]


def _listSteps(fleet: FleetConfig, setting: Setting) -> Iterator[str]:
    program = setting.program
    others = [host for host in fleet.hosts if host != fleet.host]
    if others:
        yield (
            f"On each other host ({', '.join(others)}), once pkdoors is installed there:"
            f"{_block([f'{program} fleet init {setting.words} --this HOST'])}"
        )
    more = ""
    if not setting.isUsual:
        more = f' Above the first door: fleet_file = "{setting.file}".'
    yield (
        "On all hosts, give the doors of the fleet the same name and sequence: copy their "
        "[doors.NAME] in pkdoors.toml from one host, where `pkdoors init` makes it, and the file "
        f"of keys that it names.{more} Then add to each such door:"
        f"{_block(['fleet = true'])}\n\n   and, on a host that has no knock ports of its own:"
        f"{_block(['listen = false'])}"
    )
    if not fleet.operators:
        yield (
            "To close doors and to ban keys on all hosts at once, put the operators' public SSH "
            f"keys into a file on each host, and name it with operators in {setting.file}."
        )
    if not setting.hasClient:
        yield (
            "Here: add what speaks to the engine to the environment of pkdoors, with `pip install "
            "'pkdoors[fleet]'`, or with `pipx inject pkdoors txredisapi`."
        )
    share = ""
    if not setting.isShared:
        share = " (the first of these also lets the fleet's service read the password)"
    yield f"Here{share}:{_block(_makeStart(program))}"
    yield f"When all hosts are up:{_block([f'{program} fleet doctor'])}"
    yield (
        "Clients: a knock opens the other hosts only if it names the client's address, as it does "
        "by itself if that is a public one. Otherwise use `pkdoors knock --bind ADDRESS`, or "
        "bind in the profile; behind NAT, stun:HOST finds the address."
    )


def _makeStart(program: str) -> list[str]:
    sudo = "sudo " if program.startswith("sudo ") else ""
    return [
        f"{program} install-service",
        f"{program} reload",
        f"{sudo}systemctl enable --now pkdoors-fleet",
    ]


def _block(lines: Iterable[str]) -> str:
    return "\n\n" + indent("\n".join(lines), " " * 7)
