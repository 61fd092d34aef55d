"""What the operator has to see and steer the running daemon."""
