"""A knock on the wire, for both ends: L{knock} is a plain one, L{seal} a sealed one. Pure."""
