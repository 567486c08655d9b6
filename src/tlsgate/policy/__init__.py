"""
Pure decisions on heads.
"""
