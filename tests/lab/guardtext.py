"""A guard as commands of nft, for tests and benchmarks that have no daemon."""

from ipaddress import ip_address

from pkdoors.firewall.guard.guard import TABLE, Guard
from pkdoors.firewall.guard.sets import INTERVALS
from pkdoors.firewall.netlink.messages import Element


def writeGuard(guard: Guard, table: str = TABLE) -> str:
    """Return the commands that make a guard's table, with all of its ports."""
    lines = [f"add table inet {table}", guard.layout.commands(table)]
    for name, elements in guard.layout.elements.items():
        texts = [_spell(name, element) for element in elements.values()]
        if texts:
            lines.append(f"add element inet {table} {name} {{ {', '.join(texts)} }}")
    return "\n".join(lines) + "\n"


def _spell(name: str, element: Element) -> str:
    key = element.key
    if name in INTERVALS:
        text = f"{int.from_bytes(key[:2])}-{int.from_bytes(key[2:])}"
    elif len(key) == 2:
        text = f"{int.from_bytes(key)}"
    elif "trustedif" in name:
        text = f'"{_text(key[:-4])}" . {int.from_bytes(key[-4:-2])}'
    elif len(key) == 16:
        text = f'"{_text(key)}"'
    else:
        text = f"{ip_address(key[:-4])} . {int.from_bytes(key[-4:-2])}"
    return f"{text} : jump {element.chain}" if element.chain else text


def _text(key: bytes) -> str:
    return key.rstrip(b"\0").decode()
