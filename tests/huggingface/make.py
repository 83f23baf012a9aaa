"""Make small random Hugging Face models, export them with Optimum, and record what the models themselves generate.

Knows transformers and Optimum, runs in an environment of its own (`requirements.txt` beside it), and knows nothing of
the gateway. Each directory that it writes is one as `optimum-cli export onnx` leaves it, with `expected.json` added:
greedy answers of the model in PyTorch to prompts of different lengths, asked alone and, again, as one padded batch.

    python tests/huggingface/make.py                    # writes gpt2, llama, marian and t5 beside this file
    python tests/huggingface/make.py --to DIRECTORY     # writes them elsewhere
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optimum.version
import tokenizers
import torch
import transformers
from optimum.exporters.onnx import main_export
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

HERE = Path(__file__).parent
SPECIAL = ("<pad>", "</s>", "<s>", "<unk>")
PAD, END, START, UNKNOWN = range(len(SPECIAL))
NEW_TOKENS = 24
POSITIONS = 64
CLEAR = 1e-4
"""The best token's logit must be this far above the next one's, or another order of additions may choose the other."""
TEXTS = (
    "the river",
    "a boat",
    "every morning the old ferryman rows from one bank to the other",
    "water",
    "rain falls on the hills, and the river carries it past the mill to the sea",
    "who counts the boats?",
    "the sea does not ask where the water comes from",
    "in winter the bank is white and the boat stays under a cover of snow until the ice is gone",
)


@dataclass(frozen=True)
class Kind:
    """One model: its class and configuration, its tokenizer, and how it is exported."""

    model: type[transformers.PreTrainedModel]
    settings: transformers.PretrainedConfig
    tokenizer: Callable[[], Tokenizer]
    seed: int
    left_out: tuple[str, ...] = ()
    generation: tuple[tuple[str, Any], ...] = ()
    merged: bool = True


def byte_pairs() -> Tokenizer:
    """Return a tokenizer as GPT-2's: pairs of bytes, nothing added to a text."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=160, special_tokens=list(SPECIAL)))
    return made


def pieces_with_start() -> Tokenizer:
    """Return a tokenizer as Llama's: spaces are part of the pieces, and a text begins with <s>."""
    made = Tokenizer(models.BPE(unk_token=SPECIAL[UNKNOWN]))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Metaspace()
    made.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=160, special_tokens=list(SPECIAL)))
    made.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", START)])
    return made


def pieces_with_end() -> Tokenizer:
    """Return a tokenizer as T5's: spaces are part of the pieces, and a text ends with </s>."""
    made = pieces_with_start()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", END)])
    return made


IDS = {"pad_token_id": PAD, "eos_token_id": END, "bos_token_id": START, "vocab_size": 168}
KINDS = {
    "gpt2": Kind(
        transformers.GPT2LMHeadModel,
        transformers.GPT2Config(
            n_embd=16, n_layer=2, n_head=4, n_positions=POSITIONS, initializer_range=0.4, **IDS
        ),
        byte_pairs,
        seed=11,
    ),
    "llama": Kind(
        transformers.LlamaForCausalLM,
        transformers.LlamaConfig(
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=POSITIONS,
            initializer_range=0.4,
            **IDS,
        ),
        pieces_with_start,
        seed=6,
        generation=(("eos_token_id", [END, 56, 83]),),
    ),
    "marian": Kind(
        transformers.MarianMTModel,
        transformers.MarianConfig(
            d_model=16,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            max_position_embeddings=POSITIONS,
            decoder_start_token_id=PAD,
            decoder_vocab_size=IDS["vocab_size"],
            forced_eos_token_id=None,
            tie_word_embeddings=False,
            init_std=0.2,
            **IDS,
        ),
        pieces_with_end,
        seed=14,
        left_out=("decoder_model.onnx", "decoder_with_past_model.onnx"),
        generation=(("bad_words_ids", [[PAD]]), ("max_length", POSITIONS), ("eos_token_id", [END, 119])),
    ),
    "t5": Kind(
        transformers.T5ForConditionalGeneration,
        transformers.T5Config(
            d_model=16,
            d_kv=4,
            d_ff=32,
            num_layers=2,
            num_heads=4,
            decoder_start_token_id=PAD,
            initializer_factor=4.0,
            tie_word_embeddings=False,
            **IDS,
        ),
        pieces_with_end,
        seed=2,
        merged=False,
    ),
}


def main() -> None:
    """Write every model."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--to", type=Path, default=HERE)
    target = parser.parse_args().to
    for name, kind in KINDS.items():
        with tempfile.TemporaryDirectory() as work:
            model, tokenizer = make(kind, Path(work))
            shutil.rmtree(target / name, ignore_errors=True)
            export(kind, Path(work), target / name)
        answers = [answer(model, tokenizer, [text])[0] for text in TEXTS]
        assert answer(model, tokenizer, list(TEXTS)) == answers, f"{name} answers differently in a batch"
        write(target / name / "expected.json", answers)


def make(kind: Kind, work: Path) -> tuple[Any, Any]:
    """Save a random model with its tokenizer, and return both as transformers loads them."""
    torch.manual_seed(kind.seed)
    model = kind.model(kind.settings).eval()
    for name, value in kind.generation:
        setattr(model.generation_config, name, value)
    model.save_pretrained(work)
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=kind.tokenizer(),
        pad_token=SPECIAL[PAD],
        eos_token=SPECIAL[END],
        bos_token=SPECIAL[START],
        unk_token=SPECIAL[UNKNOWN],
        padding_side="right" if model.config.is_encoder_decoder else "left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.save_pretrained(work)
    return kind.model.from_pretrained(work).eval(), tokenizer


def export(kind: Kind, work: Path, target: Path) -> None:
    """Export with Optimum; of several forms of one decoder keep one."""
    paired = kind.settings.is_encoder_decoder
    main_export(
        str(work),
        target,
        task="text2text-generation-with-past" if paired else "text-generation-with-past",
        no_post_process=not kind.merged,
    )
    for file in kind.left_out:
        (target / file).unlink()


def answer(model: Any, tokenizer: Any, texts: list[str]) -> list[dict[str, Any]]:
    """Return the greedy answers of one padded batch, each up to its end token."""
    batch = tokenizer(texts, return_tensors="pt", padding=True, return_token_type_ids=False)
    with torch.no_grad():
        made = model.generate(
            **batch,
            do_sample=False,
            num_beams=1,
            max_new_tokens=NEW_TOKENS,
            return_dict_in_generate=True,
            output_scores=True,
        )
    began = 1 if model.config.is_encoder_decoder else batch["input_ids"].shape[1]
    ends = model.generation_config.eos_token_id
    ends = set(ends if isinstance(ends, list) else [ends])
    answers = []
    for row, text in enumerate(texts):
        tokens = made.sequences[row, began:].tolist()
        last = next((place for place, token in enumerate(tokens) if token in ends), len(tokens) - 1)
        for score in made.scores[: last + 1]:
            best, second = score[row].topk(2).values.tolist()
            assert best - second > CLEAR, f"too close to call: {best} and {second}; choose another seed"
        tokens = tokens[: last + 1]
        stopped = tokens[-1] in ends
        answers.append(
            {
                "text": text,
                "ids": batch["input_ids"][row][batch["attention_mask"][row] == 1].tolist(),
                "tokens": tokens,
                "answer": tokenizer.decode(tokens[: len(tokens) - stopped], skip_special_tokens=True),
                "finish_reason": "stop" if stopped else "length",
            }
        )
    return answers


def write(path: Path, answers: list[dict[str, Any]]) -> None:
    """Write the answers, with the versions that made them."""
    versions = {
        "torch": torch.__version__.partition("+")[0],
        "transformers": transformers.__version__,
        "optimum": optimum.version.__version__,
        "tokenizers": tokenizers.__version__,
    }
    made = {"versions": versions, "max_tokens": NEW_TOKENS, "answers": answers}
    path.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
