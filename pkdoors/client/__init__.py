"""C{pkdoors knock} and C{pkdoors connect}: what people have on their own machines."""
