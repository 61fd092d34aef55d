"""libnftables, and what watches the guard."""

from collections.abc import Callable
from typing import Any

from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink.library import Library
from tests.fakes.kernel import FakeKernel
from tests.fakes.tables import FakeTables


class FakeNftables:
    """
    A context of libnftables.

    @ivar ran: the commands of each transaction that was not a dry run.
    @ivar judged: those of each that was.
    @ivar error: what the kernel says to everything, where not empty.
    @ivar listing: what it lists as our table, where not empty.
    @ivar ruleset: what it lists of all tables, where not empty.
    """

    def __init__(self, error: str = "") -> None:
        self._isDryRun = False
        self._isJSON = False
        self.listing = ""
        self.ruleset = ""
        self.ran: list[str] = []
        self.judged: list[str] = []
        self.error = error

    def set_dry_run(self, onOff: bool) -> bool:
        """Only judge from now on."""
        before, self._isDryRun = self._isDryRun, onOff
        return before

    def set_json_output(self, onOff: bool) -> bool:
        """Answer in JSON from now on."""
        before, self._isJSON = self._isJSON, onOff
        return before

    def cmd(self, commands: str) -> tuple[int, str, str]:
        """Run one transaction."""
        assert isinstance(commands, str)
        if commands == "list ruleset" and self._isJSON:
            return (0, self.ruleset, "") if self.ruleset else (-1, "", "Error: Invalid argument\n")
        if commands.startswith("list "):
            assert commands == "list table inet pkdoors" and self._isJSON
            return (0, self.listing, "") if self.listing else (-1, "", "Error: No such file")
        assert not self._isJSON
        if self.error:
            return -1, "", self.error
        (self.judged if self._isDryRun else self.ran).append(commands)
        return 0, "", ""


class FakeMonitor:
    """
    What tells of changes to the guard.

    @ivar changed: tells of one; given by who watches.
    @ivar unsure: tells that more was changed than could be told.
    @ivar moved: tells that what is forwarded may have changed.
    @ivar attended: which changes count, as far as it was told; see
        L{pkdoors.firewall.nftables._notifications.Changes.attend}.
    @ivar port: the netlink port whose changes are not told.
    @ivar isOn: whether somebody watches.
    """

    def __init__(self) -> None:
        self.changed: Callable[[str], None]
        self.unsure: Callable[[], None]
        self.moved: Callable[[], None]
        self.attended: list[object] = []
        self.port = 0
        self.isOn = False

    def make(
        self,
        table: str,
        port: int,
        changed: Callable[[str], None],
        unsure: Callable[[], None],
        moved: Callable[[], None],
    ) -> Any:
        """Be made."""
        assert table == "pkdoors"
        self.port, self.changed, self.unsure, self.moved = port, changed, unsure, moved
        return self

    def attend(self, forwards: object) -> None:
        """See L{pkdoors.firewall.nftables._monitor.NftablesMonitor.attend}."""
        self.attended.append(forwards)

    def start(self, reactor: object) -> None:
        """See L{pkdoors.firewall.nftables._monitor.NftablesMonitor.start}."""
        self.isOn = True

    def stop(self, reactor: object) -> None:
        """See L{pkdoors.firewall.nftables._monitor.NftablesMonitor.stop}."""
        assert self.isOn, "stopped what was not started"
        self.isOn = False


class FakeLibrary(Library):
    """
    libnftables over the same tables.

    @ivar judged: the commands that were judged, not done.
    @ivar listings: what C{nft -j list} prints, by what is listed.
    """

    kernel: FakeKernel

    def __init__(self, tables: FakeTables, isOwner: bool = False) -> None:
        self.tables = tables
        self.kernel = FakeKernel(tables)
        self.isOwner = isOwner
        self.judged: list[str] = []
        self.listings: dict[str, str] = {}
        self.error: FirewallError | None = None

    def canOwn(self) -> bool:
        """Whether tables can have an owner."""
        return self.isOwner

    def judge(self, commands: str) -> None:
        """Judge."""
        if self.error is not None:
            raise self.error
        self.judged.append(commands)

    def run(self, commands: str) -> None:
        """Do."""
        assert self.kernel.isOpen
        if self.error is not None:
            raise self.error
        self.tables.run(commands)

    def listAsJson(self, what: str) -> str:
        """List."""
        return self.listings.get(what, "")

    def close(self) -> None:
        """Let go."""
        self.kernel.close()
