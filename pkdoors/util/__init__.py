"""Small tools that know nothing of doors: rates, durations, quoting, output, waiting."""
