"""Data in, a trained run out.

Knows nothing of ONNX, bundles or serving.
"""
