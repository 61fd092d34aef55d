"""
A fleet for tests and benchmarks: an engine, gateways and inner hosts on one network.

C{lan} joins hosts, C{certificates} and C{engine} are the engine with TLS and users, C{member} is a
host of the fleet, C{fleet} is all of them, and C{case} has what the tests share.
"""
