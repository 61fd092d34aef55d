"""
The judges of C{pkdoors check}: each takes the L{Facts<pkdoors.doctor.facts.Facts>} and yields
L{findings<pkdoors.doctor.findings>}, in the words of the pure modules above.
"""
