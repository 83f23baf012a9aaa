"""The wires: each protocol turns bytes into the shared nouns, asks the gateway, and turns the answer into bytes.

Protocols meet in the gateway and never each other; what all of HTTP or all of gRPC shares lies in this room.
"""
