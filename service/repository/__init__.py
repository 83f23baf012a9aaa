"""Which models and versions are live: look, decide, load, swap, drain.

Knows bundles and the engine. Knows nothing of requests, HTTP or gRPC.
"""
