"""What the gateway tells about itself: metrics, logs and traces.

Knows nothing of who reads them, and never sees a payload.
"""
