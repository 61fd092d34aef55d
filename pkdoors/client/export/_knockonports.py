"""
The file that the Android app Knock on Ports imports: JSON, version 1. Pure.

The app's C{SequencesDataV1} has more fields, and takes its defaults for those that are missing.
"""

import json
from base64 import b64encode

from pkdoors.client.export.subject import Subject, refuseSealed
from pkdoors.knocks.knock import makePlainKnock
from pkdoors.model.knockports import KnockPort, TcpPort, numberOf

VERSION = 1
DELAY = 0.05
"""Seconds between two knocks, so that on a mobile network they seldom overtake each other."""


def renderKnockOnPorts(subject: Subject) -> str:
    """Return the text of the file."""
    refuseSealed(subject, "Knock on Ports", "termux")
    content = b64encode(makePlainKnock(subject.seconds)).decode("ascii")
    sequence = {
        "name": subject.name,
        "host": subject.address,
        "delay": round(1000 * subject.intervalOr(DELAY)),
        "steps": [_describeStep(port, content) for port in subject.ports],
    }
    return json.dumps({"version": VERSION, "sequences": [sequence]}, indent=2) + "\n"


def _describeStep(port: KnockPort, content: str) -> dict[str, str | int]:
    if isinstance(port, TcpPort):
        return {"type": "tcp", "port": port.number}
    return {"type": "udp", "port": numberOf(port), "content": content, "encoding": "base64"}
