"""What a host's kernel remembers of connections, read and written with C{conntrack(8)}."""

from collections.abc import Iterable
from dataclasses import dataclass

from tests.lab.hosts import Host

STATES = (
    "NONE",
    "SYN_SENT",
    "SYN_RECV",
    "ESTABLISHED",
    "FIN_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "TIME_WAIT",
    "CLOSE",
    "SYN_SENT2",
)
"""All states that an entry of a TCP connection can have."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A client's TCP connection, or what would be one."""

    source: str
    sourcePort: int
    target: str
    port: int

    @property
    def family(self) -> str:
        """What C{conntrack} calls its family."""
        return "ipv6" if ":" in self.source else "ipv4"

    def options(self) -> str:
        """What names it on the command line of C{conntrack}."""
        return (
            f"-p tcp -s {self.source} -d {self.target} "
            f"--sport {self.sourcePort} --dport {self.port}"
        )


class ConntrackTable:
    """
    The kernel's table of a host.

    Entries need a rule that asks for them: without one the kernel tracks nothing.
    """

    def __init__(self, host: Host) -> None:
        self._host = host

    def switchOn(self) -> None:
        """Have a rule of another table ask for it, as most hosts have."""
        self._host.run(
            "nft",
            "add table inet tracking; flush table inet tracking; "
            "add chain inet tracking c { type filter hook input priority 0; }; "
            "add rule inet tracking c ct state established counter",
        )

    def insert(self, entries: Iterable[tuple[Flow, str]]) -> None:
        """Add entries in these states, each as one that has seen traffic both ways."""
        self._load(
            f"-A {flow.options()} --state {state} -t 300 -u SEEN_REPLY,ASSURED"
            for flow, state in entries
        )

    def force(self, entries: Iterable[tuple[Flow, str]]) -> None:
        """Put entries that exist into these states."""
        # Several updates in one file disturb each other.
        updates = (
            f"conntrack -U -f {flow.family} {flow.options()} --state {state} -t 300"
            for flow, state in entries
        )
        self._host.run("sh", "-euc", "\n".join(updates))

    def flush(self) -> None:
        """Forget everything."""
        self._host.run("conntrack", "-F")

    def _load(self, lines: Iterable[str]) -> None:
        file = self._host.folder / "conntrack"
        file.write_text("".join(f"{line}\n" for line in lines))
        self._host.run("conntrack", "-R", str(file))
