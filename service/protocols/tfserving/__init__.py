"""TensorFlow Serving's REST and gRPC; knows the gateway, and no other protocol."""
