"""
The JSON admin API and the web UI.
"""
