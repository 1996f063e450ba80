"""Makes tests/golden/tokenizer_files: tokenizers of folders without tokenizer.json, and what transformers makes of them.

python tokenizer_files.py TOKENIZERS [OUT]
Needs transformers 4.57, tokenizers 0.22, sentencepiece 0.2, protobuf. TOKENIZERS: the folder golden/tokenizers of the given
data; its folders lend vocab.txt, vocab.json and merges.txt, settings and texts. Sentencepiece models are trained here,
on the same texts.

cases.json has the form of golden/tokenizers; tokenizers without a fast class have no tokens and offsets.
"""

import json
import pathlib
import shutil
import sys
import tempfile
from typing import Any

import sentencepiece
from transformers import AutoTokenizer, MarianTokenizer, SiglipTokenizer

SOURCE = pathlib.Path(sys.argv[1])
OUT = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parents[1] / "golden" / "tokenizer_files")
DECODE = [(skip, clean) for skip in (False, True) for clean in (False, True)]
EXTRA = ["  two  spaces \n and\tmore ", "``quoted'' text", "naïve café", "a, 1, 20, x9,", "<s> in </s> the text<pad>", "[CLS]x[SEP] [MASK].", "\u00adﬁne ½ ＡＢ", "ends  "]

# A few rules of nmt_nfkc, whose own table takes 240 kB: tab and newline, no-break space, soft hyphen, fi, 1/2, fullwidth A and B.
RULES = "9\t20\nA\t20\nD\t20\nA0\t20\nAD\t\nFB01\t66 69\nBD\t31 2044 32\nFF21\t41\nFF22\t42\n65 301\tE9\n"


def texts_of(folder: str) -> list[str]:
    cases = json.loads((SOURCE / folder / "cases.json").read_text())["cases"]
    return [case["text"] for case in cases if len(case["text"]) < 120][:70] + EXTRA


def case(tokenizer: Any, text: str, pair: str | None = None) -> dict:
    fast = tokenizer.is_fast
    got = tokenizer(text, pair, return_offsets_mapping=fast)
    result: dict[str, Any] = {"text": text, "ids": got["input_ids"]}
    if fast:
        result |= {"tokens": got.tokens(), "offsets": got["offset_mapping"]}
    if pair is not None:
        return result | {"text_pair": pair}
    decoded = {f"skip={skip:d},clean={clean:d}": tokenizer.decode(got["input_ids"], skip_special_tokens=skip, clean_up_tokenization_spaces=clean) for skip, clean in DECODE}
    result["decode"] = decoded if len(set(decoded.values())) > 1 else next(iter(decoded.values()))
    return result


def record(name: str, folder: pathlib.Path, texts: list[str], cls: Any = AutoTokenizer) -> None:
    tokenizer = cls.from_pretrained(folder)
    pairs = [] if name in ("marian", "siglip") else [case(tokenizer, texts[i], texts[i + 1]) for i in (20, 30)]
    cases = {"class": type(tokenizer).__name__, "size": len(tokenizer), "cases": [case(tokenizer, t) for t in texts], "pairs": pairs}
    target = OUT / name
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(folder, target)
    (target / "cases.json").write_text(json.dumps(cases, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(name, cases["class"], cases["size"], len(texts))


def borrowed(name: str, files: list[str], drop_config: bool = False) -> None:
    """A folder of the given data without its tokenizer.json."""
    with tempfile.TemporaryDirectory() as temp:
        folder = pathlib.Path(temp)
        for file in files + ([] if drop_config else ["tokenizer_config.json", "special_tokens_map.json"]):
            shutil.copy(SOURCE / name / file, folder / file)
        if drop_config:
            model_type = {"bert-uncased": "bert", "roberta": "roberta"}[name]
            (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
        record(name + ("-bare" if drop_config else ""), folder, texts_of(name))


def trained(name: str, file: str, config: dict, cls: Any = AutoTokenizer, extra: list[tuple[str, str]] = (), **options: Any) -> None:
    corpus = [line for folder in ("t5", "llama", "bert-uncased") for line in texts_of(folder) if line.strip() and "\0" not in line]
    corpus += ["the quick brown fox jumps over the lazy dog", "a photo of two cats on a red chair", "one, two, three and 4 or 5."] * 4
    with tempfile.TemporaryDirectory() as temp:
        folder = pathlib.Path(temp) / "model"
        folder.mkdir()
        options = {"vocab_size": 400, "hard_vocab_limit": False, "character_coverage": 0.98, "minloglevel": 2} | options
        if "normalization_rule_name" not in options:
            (pathlib.Path(temp) / "rules.tsv").write_text(RULES)
            options["normalization_rule_tsv"] = temp + "/rules.tsv"
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(corpus), model_prefix=temp + "/m", **options)
        shutil.move(temp + "/m.model", folder / file)
        for target, kind in extra:
            if kind == "copy":
                shutil.copy(folder / file, folder / target)
            else:
                model = sentencepiece.SentencePieceProcessor(model_file=str(folder / file))
                pieces = [model.id_to_piece(i) for i in range(3, model.get_piece_size())]
                order = ["</s>", "<unk>", *reversed(pieces), "<pad>"]
                (folder / target).write_text(json.dumps({piece: i for i, piece in enumerate(order)}, ensure_ascii=False))
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        record(name, folder, texts_of("t5"), cls)


GPT2_FILES = ["vocab.json", "merges.txt"]
for folder in ("bert-uncased", "bert-cased", "bert-added", "distilbert"):
    if (SOURCE / folder / "vocab.txt").exists():
        borrowed(folder, ["vocab.txt"])
borrowed("bert-uncased", ["vocab.txt"], drop_config=True)
for folder in ("gpt2", "gpt2-added", "roberta", "bart", "clip", "qwen2", "whisper", "deberta", "codegen"):
    borrowed(folder, GPT2_FILES)
borrowed("roberta", GPT2_FILES, drop_config=True)

T5_IDS = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
trained("t5", "spiece.model", {"tokenizer_class": "T5Tokenizer", "extra_ids": 10}, normalization_rule_name="nmt_nfkc", **T5_IDS)
trained("t5-new", "spiece.model", {"tokenizer_class": "T5Tokenizer", "legacy": False}, **T5_IDS)
ALBERT = {"pad_id": 0, "unk_id": 1, "bos_id": -1, "eos_id": -1, "control_symbols": ["[CLS]", "[SEP]", "[MASK]"], "user_defined_symbols": ["(", ")", "-"]}
trained("albert", "spiece.model", {"tokenizer_class": "AlbertTokenizer"}, **ALBERT)
trained("albert-cased", "spiece.model", {"tokenizer_class": "AlbertTokenizer", "do_lower_case": False, "keep_accents": True}, **ALBERT)
FAIRSEQ = {"unk_id": 0, "bos_id": 1, "eos_id": 2}
trained("xlm-roberta", "sentencepiece.bpe.model", {"tokenizer_class": "XLMRobertaTokenizer"}, **FAIRSEQ)
trained("camembert", "sentencepiece.bpe.model", {"tokenizer_class": "CamembertTokenizer"}, **FAIRSEQ)
LLAMA = {"model_type": "bpe", "byte_fallback": True, "unk_id": 0, "bos_id": 1, "eos_id": 2, "vocab_size": 600,
         "normalization_rule_name": "identity", "remove_extra_whitespaces": False, "split_digits": True, "allow_whitespace_only_pieces": True}
trained("llama", "tokenizer.model", {"tokenizer_class": "LlamaTokenizer"}, **LLAMA)
trained("llama-new", "tokenizer.model", {"tokenizer_class": "LlamaTokenizer", "legacy": False, "add_eos_token": True}, **LLAMA)
GEMMA = LLAMA | {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3, "bos_piece": "<bos>", "eos_piece": "<eos>", "add_dummy_prefix": False,
                 "user_defined_symbols": ["<start_of_turn>", "<end_of_turn>", "<mask>"]}
trained("gemma", "tokenizer.model", {"tokenizer_class": "GemmaTokenizer"}, **GEMMA)
DEBERTA = {"pad_id": 0, "unk_id": 3, "bos_id": 1, "eos_id": 2, "pad_piece": "[PAD]", "bos_piece": "[CLS]", "eos_piece": "[SEP]", "unk_piece": "[UNK]"}
trained("deberta-v2", "spm.model", {"tokenizer_class": "DebertaV2Tokenizer", "split_by_punct": True}, **DEBERTA)
trained("pegasus", "spiece.model", {"tokenizer_class": "PegasusTokenizer", "offset": 5}, pad_id=0, eos_id=1, unk_id=2, bos_id=-1)
trained("xlnet", "spiece.model", {"tokenizer_class": "XLNetTokenizer"}, unk_id=0, bos_id=1, eos_id=2, control_symbols=["<cls>", "<sep>", "<pad>", "<mask>", "<eod>"], user_defined_symbols=["<eop>"])
trained("marian", "source.spm", {"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "de"}, MarianTokenizer,
        extra=[("target.spm", "copy"), ("vocab.json", "vocab")], unk_id=2, bos_id=0, eos_id=1)
trained("siglip", "spiece.model", {"tokenizer_class": "SiglipTokenizer"}, SiglipTokenizer, **T5_IDS)
