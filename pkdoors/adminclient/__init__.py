"""Asks a running daemon (L{client}), and shows what it answers."""
