"""
One truth for many nodes.
"""
