"""
Change what is served, safely: try, prove, keep or take back.
"""
