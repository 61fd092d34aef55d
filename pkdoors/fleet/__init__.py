"""
The fleet: what travels between the hosts that judge each other's relayed seals. L{engine} is the
seam to the engine, L{redis} an engine on Redis or Valkey, and L{streams} has the names in it.
L{presence} is what a host reports about itself, C{overview} shows all of them, and C{relay} is the
process that carries everything; L{tap} starts it.
"""
