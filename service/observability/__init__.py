"""What the gateway tells about itself: metrics and logs.

Knows nothing of who reads them, and never sees a payload.
"""
