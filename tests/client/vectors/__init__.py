"""What both drivers must do alike, and the bytes that a client in any language must make."""
