"""Recognizes configurations of other programs that were given in place of ours. Pure."""

import re

# Blanks, not \s, which goes over the ends of lines, and so takes very long for many empty ones.
_SECTION = re.compile(r"^[ \t]*\[", re.M)
_KNOCKD = re.compile(
    r"^[ \t]*(sequence[ \t]*=[ \t]*\d+(:\w+)?[ \t]*,|(start_)?command[ \t]*=[ \t]*[/\w])",
    re.M | re.I,
)
_FWKNOP = re.compile(r"^[ \t]*(SOURCE|KEY_BASE64|OPEN_PORTS|PCAP_INTF)[ \t]+[^\s=]", re.M)


def suggestReader(text: str) -> tuple[str, str]:
    """
    Return the program whose configuration a text seems to be, and the option of C{pkdoors init}
    that reads it; both empty if it seems to be none.
    """
    if _FWKNOP.search(text):
        return "fwknop", "--fwknop"
    if _SECTION.search(text) and _KNOCKD.search(text):
        return "knockd", "--knockd"
    return "", ""
