"""Which hosts C{pkdoors knock} and C{pkdoors connect} knock on."""
