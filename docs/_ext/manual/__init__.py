"""What builds the manual."""
