"""What the manual has beside its pages: makes parts of them of pkdoors' tables and parsers."""
