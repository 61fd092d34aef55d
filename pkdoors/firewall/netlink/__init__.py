"""Messages to and from the kernel's nftables: L{messages} change it, L{dump} reads it."""
