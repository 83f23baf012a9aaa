"""Text as subword ids and back: byte-pair encoding by Hugging Face `tokenizers`.

Knows nothing of languages. Metaspace keeps the spaces, so that decoding gives the text back exactly.
"""

from __future__ import annotations

from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PAD, UNKNOWN, START, END = range(4)
SPECIAL = ("[PAD]", "[UNK]", "[BOS]", "[EOS]")


def learn(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Return a tokenizer of at most `vocabulary` entries; ids 0 to 3 are PAD, UNK, BOS and EOS."""
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
    tokenizer.normalizer = normalizers.NFC()
    # What is elided and what ends a sentence are pieces of their own, or "l'" and "." would be learned
    # again with every noun.
    pieces = (Regex(r"^▁?\p{L}{1,2}'"), Regex(r"(?<=\p{L}{3})'s?$|[.,;:!?]"))
    splits = [pre_tokenizers.Split(piece, "isolated") for piece in pieces]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), *splits])
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def source_ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Return the encoder's input: the text's ids, then END."""
    return [[*encoding.ids, END] for encoding in tokenizer.encode_batch(texts)]


def target_ids(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    """Return START, the text's ids, END: without its last the decoder's input, without its first the labels."""
    return [[START, *encoding.ids, END] for encoding in tokenizer.encode_batch(texts)]
