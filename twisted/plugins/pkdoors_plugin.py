"""The twistd plugin. It imports nothing of pkdoors, so that it cannot break anybody's twistd."""

from twisted.application.service import ServiceMaker

pkdoors = ServiceMaker(
    "pkdoors", "pkdoors.tap", "Open ports for those who knock the right way.", "pkdoors"
)
