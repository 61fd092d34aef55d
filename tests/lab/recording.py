"""
Makes the recorded terminals of the manual: those in C{docs/start.md}, and the picture of README.
C{script/record} writes them again.
"""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from rich.text import Text

from tests import ROOT
from tests.lab.hosts import BIN, Host, Network, Process
from tests.lab.picture import draw, readPicture
from tests.lab.terminal import Terminal
from tests.lab.transcript import Step, freeze, record

START = ROOT / "docs" / "start.md"
PICTURE = ROOT / "docs" / "pictures" / "watch.svg"

SERVER, CLIENT = "192.0.2.1", "192.0.2.7"
COLUMNS, LINES = 80, 10

SAVE_PROFILE = """\
sed -n '/^[[]hosts/,/^$/p' "$LAST" >~/.config/pkdoors/hosts.toml
chmod 600 ~/.config/pkdoors/hosts.toml
"""
"""Puts the lines that C{pkdoors init} has printed into the client's file."""


class World:
    """
    A server, C{myhost.example}, with sshd, and a laptop whose key may log in there.

    Commands have the laptop's key in the variable C{KEY}, and in C{LAST} a file with the output of
    the command before.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with ExitStack() as self._stack:
            self._network = self._stack.enter_context(Network(folder))
            self.server, self.client = self._network.server, self._network.client
            self.home, self._last = folder / "home", folder / "last"
            (self.home / ".config" / "pkdoors").mkdir(parents=True)
            self._nameHosts()
            self._makeKeys()
            self._startSshd()
            self._stack = self._stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def _nameHosts(self) -> None:
        """Give the hosts addresses for documentation, and files in /etc that are only theirs."""
        (self.folder / "hosts").write_text(f"127.0.0.1 localhost\n{SERVER} myhost.example\n")
        for host, device, address in (
            (self.server, "client", SERVER),
            (self.client, "server", CLIENT),
        ):
            host.run("ip", "address", "add", f"{address}/24", "dev", device)
            host.ownEtc()
            host.run("cp", str(self.folder / "hosts"), "/etc/hosts")

    def _makeKeys(self) -> None:
        (self.home / ".ssh").mkdir(mode=0o700)
        self.key = self.home / ".ssh" / "id_ed25519"
        for path, comment in ((self.folder / "host", "myhost"), (self.key, "anna@laptop")):
            keygen = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment)
            self.server.run(*keygen, "-f", str(path))

    def _startSshd(self) -> None:
        settings = self.folder / "sshd_config"
        settings.write_text(
            f"HostKey {self.folder}/host\nAuthorizedKeysFile {self.key}.pub\n"
            "StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nPidFile none\n"
            "PrintMotd no\n"
        )
        self.server.run("cp", str(settings), "/etc/ssh/sshd_config")  # `sshd -T` reads that
        self.server.run("mkdir", "-p", "/run/sshd")
        sshd = self._onMyhost("/usr/sbin/sshd -D -e -f sshd_config")
        if not sshd.says("Server listening on :: port 22"):
            raise AssertionError(sshd.log())
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "ssh").write_text(
            f"#!/bin/sh\nexec /usr/bin/ssh -F none -l root -i {self.key} "
            f"-o UserKnownHostsFile={self.folder}/known -o StrictHostKeyChecking=no "
            '-o BatchMode=yes -o LogLevel=ERROR "$@"\n'
        )
        (programs / "ssh").chmod(0o755)

    def _shell(self, host: Host, command: str) -> list[str]:
        """Return what runs a command, with nothing of the environment that the tests have."""
        path = (
            f"{self.folder}/bin:{BIN}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        )
        variables = (f"PATH={path}", f"HOME={self.home}", f"KEY={self.key}", f"LAST={self._last}")
        argv = ["env", "-i", *variables, "LC_ALL=C.UTF-8", "sh", "-c"]
        if host is self.server:
            return ["unshare", "--uts", *argv, f"hostname myhost; {command}"]
        return [*argv, command]

    def _onMyhost(self, command: str) -> Process:
        """Start a command on the server, which then has its name."""
        return self.server.spawn(*self._shell(self.server, f"cd {self.folder}; exec {command}"))

    def run(self, step: Step) -> str:
        """Run a command of a page; return its output."""
        host: Host = {"server": self.server, "client": self.client}[step.host]
        if step.until:
            process = self._onMyhost(step.command)
            if not process.says(step.until):
                raise AssertionError(f"{step.command}: {process.log()}")
            end = process.log().index("\n", process.log().index(step.until)) + 1
            return self._clean(process.log()[:end])
        status, output = host.status(*self._shell(host, step.command))
        if status and step.mustSucceed:
            raise AssertionError(f"{step.command} ended with {status}: {output}")
        self._last.write_text(output)
        return self._clean(output)

    def _clean(self, output: str) -> str:
        return output.replace(f"{BIN}/", "").replace(str(self.home), "/home/anna")

    def startDaemon(self) -> Process:
        """Create a configuration, and start the daemon with it."""
        init = Step("server", "pkdoors init --host myhost.example", mustSucceed=True)
        for step in (init, Step("client", SAVE_PROFILE, mustSucceed=True)):
            self.run(step)
        daemon = self._onMyhost("pkdoors daemon")
        if not daemon.says("guarding door"):
            raise AssertionError(daemon.log())
        return daemon

    @contextmanager
    def watch(self) -> Iterator[Terminal]:
        """Show C{pkdoors watch} on a terminal of the server."""
        with self.server.inside():
            terminal = Terminal(str(BIN / "pkdoors"), "watch", columns=COLUMNS, lines=LINES)
        try:
            yield terminal
        finally:
            terminal.close()


def recordStart(page: str) -> str:
    """Return the page with the output that its commands have now."""
    with TemporaryDirectory(prefix="pkdoors-") as folder, World(Path(folder)) as world:
        return record(page, world.run)


def _freezeTitle(line: Text) -> Text:
    """Return a line of the screen with one version, as the pages show it."""
    found = re.match(r"pkdoors [\d.a-z]+", line.plain)
    if found is None:
        return line
    shown = freeze(found[0]).strip()
    gap = " " * (len(found[0]) - len(shown))
    rest = line.plain[found.end() :].replace("  ", f"  {gap}", 1)
    return Text(shown + rest, line.spans[0].style)


def recordPicture() -> str:
    """Return a picture of a knock, and of what the operator sees meanwhile."""
    command = "pkdoors knock myhost --open-for 10m"
    with TemporaryDirectory(prefix="pkdoors-") as folder, World(Path(folder)) as world:
        world.startDaemon()
        with world.watch() as terminal:
            if not terminal.shows("no door is open"):
                raise AssertionError("\n".join(terminal.screen()))
            byOperator = "pkdoors open 198.51.100.20 --for 45m"
            world.run(Step("server", byOperator, mustSucceed=True))
            output = freeze(world.run(Step("client", command, mustSucceed=True)))
            if not terminal.shows("9m"):  # the bar has begun to run down
                raise AssertionError("\n".join(terminal.screen()))
            screen = terminal.picture()
    prompt = Text.assemble(("anna@laptop:~$ ", "bold green"), command)
    operator = Text.assemble(("root@myhost:~# ", "bold red"), "pkdoors watch")
    lines = [prompt, *map(Text, output.splitlines()), Text(), operator, Text()]
    lines += map(_freezeTitle, screen)
    return draw(lines, COLUMNS, "pkdoors")


def readLines(picture: str) -> list[str]:
    """Return the lines of a picture, with one value in place of what is different each time."""
    lines = freeze("\n".join(readPicture(picture))).splitlines()
    changing = "|".join(
        (
            "[━╸╺]",
            r"\d\d:\d\d:\d\d",
            r"[\d.]+knocks/s",
            r"pkdoors[\d.]+(dev\d+)?,up\w+",
            r"\d+[hms](\d+[ms])*",
        )
    )
    return [re.sub(changing, "", re.sub(r"\s", "", line)) for line in lines]


def main() -> None:
    """Write again what has changed."""
    START.write_text(recordStart(START.read_text()))
    picture = recordPicture()
    if not PICTURE.exists() or readLines(PICTURE.read_text()) != readLines(picture):
        PICTURE.write_text(picture)


if __name__ == "__main__":
    main()
