"""Openings and their deadlines: L{doorkeeper} owns both."""
