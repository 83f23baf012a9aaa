"""Start the gateway and wire everything: the only room where objects are made and passed in.

Knows nothing of what they do.
"""

from service.app.running import run

__all__ = ["run"]
