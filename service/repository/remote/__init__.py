"""Models that lie in a store behind a URL: list them, fetch what is wanted into a cache, and serve from there.

Knows bundles and files. Knows nothing of what a version does once it is loaded.
"""
