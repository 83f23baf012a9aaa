"""What tests share: fakes of the engine's seams, and tiny real bundles."""
