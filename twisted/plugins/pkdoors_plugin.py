"""The twistd plugin. It imports nothing of pkdoors, so that it cannot break anybody's twistd."""

from twisted.application.service import ServiceMaker

pkdoors = ServiceMaker(
    "pkdoors", "pkdoors.tap", "Open ports to clients that knock in the right order.", "pkdoors"
)

pkdoorsFleet = ServiceMaker(
    "pkdoors-fleet",
    "pkdoors.fleet.tap",
    "Carry sealed knocks between this host and the others of its fleet.",
    "pkdoors-fleet",
)
