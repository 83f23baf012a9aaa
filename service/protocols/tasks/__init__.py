"""The typed task API: classify, generate, translate, score and predict over REST and gRPC."""
