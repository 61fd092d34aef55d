"""Where the facts about this host come from. Reading them changes nothing."""

import os
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from glob import iglob
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from pkdoors.config.lastgood import STATE, LastGood
from pkdoors.doctor._guard import GuardState
from pkdoors.doctor.packetfilter.savedrules import SavedFile, findIncludes
from pkdoors.errors import AskError, FirewallError
from pkdoors.files.access import explainNotRunnable, findHookFlaw
from pkdoors.files.configured import explainNotWritable
from pkdoors.files.reading import readStart
from pkdoors.files.trust import Flaw
from pkdoors.firewall.firewalld.survey import isFirewalldThere, surveyZones
from pkdoors.firewall.firewalld.zones import Zone
from pkdoors.firewall.guard.guard import HANDOVER
from pkdoors.firewall.netlink.dump import Table
from pkdoors.firewall.netlink.listing import listTables
from pkdoors.firewall.netlink.logsocket import PacketLog
from pkdoors.firewall.netlink.messages import OWNED
from pkdoors.firewall.nftables.table import GuardTable, openTable
from pkdoors.host.instance import Instance
from pkdoors.host.iproute import listDefaultInterfaces, listInterfaces
from pkdoors.host.iptables import saveIptables
from pkdoors.host.proc import Proc
from pkdoors.host.systemd import (
    isFleetOn,
    isInstalled,
    isOn,
    mayFleetService,
    mayService,
    readNftablesFiles,
    startsAtBoot,
)
from pkdoors.install.servicecode import findCodeFlaw
from pkdoors.install.trials.notes import isOnTrial
from pkdoors.knockports.binding import hasAddress

if TYPE_CHECKING:  # only hosts of a fleet need them, or they load all the cryptography
    from pkdoors.config.fleet import FleetConfig
    from pkdoors.doctor.fleet.facts import EngineFacts
    from pkdoors.locks.sealed.authorizedkeys import AuthorizedKey

PLACES = (
    "/etc/nftables.conf",
    "/etc/nftables.nft",
    "/etc/nftables.d/*",
    "/etc/nftables/*.nft",
    "/etc/nftables/rules/*.nft",
    "/etc/sysconfig/nftables.conf",
    "/var/lib/nftables/*",
)
"""Debian and Arch; Alpine; both; Fedora; openSUSE; Fedora; Alpine and Gentoo."""
FOLDER = "/etc"
"""Where nft looks for an included file that is given without a folder."""
MAX_BYTES = 16_000_000
"""Of one file: more than a ruleset with all the openings and sessions that a guard can have."""
MAX_FILES = 200
"""A folder may have many files, and files include each other."""
_MAX_NAMES = 1000
"""Names that one pattern may stand for: only the first ones in the folder are looked at."""
ANSWER_TIMEOUT = 5.0
"""Seconds that the running daemon has for its answer."""
HANDOVER_TIMEOUT = 2.0
"""Seconds that a daemon has to replace its guard; with few openings it takes milliseconds."""
_STEP = 0.1
_LASTING = 0x4  # NFT_TABLE_F_PERSIST


def countKeys(path: str, doors: Collection[str]) -> tuple[int, list[str], list[str]]:
    """
    Return how many keys of a file may knock now, why some lines are refused, and why some keys open
    nothing.

    @param doors: the doors that use the file.
    @raise KeyFileError: no key may, because of the file.
    """
    from pkdoors.keysources.keypath import listIdle, readAll  # with all the cryptography

    keys, complaints = readAll(path)
    today = time.time()
    count = sum(not key.findIdleness(doors, today) for key in keys)
    return count, complaints, listIdle(path, keys, doors, today)


def countRevoked(path: str) -> tuple[int, str]:
    """Return how many entries a file of revoked keys has, and why it cannot be used."""
    from pkdoors.keysources.revokedfile import RevokedFileError, readRevoked

    try:
        return len(readRevoked(Path(path))), ""
    except RevokedFileError as error:
        return 0, str(error)


def readOperators(path: str) -> tuple[list["AuthorizedKey"], list[str]]:
    """
    Return the keys that can give orders to a fleet, and why some lines give no right to.

    @raise KeyFileError: no key may, because of the file.
    """
    from pkdoors.keysources.keypath import readAll
    from pkdoors.locks.relayed.orders import findOperatorFlaw, listOperators

    keys, complaints = readAll(path)
    flaws = [f"{path}: {flaw}" for key in keys if (flaw := findOperatorFlaw(key))]
    return listOperators(keys), [*complaints, *flaws]


def countPrefixed(path: str) -> int:
    """
    Return how many keys of a file open for networks.

    @raise KeyFileError: no key may knock, because of the file.
    """
    from pkdoors.keysources.keypath import readAll

    return sum(key.hasPrefix for key in readAll(path)[0])


def askStatus(admin: str) -> tuple[Sequence[str], Sequence[str]]:
    """
    Return what the running daemon cannot do at present, as it reports itself, and what has changed
    in its configuration file since it read that; nothing if it does not answer.

    @param admin: the path of its admin socket; empty for none.
    """
    from pkdoors.admin.records import StatusRecord
    from pkdoors.adminclient.client import AdminClient
    from pkdoors.adminclient.responses import readRecord

    try:
        if admin:
            status = readRecord(StatusRecord, AdminClient(admin, ANSWER_TIMEOUT).status())
            return status.troubles, status.pending
    except AskError:
        pass
    return (), ()


def isUnread(conf: str) -> bool:
    """Return whether a configuration file was changed after the daemon had read it."""
    return bool(conf) and LastGood(STATE, conf).isOlder()


def surveyGuard() -> GuardState:
    """
    Return the state of our own tables in the kernel.

    @raise FirewallError: nftables does not answer.
    """
    guard = openTable(time.monotonic)
    try:
        survey = guard.survey()
        table = survey.table or Table()
        return GuardState(
            isThere=survey.table is not None,
            isOurs=survey.isOurs,
            isOfThisBoot=survey.isOf(guard.boot),
            isOwned=table.flags & OWNED == OWNED and bool(table.owner),
            isLasting=bool(table.flags & _LASTING),
            canBeOwned=guard.isOwned,
            isHandingOver=_isLeftBehind(guard),
            captured=guard.listCaptured(survey),
        )
    finally:
        guard.close()


def explainNoCapture() -> str:
    """Return why this kernel's packet log cannot be read; empty if it can."""
    try:
        PacketLog().check()
    except FirewallError as error:
        return str(error)
    return ""


def _isLeftBehind(guard: GuardTable) -> bool:
    """Return whether the table that guards the ports during a replacement stays for good."""
    end = time.monotonic() + HANDOVER_TIMEOUT
    while isThere := guard.survey(HANDOVER).table is not None:
        if time.monotonic() > end:
            break
        time.sleep(_STEP)
    return isThere


def readSavedFiles(places: Iterable[str] = PLACES) -> list[SavedFile]:
    """
    Return the files that exist, and those that they include, each once.

    @raise PermissionError: this user may not read one of them.
    """
    found: dict[str, SavedFile] = {}
    patterns = list(places)
    # Included files join the queue. It gets empty, because each file is read once.
    while patterns and len(found) < MAX_FILES:
        for path in islice(_expandPattern(patterns.pop(0)), MAX_FILES - len(found)):
            real = os.path.realpath(path)
            file = None if real in found else _read(path)
            if file is not None:
                found[real] = file
                patterns += findIncludes(file.text)
    return list(found.values())


def _expandPattern(pattern: str) -> Iterator[str]:
    """Yield the files that a pattern stands for."""
    # "./" is relative to nft's working directory: the root, if nft runs as a service.
    folder = "/" if pattern.startswith("./") else FOLDER
    yield from sorted(islice(iglob(os.path.join(folder, pattern)), _MAX_NAMES))


def _read(path: str) -> SavedFile | None:
    try:
        content = readStart(path, MAX_BYTES + 1)
    except PermissionError:
        raise
    except OSError:  # it is gone, or not a regular file
        return None
    text = content[:MAX_BYTES].decode("utf-8", "replace")
    return SavedFile(path, text, len(content) <= MAX_BYTES)


@dataclass(frozen=True, slots=True)
class Sources:
    """
    Functions that read facts. Each may raise anything.
    """

    proc: Proc = field(default_factory=Proc)
    holder: Callable[[], int | None] = field(default_factory=lambda: Instance().findHolder)
    tables: Callable[[], str] = listTables
    saveIptables: Callable[[str], list[tuple[str, str]]] = saveIptables
    guard: Callable[[], GuardState] = surveyGuard
    explainNoCapture: Callable[[], str] = explainNoCapture
    savedFiles: Callable[[], list[SavedFile]] = readSavedFiles
    isFirewalldThere: Callable[[], bool] = isFirewalldThere
    zones: Callable[[str], list[Zone]] = surveyZones
    nftablesFiles: Callable[[], list[tuple[str, str]]] = readNftablesFiles
    isOn: Callable[[str], bool] = isOn
    isFleetOn: Callable[[], bool | None] = isFleetOn
    isThere: Callable[[str], bool] = hasAddress
    interfaces: Callable[[], set[str]] = listInterfaces
    defaultInterfaces: Callable[[], set[str]] = listDefaultInterfaces
    status: Callable[[str], tuple[Sequence[str], Sequence[str]]] = askStatus
    isUnread: Callable[[str], bool] = isUnread
    keys: Callable[[str, Collection[str]], tuple[int, list[str], list[str]]] = countKeys
    prefixed: Callable[[str], int] = countPrefixed
    revoked: Callable[[str], tuple[int, str]] = countRevoked
    operators: Callable[[str], tuple[list["AuthorizedKey"], list[str]]] = readOperators
    engine: "Callable[[FleetConfig], EngineFacts] | None" = None  # asks the engine of a fleet
    isService: Callable[[], bool] = isInstalled
    startsAtBoot: Callable[[], bool | None] = startsAtBoot
    isOnTrial: Callable[[], bool] = isOnTrial
    mayService: Callable[[str, str], bool] = mayService
    mayFleetService: Callable[[str, str], bool] = mayFleetService
    explainNotRunnable: Callable[[str], str] = explainNotRunnable
    explainNotWritable: Callable[[str], str] = explainNotWritable
    findHookFlaw: Callable[[Sequence[str]], Flaw | None] = findHookFlaw
    findCodeFlaw: Callable[[], Flaw | None] = findCodeFlaw
