"""
Terminate TLS: choose a certificate for the name that the client asked for.
"""
