"""A server of S3's API on this machine: prints its port, and serves until its standard input ends.

`python tests/clients/s3_server.py [PORT]`. It is empty at the start, and asks nobody for a key.
"""

import sys

from moto.server import ThreadedMotoServer

server = ThreadedMotoServer(
    ip_address="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 0, verbose=False
)
server.start()
sys.stdout.write(f"{server.get_host_and_port()[1]}\n")
sys.stdout.flush()
sys.stdin.read()
server.stop()
