"""What C{pkdoors check} and C{pkdoors fleet doctor} find about a fleet."""
