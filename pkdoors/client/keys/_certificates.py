"""The certificates of the user's keys, and which of them are worth sending. Pure."""

from base64 import b64decode

from pkdoors.errors import BadValue
from pkdoors.knocks.certificates import Certificate, isCertificate, parseCertificate
from pkdoors.knocks.seal import LONGEST_STATEMENT, MAX_CERTIFIED, packCertificate
from pkdoors.knocks.wire import checkPublicBlob, longestSignature

ENDING = "-cert.pub"
"""The end of the name of a certificate's file, beside the file of its key."""


def parseCertificateFile(data: bytes) -> Certificate | None:
    """
    Read a file in the format C{TYPE BASE64 COMMENT}.

    @return: L{None} if it does not hold a certificate.
    @raise BadValue: it is a damaged certificate.
    """
    try:
        blob = b64decode(data.split(maxsplit=2)[1], validate=True)
    except (IndexError, ValueError):
        return None
    return parseCertificate(blob) if isCertificate(blob) else None


def checkCertificate(certificate: Certificate, now: float) -> None:
    """
    Check that a daemon can accept a certificate, and that it fits into a knock.

    @param now: seconds since 1970.
    @raise BadValue: no daemon can.
    """
    name = f"the certificate of {certificate}"
    if flaw := certificate.findFlaw(now):
        raise BadValue(f"{name} {flaw}")
    try:
        checkPublicBlob(certificate.key)
    except BadValue as error:
        raise BadValue(f"{name} is for a key that cannot knock: {error}") from error
    size = (
        LONGEST_STATEMENT
        + len(packCertificate(certificate.blob))
        + longestSignature(certificate.key)
    )
    if size > MAX_CERTIFIED:
        raise BadValue(
            f"{name} does not fit into one datagram ({size} bytes with its seal, {MAX_CERTIFIED} "
            "are allowed): use ed25519 for the key and for its authority, or fewer principals and "
            "extensions"
        )
