"""Exit 0 if the gateway of this container is ready for requests: the images' health check.

Knows one address of the operations port. Knows no package but the standard library's smallest, so that asking every few
seconds costs next to nothing.
"""

import os
import socket
import sys

TIMEOUT_S = 2.0


def ready(port: int) -> bool:
    """Say whether `/readyz` on this machine answers 200; a gateway that drains or still loads does not."""
    try:
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as connection:
            connection.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
            return connection.recv(64).split(b" ")[1:2] == [b"200"]
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(0 if ready(int(os.environ.get("SLUICE_OPERATIONS__PORT", "8002"))) else 1)
