"""
What is in place, and how something else comes there: L{currentguard} is what should be there,
L{placer} and L{openingplacer} know what is there, L{changing} puts the guard of other doors there,
and L{healing} puts back what somebody else has changed or removed.
"""
