"""What the client costs, and what it adds to ssh."""
