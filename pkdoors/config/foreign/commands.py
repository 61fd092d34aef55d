"""What a command of another program means for a door. Pure."""

from typing import NamedTuple

from pkdoors.config.foreign.rules import CLOSES, NEUTRAL, OPENS, Ports, Rule, mergePorts, readRule
from pkdoors.config.foreign.shell import Words, joinCommands, makeHook, splitCommands

IP = "%IP%"
"""The client's address in a command of knockd. In commands of fwknop it replaces their own name."""


class Meaning(NamedTuple):
    """
    What a command means.

    @ivar opens: whether it lets a client through a firewall.
    @ivar ports: the ports that it opens; empty for all, or none.
    @ivar closes: whether it takes that back.
    @ivar hook: what else it does, as a hook; empty if nothing.
    """

    opens: bool = False
    ports: Ports = ()
    closes: bool = False
    hook: tuple[str, ...] = ()

    def describe(self, key: str) -> str:
        """
        Return what became of the command.

        @param key: the key for its hook.
        """
        done = []
        if self.opens and self.ports:
            done.append(f"opens {', '.join(map(str, self.ports))}, which the door protects")
        elif self.opens:
            done.append("opens every port: the door protects those of sshd, add others to ports")
        if self.closes:
            done.append("not needed: the kernel closes the door at its deadline")
        if self.hook:
            done.append(f"{'the rest of it ' if done else ''}is now the hook {key}")
        return "; ".join(done) or "empty"


def readCommand(text: str) -> Meaning:
    """Return what a command means, with L{IP} in place of the client's address."""
    if not text.strip():
        return Meaning()
    commands = splitCommands(text)
    rules: list[Rule] = []
    others: list[Words] = []
    for words in commands:
        rule = readRule(words)
        if rule is None:
            others.append(words)
        else:
            rules.append(rule)
    kinds = {rule.kind for rule in rules} - {NEUTRAL}
    if not kinds:  # it does nothing that pkdoors does
        return Meaning(hook=makeHook(text, IP))
    hook = makeHook(joinCommands(others), IP) if others else ()
    opening = [rule for rule in rules if rule.kind == OPENS]
    isWhole = any(not rule.ports for rule in opening)
    return Meaning(OPENS in kinds, () if isWhole else mergePorts(opening), CLOSES in kinds, hook)
