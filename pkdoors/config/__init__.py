"""
What the operator wants: L{config} holds it, L{options} and L{file} read it, L{template} writes it,
and L{settings} lists everything that can be set.
"""
