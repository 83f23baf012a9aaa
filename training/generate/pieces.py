"""Questions and replies as token ids: byte-pair pieces of words, by Hugging Face `tokenizers`.

Knows the plain text of a conversation (`small_talk.transcript`); knows nothing of models. What a question's meaning
does not hang on is taken away before it is cut into pieces: capitals, punctuation, system messages, and the frame of a
conversation of one question. A reply keeps everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

PAD, UNKNOWN, START, END = range(4)
SPECIAL = ("[PAD]", "[UNK]", "[BOS]", "[EOS]")
_USER, _ASSISTANT = "\ue000", "\ue001"  # private characters: no text has them once they are removed
_NEXT = r"(?=\n(?:developer|system|user|assistant):\n|\z)"


def learn_questions(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Return a tokenizer for questions and conversations, of at most `vocabulary` entries."""
    steps = (
        (rf"[{_USER}{_ASSISTANT}]", ""),
        (r"\n?assistant:\n?\z", ""),
        (rf"(?:\A|\n)(?:developer|system):\n(?:.|\n)*?{_NEXT}", ""),
        (r"(?:\A|\n)user:\n", _USER),
        (r"(?:\A|\n)assistant:\n", _ASSISTANT),
        (rf"\A\s*{_USER}", ""),
        (rf"[^\p{{L}}\p{{M}}\p{{N}}'{_USER}{_ASSISTANT}]+", " "),
    )
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
    replaced = [normalizers.Replace(Regex(old), new) for old, new in steps]
    turns = [normalizers.Replace(turn, f" {turn} ") for turn in (_USER, _ASSISTANT)]
    spaces = normalizers.Replace(Regex(" +"), " ")
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Lowercase(), *replaced, *turns, spaces, normalizers.Strip()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return _trained(tokenizer, texts, vocabulary)


def learn_replies(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Return a tokenizer for replies: decoding gives the text back exactly."""
    tokenizer = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
    tokenizer.normalizer = normalizers.NFC()
    mark = pre_tokenizers.Split(Regex(r"[^\p{L}\p{M}\p{N}▁']"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), mark])
    tokenizer.decoder = decoders.Metaspace()
    return _trained(tokenizer, texts, vocabulary)


def _trained(tokenizer: Tokenizer, texts: Iterable[str], vocabulary: int) -> Tokenizer:
    trainer = trainers.BpeTrainer(vocab_size=vocabulary, special_tokens=list(SPECIAL), show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def question_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Return the encoder's input: the text's ids, then END."""
    return [[*encoding.ids, END] for encoding in tokenizer.encode_batch(list(texts))]


def reply_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Return START, the text's ids, END: without its last the decoder's input, without its first the labels."""
    return [[START, *encoding.ids, END] for encoding in tokenizer.encode_batch(list(texts))]
