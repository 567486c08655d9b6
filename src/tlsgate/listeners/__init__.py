"""
Accept connections on bindings.
"""
