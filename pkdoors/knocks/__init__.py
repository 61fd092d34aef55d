"""Knocks on the wire, for both ends: L{knock} is for plain ones, L{seal} for sealed ones. Pure."""
