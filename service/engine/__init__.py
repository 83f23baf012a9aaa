"""Sessions, batches and tokens: the only room that runs a graph.

Knows rows, time and slots. Knows nothing of HTTP, gRPC, texts or images.
"""
