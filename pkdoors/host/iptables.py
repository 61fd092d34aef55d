"""Asks iptables, the new one or the old one, for its rules. It blocks, and changes nothing."""

import subprocess

TIMEOUT = 5.0
"""Seconds for one answer; 10,000 rules take it 0.1 s."""

PROGRAMS = {"ip": "iptables", "ip6": "ip6tables"}
"""The program for each family of addresses."""


def saveIptables(kind: str) -> list[tuple[str, str]]:
    """
    Return the family, C{"ip"} or C{"ip6"}, and what C{iptables-save} prints for it; nothing for
    what is not installed or fails.

    @param kind: C{"nft"}, or C{"legacy"} for the old one.
    """
    found = []
    for family, program in PROGRAMS.items():
        try:
            done = subprocess.run(
                [f"{program}-{kind}-save"], capture_output=True, timeout=TIMEOUT, check=True
            )
        except (OSError, subprocess.SubprocessError):
            continue
        found.append((family, done.stdout.decode("utf-8", "replace")))
    return found
