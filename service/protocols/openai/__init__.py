"""The OpenAI-compatible wire over REST: completions, chat by a plain template, embeddings."""
