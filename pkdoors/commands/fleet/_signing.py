"""Signs orders with a key of the user."""

import time
from argparse import Namespace
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from pkdoors.client.core.methods import Signer, Tools
from pkdoors.client.profiles import FROM_AGENT, USUAL
from pkdoors.commands.parser import Parser, completeWith
from pkdoors.errors import KnockError, NoKey
from pkdoors.knocks.order import Order
from pkdoors.util.output import complain


class Signed(NamedTuple):
    """
    An order, sealed.

    @ivar publicKey: the blob of the key that signed it.
    """

    order: Order
    data: bytes
    publicKey: bytes


def addSigningOptions(command: Parser) -> None:
    """Add the options of all commands that sign."""
    identity = command.add_argument(
        "-i",
        "--identity",
        metavar="FILE",
        default=USUAL,
        help="sign with this SSH key of an operator: a private key, or a public key whose private "
        f"half the SSH agent holds; '{FROM_AGENT}' for the agent's keys alone (default: the "
        "agent's keys, or else ssh's usual files in ~/.ssh)",
    )
    completeWith(identity, "listFiles")


def signOrders(
    orders: Iterable[Order],
    options: Namespace,
    environment: Mapping[str, str],
    operators: Collection[bytes] | None,
) -> list[Signed]:
    """
    Sign orders.

    @param operators: the blobs of the keys that can give orders; L{None} if nobody knows them here.
    @raise KnockError: no key signs.
    """
    from pkdoors.client.blocking.running import runWith
    from pkdoors.client.keys.orders import chooseSigner, sealOrder
    from pkdoors.client.keys.passphrase import askPassphrase
    from pkdoors.client.keys.signers import Identity

    def say(line: str) -> None:
        complain(options.parser.prog, line)

    agent = environment.get("SSH_AUTH_SOCK", "")
    identity = Identity(options.identity, agent, askPassphrase)

    async def sign(tools: Tools) -> list[Signed]:
        found: list[Signer] = await identity.findSigners(tools)
        signer = chooseSigner(found, operators)
        signed = []
        for order in orders:
            if signer.needsTouch:
                say("touch the security key")
            signed.append(Signed(order, await sealOrder(order, signer), signer.publicKey))
        return signed

    try:
        return runWith(sign, say)
    except KnockError as error:
        if not agent and "SUDO_UID" in environment:
            raise NoKey(
                f"{error}. sudo keeps your SSH agent and your keys from this command: use --print "
                "without sudo, and pass its output to `sudo pkdoors fleet send -`"
            ) from error
        raise


def stampNow() -> int:
    """Return the time of day as an order has it."""
    return int(time.time() * 1000)
