"""A run in, a bundle out.

Knows the gateway only by its bundle format.
"""
