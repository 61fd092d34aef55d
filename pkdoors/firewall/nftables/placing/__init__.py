"""
Puts guards in place: L{placer} knows what is there, L{guardchange} replaces it in steps, and
L{mending} puts right what somebody else has changed.
"""
