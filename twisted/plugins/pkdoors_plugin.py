"""The twistd plugin. It imports nothing of pkdoors, so that it cannot break anybody's twistd."""

from twisted.application.service import ServiceMaker

pkdoors = ServiceMaker(
    "pkdoors", "pkdoors.tap", "Open ports to clients that knock in the right order.", "pkdoors"
)
