"""
One data-plane process per core.
"""
