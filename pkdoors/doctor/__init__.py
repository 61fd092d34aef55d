"""
C{pkdoors check}: L{facts} reads what is true of this host from L{sources}, and L{check} takes that
to L{judges}, which return L{findings}.
"""
