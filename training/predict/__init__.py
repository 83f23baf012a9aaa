"""Jobs whose answers are tensors: codes, pictures, similarities, numbers of a series."""
