"""
Stand-ins for the outside world. Each obeys the interface of what it stands for, and insists on its
rules, so that a test fails where the real thing would.
"""
