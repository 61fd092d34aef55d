"""C{pkdoors knock} and C{pkdoors connect}, which users run on their own machines."""
