"""libnftables, and what watches the guard."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pkdoors.errors import FirewallError
from pkdoors.firewall.netlink.library import Library
from tests.fakes.kernel import FakeKernel
from tests.fakes.tables import OTHER_PORT, FakeTables


class FakeNftables:
    """
    A context of libnftables.

    @ivar ran: the commands of each transaction that was not a dry run.
    @ivar judged: the commands of each dry run.
    @ivar error: the kernel's error for everything, if it is not empty.
    @ivar listing: the listing of our table, if it is not empty.
    @ivar ruleset: the listing of all tables, if it is not empty.
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
    @ivar isOn: whether it was started.
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
        """Take the arguments of L{pkdoors.firewall.nftables._monitor.NftablesMonitor}."""
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
        self.others: list[FakeKernel] = []
        self.isOwner = isOwner
        self.judged: list[str] = []
        self.listings: dict[str, str] = {}
        self.error: FirewallError | None = None

    @contextmanager
    def borrowKernel(self) -> Iterator[FakeKernel]:
        """Lend another connection."""
        self.others.append(FakeKernel(self.tables, OTHER_PORT))
        yield self.others[-1]

    def asked(self) -> int:
        """Return how many questions came over all connections."""
        return sum(kernel.asked for kernel in (self.kernel, *self.others))

    def canOwn(self) -> bool:
        """Return whether tables can have an owner."""
        return self.isOwner

    def judge(self, commands: str) -> None:
        """Judge commands."""
        if self.error is not None:
            raise self.error
        self.judged.append(commands)

    def run(self, commands: str) -> None:
        """Run commands."""
        assert self.kernel.isOpen
        if self.error is not None:
            raise self.error
        self.tables.run(commands)

    def listAsJson(self, what: str) -> str:
        """Return a listing."""
        return self.listings.get(what, "")

    def close(self) -> None:
        """Close the kernel's socket."""
        self.kernel.close()
