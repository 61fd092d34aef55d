"""The openings of doors, from the request to the end: what is wanted, granted, used, and shown."""
