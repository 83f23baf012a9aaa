"""Text from text: a language model that continues a prompt letter by letter."""
