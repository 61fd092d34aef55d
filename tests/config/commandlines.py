"""Command lines for tests of L{pkdoors.config.options}."""

from pkdoors.config.config import Config
from pkdoors.config.options import Options

SEQ = "17001,17203,17005,17404,17002"
GOOD = ["-m", SEQ, "-p", "22"]
NOWHERE = "/nowhere/pkdoors.toml"
"""In place of the real default, which whoever runs the tests may have."""


def read(*arguments: str, **environment: str) -> Config:
    """Return the configuration that a command line gives."""
    return readBeside(NOWHERE, *arguments, **environment)


def readBeside(defaultConf: str, *arguments: str, **environment: str) -> Config:
    """
    Return the configuration that a command line gives if there is a file at the default place.
    """
    options = Options(environment, [defaultConf])
    options.parseOptions(list(arguments))
    return options.config
