"""How a judge is asked."""

from collections.abc import Callable, Iterable

from pkdoors.doctor.facts import Facts
from pkdoors.doctor.findings import Finding, fromFailure
from pkdoors.model.ports import PortRange

Findings = Iterable[Finding]
"""What a judge yields."""


def collectFindings(
    judge: Callable[..., Findings], subject: str, facts: Facts, *ports: PortRange
) -> Findings:
    """Return the findings of a judge, after those about facts that could not be read for it."""
    try:
        findings = list(judge(facts, *ports))
    except Exception as error:
        findings = [fromFailure(subject, error)]
    return [*facts.newFailures(), *findings]
