"""English to French: a grammar that makes sentence pairs, and the Transformer that learns them."""
