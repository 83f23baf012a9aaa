"""Jobs whose answers are tensors: codes, pictures, similarities, numbers of a series.

Knows the pictures that `classify` reads, and no other word.
"""
