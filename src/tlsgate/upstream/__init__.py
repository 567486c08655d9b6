"""
The origin: connections lent, pooled and watched.
"""
