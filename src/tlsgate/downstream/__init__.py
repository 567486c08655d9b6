"""
One exchange, from a client's request to its logged answer.
"""
