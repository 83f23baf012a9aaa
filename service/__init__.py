"""Bundles in, answers out: the gateway.

Knows nothing of TensorFlow or of how a model was trained.
"""

__version__ = "0.1.0"
