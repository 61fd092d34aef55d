"""Small tools that know nothing of doors: rates, durations, quoting, waiting for a turn."""
