"""
Certificates in every form people have them in, inspected before they serve.
"""
