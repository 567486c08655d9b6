"""
What is wanted, and its history.
"""
