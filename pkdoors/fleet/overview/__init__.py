"""
What people see of a fleet: L{survey} asks the engine, and the others make words and tables of it.
"""
