"""
What third parties extend; the built-in parts come through the same door.
"""
