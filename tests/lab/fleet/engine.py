"""The engine: a real C{redis-server} or C{valkey-server}, with TLS and a user for each host."""

import shutil
import signal
from collections.abc import Iterable

from tests.lab.fleet.certificates import Authority
from tests.lab.fleet.resp import RespClient
from tests.lab.hosts import Host, Process, eventually

PROGRAMS = ("redis-server", "valkey-server")
PORT = 6379
ROOT_USER, ROOT_PASSWORD = "root", "the test's own"
"""A user that can do everything: the test itself, and whoever has stolen the engine."""


def listPrograms() -> list[str]:
    """Return the programs that this system has."""
    return [program for program in PROGRAMS if shutil.which(program)]


class Engine:
    """
    The engine on a host.

    @ivar lines: what its file has besides the address: the users and the rest as C{pkdoors fleet
        init} prints them.
    """

    def __init__(self, host: Host, address: str, program: str = PROGRAMS[0]) -> None:
        self.host = host
        self.address = address
        self.program = program
        self.lines: list[str] = []
        self.folder = host.folder / "engine"
        self.folder.mkdir()
        self.authority = Authority(self.folder)
        self.certificate, self.key = self.authority.issue(address)
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """Where it is, for C{pkdoors fleet init}."""
        return f"rediss://{self.address}:{PORT}"

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process
        return self._process.popen.pid

    def start(self, lines: Iterable[str] | None = None) -> None:
        """Start it, with the data that it had, and wait until it answers."""
        self.lines = self.lines if lines is None else [*lines]
        file = self.folder / "engine.conf"
        file.write_text(
            "\n".join(
                (
                    f"bind {self.address}",
                    f"dir {self.folder}",
                    'save ""',
                    f'user {ROOT_USER} on ">{ROOT_PASSWORD}" ~* &* +@all',
                    *self.lines,
                    "",
                )
            )
        )
        self._process = self.host.spawn(self.program, str(file))
        if not eventually(self._answers):
            raise AssertionError(f"the engine did not start: {self._process.log()}")

    def stop(self, with_: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self._process:
            self._process.stop(with_)

    def suspend(self) -> None:
        """Stop it for a while: it is there, and does not answer."""
        if self._process:
            self._process.popen.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        if self._process:
            self._process.popen.send_signal(signal.SIGCONT)

    def client(self, user: str = ROOT_USER, password: str = ROOT_PASSWORD) -> RespClient:
        """Log in, on the engine's own host."""
        with self.host.inside():
            return RespClient(self.address, PORT, user, password, self.authority.file)

    def _answers(self) -> bool:
        if self._process is None or self._process.popen.poll() is not None:
            return True  # it has ended, which the caller sees at its first question
        try:
            with self.client() as asking:
                return bool(asking.ask("PING") == b"PONG")
        except (TimeoutError, OSError):
            return False
        except Exception as error:
            # While it reads its data, it answers with a refusal.
            return "LOADING" not in str(error)
