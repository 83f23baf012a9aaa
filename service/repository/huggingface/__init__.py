"""Versions as Hugging Face's exporters leave them: graphs, a tokenizer and configuration files, and no manifest.

Knows their names of files, tensors and settings. Knows nothing of requests.
"""
