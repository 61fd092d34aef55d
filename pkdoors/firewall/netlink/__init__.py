"""Messages to and from the kernel's nftables."""
