"""
What the operator wants: L{config} holds it, L{options} and L{file} read it, L{template} writes it.
"""
