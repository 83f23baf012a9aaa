"""The Open Inference Protocol (KServe v2), REST and gRPC, with the extensions that Triton's clients use."""
