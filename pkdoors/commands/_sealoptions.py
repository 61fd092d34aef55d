"""The options for sealed knocks."""

import time
from argparse import Namespace
from collections.abc import Mapping

from pkdoors.client.core.binding import AUTO, parseBind, parseRecipient
from pkdoors.client.core.methods import SealedMethod
from pkdoors.client.network import findLocalAddress
from pkdoors.client.profiles import DEFAULT_DOOR, FROM_AGENT, USUAL, Profile
from pkdoors.commands.parser import Parser, asType, completeWith
from pkdoors.model.names import checkName
from pkdoors.model.sequence import Sequence


def addSealOptions(command: Parser) -> None:
    """Add the options of all commands that knock."""
    add = command.add_argument
    identity = add(
        "-i",
        "--identity",
        metavar="FILE",
        help="seal the knock with this SSH key: a private key, a certificate, or a public key "
        f"whose private half the SSH agent holds; '{FROM_AGENT}' for every key of the agent; "
        f"'{USUAL}' for these or, if there are none, ssh's usual files in ~/.ssh",
    )
    completeWith(identity, "listFiles")
    add(
        "--door",
        metavar="NAME",
        type=asType(checkName),
        help=f"sealed: the door of the host (default: {DEFAULT_DOOR})",
    )
    add(
        "--bind",
        metavar="ADDRESS",
        type=asType(parseBind),
        help="sealed: the address that the host will see, the only one that can use the knock; "
        "'stun:HOST' to ask a STUN server for it, from behind NAT; 'none' for any address; "
        f"'{AUTO}', the default, for the local address if it is global",
    )
    command.set_defaults(close=False, recipient=None)


def addKnockSealOptions(command: Parser) -> None:
    """Add the options that only C{knock} has."""
    command.add_argument(
        "--close", action="store_true", help="sealed: close what your key opened for this address"
    )
    command.add_argument(
        "--for",
        dest="recipient",
        metavar="ADDRESS",
        type=asType(parseRecipient),
        help="sealed: open (or close) for this address instead of this host's; the host must list "
        "your key with for-others",
    )


def chooseIdentity(options: Namespace, profile: Profile) -> str | None:
    """Return the key that seals; L{None} for a plain knock."""
    given: str | None = options.identity
    return given or ((profile.identity or USUAL) if profile.isSealed else None)


def checkPlain(options: Namespace, profile: Profile) -> None:
    """Refuse options that need a sealed knock."""
    asked = {
        "--close": options.close,
        "--bind": options.bind,
        "--for": options.recipient,
        "--door": options.door,
        f"door, in the profile of {options.host}": profile.door,
        f"bind, in the profile of {options.host}": profile.bind,
    }
    for name, value in asked.items():
        if value:
            options.parser.error(
                f"{name} needs a sealed knock: use --identity FILE, "
                "or set sealed = true in the host's profile"
            )


def makeSealedMethod(
    options: Namespace,
    environment: Mapping[str, str],
    profile: Profile,
    sequence: Sequence,
    identity: str,
) -> SealedMethod:
    """Return the sealed knock that the options ask for."""
    from pkdoors.client.keys.passphrase import askPassphrase
    from pkdoors.client.keys.signers import Identity

    if sequence.tcpPorts():
        options.parser.error(
            "the sequence has a TCP port, but a sealed knock is a datagram: use UDP ports only"
        )
    if options.close and options.open_for:
        options.parser.error("use --close or --open-for, not both")
    if options.recipient and options.bind:
        options.parser.error("use --for or --bind, not both: a knock has room for one address")
    return SealedMethod(
        sequence=sequence,
        door=options.door or profile.door or DEFAULT_DOOR,
        seconds=options.open_for or profile.openFor or 0,
        close=options.close,
        bind=options.bind or profile.bind or AUTO,
        identity=Identity(identity, environment.get("SSH_AUTH_SOCK", ""), askPassphrase),
        timeOfDay=time.time,
        findLocalAddress=findLocalAddress,
        recipient=options.recipient or "",
    )
