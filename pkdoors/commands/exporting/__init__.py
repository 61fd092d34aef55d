"""
Commands that move a profile to another client: L{pkdoors.commands.exporting.export} and
L{pkdoors.commands.exporting.importing}. L{pkdoors.commands.exporting.output} also serves
C{pkdoors init}.
"""
