"""
Move bytes: sockets, TLS on sockets, deadlines.
"""
