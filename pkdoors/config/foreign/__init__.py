"""Configurations of other programs, as far as doors can be made of them."""
