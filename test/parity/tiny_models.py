"""Complete sentence-transformers folders (2.x layout) of two-layer random models, small enough to commit."""

import json
import re
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AlbertConfig,
    AutoModel,
    AutoTokenizer,
    BertConfig,
    CamembertConfig,
    DistilBertConfig,
    ElectraConfig,
    Gemma3TextConfig,
    GteConfig,
    ModernBertConfig,
    MPNetConfig,
    NomicBertConfig,
    Qwen2Config,
    Qwen3Config,
    RobertaConfig,
    XLMRobertaConfig,
)

# What the tiny tokenizers have their vocabulary from.
CORPUS = [
    "the river runs past the old mill and under the stone bridge",
    "a red kite turns slowly above the quiet harbour",
    "how many boats are moored in the harbour tonight?",
    "the miller's daughter sells bread near the bridge",
    "rain fell on the river, on the mill and on the boats",
    "who built the old stone bridge? nobody remembers.",
]

POSITIONS = 20
LONG_POSITIONS = 512  # of models that long texts are tried with
MAX_SEQ_LENGTH = 18


@dataclass
class Dense:
    out_features: int
    activation: str  # class path, as the folder's config.json has it
    bias: bool = True
    residual: bool = False


@dataclass
class Case:
    name: str
    architecture: str
    seed: int
    std: float = 0.2  # wide, so that gradients are far from zero and from each other
    hidden: int = 32
    heads: int = 4
    intermediate: int = 48
    activation: str = "gelu"
    pooling: tuple = ("mean",)
    tokenizer: str = ""  # "unigram": XLM-R's in place of the architecture's own
    positions: int = POSITIONS
    dense: list = field(default_factory=list)
    layer_norm: bool = False
    normalize: bool = False
    own: dict = field(default_factory=dict)  # of the configuration


TANH = "torch.nn.modules.activation.Tanh"
GELU = "torch.nn.modules.activation.GELU"
SILU = "torch.nn.modules.activation.SiLU"
ELU = "torch.nn.modules.activation.ELU"
IDENTITY = "torch.nn.modules.linear.Identity"

# Head sizes 8, 16, 32 and 64; every activation and pooling mode; each architecture with and without Dense.
CASES = [
    Case("bert-mean", "bert", seed=1),
    Case("bert-dense", "bert", seed=52, heads=2, activation="relu", pooling=("cls",), dense=[Dense(24, TANH)]),
    Case("distilbert-mean", "distilbert", seed=13, std=0.12, hidden=64, heads=1, intermediate=24),
    Case("distilbert-dense", "distilbert", seed=4, dense=[Dense(24, TANH)]),
    Case("roberta-mean", "roberta", seed=15, heads=1, activation="gelu_new"),
    Case(
        "roberta-dense",
        "roberta",
        seed=6,
        std=0.12,
        pooling=("cls", "max", "mean", "mean_sqrt_len"),
        dense=[Dense(24, GELU), Dense(16, TANH, bias=False)],
        normalize=True,
    ),
    Case(
        "bert-residual",
        "bert",
        seed=1,
        hidden=16,
        heads=2,
        intermediate=24,
        pooling=("weightedmean", "lasttoken"),
        dense=[Dense(32, SILU, bias=False, residual=True), Dense(12, ELU, residual=True)],
    ),
    # As msmarco-roberta-base-ance-firstp has it.
    Case(
        "roberta-layer-norm",
        "roberta",
        seed=2,
        hidden=16,
        heads=2,
        intermediate=24,
        pooling=("cls",),
        dense=[Dense(20, IDENTITY)],
        layer_norm=True,
    ),
    # A body of BERT with XLM-R's tokenizer: the pad token is 1 there and 0 in config.json, and positions begin at 0.
    Case("bert-unigram", "bert", seed=1, hidden=16, heads=2, intermediate=24, tokenizer="unigram", positions=LONG_POSITIONS),
    Case("xlm-roberta-mean", "xlm-roberta", seed=2, hidden=16, heads=2, intermediate=24, positions=LONG_POSITIONS),
    Case("camembert-mean", "camembert", seed=1, hidden=16, heads=2, intermediate=24),
    Case("electra-mean", "electra", seed=1, hidden=16, heads=2, intermediate=24),
    # Embeddings of another width than the layers: as ELECTRA's small ones have them, and wider.
    Case(
        "electra-projected",
        "electra",
        seed=1,
        hidden=16,
        heads=2,
        intermediate=24,
        positions=LONG_POSITIONS,
        own={"embedding_size": 12},
    ),
    # One layer's parameters for all three layers; embeddings of another width.
    Case(
        "albert-mean",
        "albert",
        seed=3,
        std=0.15,
        hidden=16,
        heads=2,
        intermediate=24,
        activation="gelu_new",
        positions=LONG_POSITIONS,
        own={"embedding_size": 24, "num_hidden_layers": 3},
    ),
    Case(
        "albert-cls",
        "albert",
        seed=8,
        std=0.12,
        hidden=16,
        heads=2,
        intermediate=24,
        pooling=("cls",),
        dense=[Dense(12, TANH)],
        normalize=True,
        own={"embedding_size": 16},
    ),
    # Norms before the parts, a gate, a window of 129 keys in the second layer.
    Case("modernbert-mean", "modernbert", seed=1, hidden=16, heads=2, intermediate=24, positions=LONG_POSITIONS),
    Case(
        "modernbert-cls",
        "modernbert",
        seed=2,
        heads=1,
        activation="silu",
        pooling=("cls",),
        dense=[Dense(24, TANH)],
        normalize=True,
    ),
    Case(
        "nomic_bert-mean",
        "nomic_bert",
        seed=1,
        hidden=16,
        heads=2,
        intermediate=24,
        activation="silu",
        positions=LONG_POSITIONS,
    ),
    Case("gte-cls", "gte", seed=1, hidden=16, heads=2, intermediate=24, pooling=("cls",), normalize=True),
    Case("gte-mean", "gte", seed=1, hidden=16, heads=2, intermediate=24, positions=LONG_POSITIONS),
    # The decoder before Qwen3: biases of queries, keys and values, no norms of heads.
    Case(
        "qwen2-lasttoken",
        "qwen2",
        seed=1,
        hidden=16,
        heads=4,
        intermediate=24,
        activation="silu",
        pooling=("lasttoken",),
        positions=LONG_POSITIONS,
        normalize=True,
        own={"num_key_value_heads": 2, "rope_parameters": {"rope_type": "default", "rope_theta": 30.0}},
    ),
    # Its tokens see both sides (gte-Qwen2).
    Case(
        "qwen2-mean",
        "qwen2",
        seed=2,
        hidden=16,
        heads=2,
        intermediate=24,
        activation="silu",
        own={
            "is_causal": False,
            "num_key_value_heads": 1,
            "rope_parameters": {"rope_type": "default", "rope_theta": 30.0},
        },
    ),
    # A decoder: root mean square norms, of heads too; two heads of queries to one of keys, wider than their share.
    Case(
        "qwen3-lasttoken",
        "qwen3",
        seed=1,
        hidden=16,
        heads=4,
        intermediate=24,
        activation="silu",
        pooling=("lasttoken",),
        positions=LONG_POSITIONS,
        normalize=True,
        own={"num_key_value_heads": 2, "head_dim": 6, "rope_parameters": {"rope_type": "default", "rope_theta": 30.0}},
    ),
    # Its tokens see both sides, in the second layer within a window.
    Case(
        "qwen3-mean",
        "qwen3",
        seed=2,
        hidden=16,
        heads=2,
        intermediate=24,
        activation="silu",
        own={
            "is_causal": False,
            "num_key_value_heads": 1,
            "head_dim": 8,
            "use_sliding_window": True,
            "sliding_window": 3,
            "max_window_layers": 1,
            "rope_parameters": {"rope_type": "default", "rope_theta": 30.0},
        },
    ),
    # EmbeddingGemma: norms around the parts, scaled words, both sides, of the first layer 64 tokens of them; two Dense.
    Case(
        "gemma3_text-mean",
        "gemma3_text",
        seed=1,
        hidden=16,
        heads=2,
        intermediate=24,
        activation="gelu_pytorch_tanh",
        positions=LONG_POSITIONS,
        dense=[Dense(32, IDENTITY, bias=False), Dense(16, IDENTITY, bias=False)],
        normalize=True,
        own={
            "num_key_value_heads": 1,
            "head_dim": 8,
            "query_pre_attn_scalar": 12,
            "sliding_window": 128,
            "sliding_window_pattern": 2,
            "use_bidirectional_attention": True,
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 50.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 30.0},
            },
        },
    ),
    # Gemma 3 as it decodes: tokens see those before them, in the first layer three of them and themselves.
    Case(
        "gemma3_text-lasttoken",
        "gemma3_text",
        seed=5,
        heads=4,
        activation="gelu_pytorch_tanh",
        pooling=("lasttoken",),
        own={
            "num_key_value_heads": 4,
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "sliding_window": 4,
            "sliding_window_pattern": 2,
            "rope_parameters": {
                "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 50.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 30.0},
            },
        },
    ),
    Case("mpnet-mean", "mpnet", seed=1, hidden=16, heads=2, intermediate=24, positions=LONG_POSITIONS, normalize=True),
    # A table of words alone: as sentence-transformers writes it, and as model2vec does.
    Case("static-dense", "static", seed=1, dense=[Dense(24, TANH)], normalize=True),
    Case("static-model2vec", "model2vec", seed=2, hidden=20, normalize=True),
]


def write_json(path: Path, value) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tensors(tensors: dict, path: Path) -> None:
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)  # save_file leaves it readable by its owner alone


def word_piece_vocabulary(specials: list) -> dict:
    """Letters at a word's start and inside it, repeated words and a few endings: the library's own trainer breaks
    ties in an order that differs from run to run."""
    words = re.findall(r"\w+|[^\w\s]", " ".join(CORPUS))
    letters = sorted({letter for word in words for letter in word})
    repeated = sorted({word for word in words if len(word) > 1 and words.count(word) > 1})
    inside = ["##" + letter for letter in letters if letter.isalpha()]
    tokens = specials + letters + inside + repeated + ["##ing", "##ight", "##ers", "##ed", "re", "mo"]
    return {token: i for i, token in enumerate(tokens)}


def mpnet_word_piece(folder: Path) -> int:
    """MPNet's: WordPiece with RoBERTa's special tokens, as transformers writes it; returns its vocabulary's size."""
    vocabulary = word_piece_vocabulary(["<s>", "<pad>", "</s>", "[UNK]"]) | {}
    vocabulary["<mask>"] = len(vocabulary)
    (folder / "vocab.txt").write_text("".join(token + "\n" for token in vocabulary), encoding="utf-8")
    config = {"tokenizer_class": "MPNetTokenizer", "do_lower_case": True, "model_max_length": MAX_SEQ_LENGTH}
    write_json(folder / "tokenizer_config.json", config)
    saved_by_transformers(folder, "mpnet")
    return len(vocabulary)


# What the tiny normaliser maps: full-width letters, a ligature, no-break and other spaces. sentencepiece's own tables
# are a quarter of a megabyte.
NORMALISATION = [("\uff21", "A"), ("\uff42", "b"), ("\ufb01", "fi"), ("\u00a0", " "), ("\u3000", " "), ("\t", " "), ("\n", " ")]


def unigram(folder: Path, architecture: str) -> int:
    """XLM-R's tokenizer of a small sentencepiece model, and what transformers makes of it; returns its size."""
    import sentencepiece

    code_points = lambda text: " ".join(f"{ord(letter):X}" for letter in text)
    with tempfile.TemporaryDirectory() as work:
        rules = Path(work) / "rules.tsv"
        rules.write_text("".join(f"{code_points(a)}\t{code_points(b)}\n" for a, b in NORMALISATION))
        corpus = Path(work) / "corpus.txt"
        corpus.write_text("\n".join(CORPUS))
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus),
            model_prefix=str(Path(work) / "model"),
            vocab_size=64,
            model_type="unigram",
            normalization_rule_tsv=str(rules),
            user_defined_symbols=["<sep>"],
            num_threads=1,
            minloglevel=2,
        )
        (folder / "sentencepiece.bpe.model").write_bytes((Path(work) / "model.model").read_bytes())
    name = "CamembertTokenizer" if architecture == "camembert" else "XLMRobertaTokenizer"
    config = {"tokenizer_class": name, "model_max_length": MAX_SEQ_LENGTH}
    write_json(folder / "tokenizer_config.json", config)
    size = saved_by_transformers(folder, architecture)
    if architecture != "xlm-roberta":
        (folder / "sentencepiece.bpe.model").unlink()
    if architecture == "bert":  # as paraphrase-multilingual-MiniLM-L12-v2 has it
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        write_json(folder / "tokenizer_config.json", config | {"tokenizer_class": "PreTrainedTokenizerFast"})
    return size


def albert_unigram(folder: Path) -> int:
    """ALBERT's tokenizer of a small sentencepiece model, which has its special tokens; returns its size."""
    import sentencepiece

    with tempfile.TemporaryDirectory() as work:
        corpus = Path(work) / "corpus.txt"
        corpus.write_text("\n".join(CORPUS))
        rules = Path(work) / "rules.tsv"
        rules.write_text("".join(f"{' '.join(f'{ord(c):X}' for c in a)}\t{' '.join(f'{ord(c):X}' for c in b)}\n" for a, b in NORMALISATION))
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus),
            model_prefix=str(Path(work) / "model"),
            vocab_size=64,
            model_type="unigram",
            normalization_rule_tsv=str(rules),
            pad_id=0,
            unk_id=1,
            bos_id=-1,
            eos_id=-1,
            control_symbols=["[CLS]", "[SEP]"],
            user_defined_symbols=["[MASK]"],
            num_threads=1,
            minloglevel=2,
        )
        (folder / "spiece.model").write_bytes((Path(work) / "model.model").read_bytes())
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": "AlbertTokenizer", "model_max_length": MAX_SEQ_LENGTH})
    size = saved_by_transformers(folder, "albert")
    (folder / "spiece.model").unlink()
    return size


# Runs of spaces and names that ModernBERT's tokenizer has beside its special tokens.
SPACES = ["  ", "   "]
NAMES = ["|||IP_ADDRESS|||"]


def bracketed_bpe(folder: Path) -> int:
    """ModernBERT's: byte-level BPE with BERT's special tokens, a normaliser, and tokens that are looked for in the text;
    returns its vocabulary's size."""
    specials = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        CORPUS,
        trainers.BpeTrainer(vocab_size=290, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())),
    )
    tokenizer.add_tokens([AddedToken(text, normalized=True) for text in SPACES + NAMES])
    tokenizer.add_special_tokens([AddedToken(text, lstrip=text == "[MASK]", normalized=False) for text in specials])
    ids = {token: tokenizer.token_to_id(token) for token in specials}
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = dict(zip(("unk_token", "cls_token", "sep_token", "pad_token", "mask_token"), specials))
    write_json(folder / "special_tokens_map.json", roles)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": MAX_SEQ_LENGTH,
            "clean_up_tokenization_spaces": True,
            "model_input_names": ["input_ids", "attention_mask"],
            **roles,
        },
    )
    return tokenizer.get_vocab_size()


# transformers/models/qwen2/tokenization_qwen2.py
QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def qwen_bpe(folder: Path) -> int:
    """Qwen3-Embedding's: byte-level BPE with its own splitting, and <|endoftext|> behind a text alone, which is the
    padding too; returns its vocabulary's size."""
    end = "<|endoftext|>"
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    byte_level = dict(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_SPLIT), behavior="isolated", invert=False),
            pre_tokenizers.ByteLevel(**byte_level),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=280, initial_alphabet=alphabet))
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in (end, "<|im_start|>", "<|im_end|>")])
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single=f"$A:0 {end}:0", pair=f"$A:0 {end}:0 $B:1 {end}:1", special_tokens=[(end, tokenizer.token_to_id(end))]
            ),
        ]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = {"eos_token": "<|im_end|>", "pad_token": end}
    write_json(folder / "special_tokens_map.json", roles)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "Qwen2Tokenizer",
            "model_max_length": MAX_SEQ_LENGTH,
            "add_bos_token": False,
            "add_prefix_space": False,
            "padding_side": "left",
            **roles,
        },
    )
    return tokenizer.get_vocab_size()


def gemma_bpe(folder: Path) -> int:
    """Gemma's: BPE with a token for each byte, ▁ for spaces, <bos> and <eos> around a text; returns its vocabulary's
    size."""
    specials = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"]
    space = normalizers.Replace(" ", "▁")
    split = pre_tokenizers.Split(" ", behavior="merged_with_previous", invert=False)
    trained = Tokenizer(models.BPE())
    trained.normalizer, trained.pre_tokenizer = space, split
    trained.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=60))
    learnt = json.loads(trained.to_str())["model"]
    tokens = specials + [f"<0x{byte:02X}>" for byte in range(256)] + sorted(learnt["vocab"], key=learnt["vocab"].get)
    vocabulary = {token: i for i, token in enumerate(tokens)}
    merges = [tuple(merge) for merge in learnt["merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = space, split
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(specials)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos>:0 $A:0 <eos>:0",
        pair="<bos>:0 $A:0 <eos>:0 <bos>:1 $B:1 <eos>:1",
        special_tokens=[(token, vocabulary[token]) for token in ("<bos>", "<eos>")],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    roles = dict(zip(("pad_token", "eos_token", "bos_token", "unk_token", "mask_token"), specials))
    write_json(folder / "special_tokens_map.json", roles)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "GemmaTokenizer",
            "model_max_length": MAX_SEQ_LENGTH,
            "add_bos_token": True,
            "add_eos_token": True,
            **roles,
        },
    )
    return tokenizer.get_vocab_size()


def saved_by_transformers(folder: Path, architecture: str) -> int:
    """Lets transformers write tokenizer.json and its configuration; returns how many tokens there are."""
    write_json(folder / "config.json", {"model_type": architecture})
    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    return len(tokenizer)


def word_piece(folder: Path) -> int:
    """Writes a lower-casing WordPiece tokenizer; returns its vocabulary's size."""
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(word_piece_vocabulary(specials), unk_token="[UNK]"))
    tokenizer.add_special_tokens(specials)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    ids = {token: tokenizer.token_to_id(token) for token in specials}
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    tokenizer.save(str(folder / "tokenizer.json"))
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("".join(token + "\n" for token, _ in vocabulary), encoding="utf-8")
    roles = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), specials))
    write_json(folder / "special_tokens_map.json", roles)
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": MAX_SEQ_LENGTH, **roles},
    )
    return len(vocabulary)


def byte_level_bpe(folder: Path) -> int:
    """Writes a byte-level BPE tokenizer; returns its vocabulary's size."""
    specials = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=270, special_tokens=specials, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet())
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    model = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]
    write_json(folder / "vocab.json", model["vocab"])
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(m + "\n" for m in merges), encoding="utf-8")
    roles = {
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
    write_json(folder / "special_tokens_map.json", roles)
    write_json(
        folder / "tokenizer_config.json",
        {"tokenizer_class": "RobertaTokenizer", "model_max_length": MAX_SEQ_LENGTH, **roles},
    )
    return len(model["vocab"])


def encoder_config(case: Case, vocabulary: int):
    if case.architecture == "distilbert":
        return DistilBertConfig(
            vocab_size=vocabulary,
            dim=case.hidden,
            n_layers=2,
            n_heads=case.heads,
            hidden_dim=case.intermediate,
            max_position_embeddings=POSITIONS,
            activation=case.activation,
            pad_token_id=0,
        )
    shared = dict(
        vocab_size=vocabulary,
        hidden_size=case.hidden,
        num_hidden_layers=2,
        num_attention_heads=case.heads,
        intermediate_size=case.intermediate,
        hidden_act=case.activation,
    )
    if case.architecture == "modernbert":
        del shared["hidden_act"]
        return ModernBertConfig(
            **shared,
            hidden_activation=case.activation,
            max_position_embeddings=case.positions,
            pad_token_id=vocabulary - 2,
            cls_token_id=vocabulary - 4,
            sep_token_id=vocabulary - 3,
            bos_token_id=vocabulary - 4,
            eos_token_id=vocabulary - 3,
        )
    if case.architecture == "qwen2":
        return Qwen2Config(**shared | case.own, max_position_embeddings=case.positions)
    if case.architecture == "qwen3":
        return Qwen3Config(**shared | case.own, max_position_embeddings=case.positions)
    if case.architecture == "gemma3_text":
        del shared["hidden_act"]
        return Gemma3TextConfig(
            **shared | case.own, hidden_activation=case.activation, max_position_embeddings=case.positions
        )
    if case.architecture == "nomic_bert":
        return NomicBertConfig(**shared, max_position_embeddings=case.positions, pad_token_id=0)
    if case.architecture == "gte":
        # With the usual theta most pairs hardly turn in a short text, and so most of a key's bias has hardly a gradient.
        turned = {"rope_type": "default", "rope_theta": 30.0}
        return GteConfig(**shared, max_position_embeddings=case.positions, pad_token_id=1, rope_parameters=turned)
    if case.architecture == "electra":
        own = {"embedding_size": case.hidden} | case.own
        return ElectraConfig(**shared | own, max_position_embeddings=case.positions)
    if case.architecture == "albert":
        return AlbertConfig(**shared | case.own, max_position_embeddings=case.positions)
    if case.architecture == "bert":
        return BertConfig(**shared, max_position_embeddings=case.positions, pad_token_id=0)
    shared |= dict(max_position_embeddings=case.positions + 2)
    if case.architecture == "mpnet":
        return MPNetConfig(**shared, layer_norm_eps=1e-5)
    families = {"roberta": RobertaConfig, "xlm-roberta": XLMRobertaConfig, "camembert": CamembertConfig}
    family = families[case.architecture]
    return family(
        **shared,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
    )


def randomise(named_parameters, generator: torch.Generator, std: float, norms: float = 1.0) -> None:
    """`norms`: around what the weights of norms are."""
    for name, parameter in named_parameters:
        values = torch.randn(parameter.shape, generator=generator) * std
        is_norm_weight = "norm" in name.lower() and name.endswith("weight")
        parameter.data.copy_(norms + values if is_norm_weight else values)


def static_folder(case: Case, folder: Path) -> None:
    """A table of words, where model2vec has it with fewer rows than tokens and a weight for each."""
    plain = case.architecture == "static"
    own = folder / "0_StaticEmbedding" if plain else folder
    own.mkdir(exist_ok=True)
    vocabulary = word_piece(own)
    for name in ("vocab.txt", "special_tokens_map.json", "tokenizer_config.json"):
        (own / name).unlink()
    generator = torch.Generator().manual_seed(case.seed)
    values = torch.randn(vocabulary, case.hidden, generator=generator) * case.std
    if plain:
        tensors = {"embedding.weight": values}
    else:
        mapping = torch.arange(vocabulary) // 2
        weights = torch.rand(vocabulary, generator=generator, dtype=torch.float64) + 0.5
        tensors = {"embeddings": values[: (vocabulary + 1) // 2].half(), "mapping": mapping, "weights": weights}
        write_json(folder / "config.json", {"model_type": "model2vec", "normalize": True, "seq_length": 1000000})
    write_tensors(tensors, own / "model.safetensors")
    modules = [("0_StaticEmbedding" if plain else ".", "StaticEmbedding")]
    write_head(case, folder, modules, case.hidden, generator)


def make_folder(case: Case, folder: Path) -> None:
    folder.mkdir(parents=True)
    if case.architecture in ("static", "model2vec"):
        static_folder(case, folder)
        return
    if case.tokenizer == "unigram" or case.architecture in ("xlm-roberta", "camembert", "gte"):
        vocabulary = unigram(folder, case.architecture)
    else:
        writers = {
            "roberta": byte_level_bpe,
            "albert": albert_unigram,
            "mpnet": mpnet_word_piece,
            "modernbert": bracketed_bpe,
            "qwen2": qwen_bpe,
            "qwen3": qwen_bpe,
            "gemma3_text": gemma_bpe,
        }
        vocabulary = writers.get(case.architecture, word_piece)(folder)
    generator = torch.Generator().manual_seed(case.seed)
    encoder = AutoModel.from_config(encoder_config(case, vocabulary))
    randomise(encoder.named_parameters(), generator, case.std, norms=0.0 if case.architecture == "gemma3_text" else 1.0)
    encoder.config.architectures = [type(encoder).__name__]
    write_json(folder / "config.json", encoder.config.to_dict())
    weights = {name: parameter.data.contiguous() for name, parameter in encoder.named_parameters()}
    write_tensors(weights, folder / "model.safetensors")
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": MAX_SEQ_LENGTH, "do_lower_case": False})

    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    (folder / "1_Pooling").mkdir()
    write_json(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": case.hidden,
            "pooling_mode_cls_token": "cls" in case.pooling,
            "pooling_mode_mean_tokens": "mean" in case.pooling,
            "pooling_mode_max_tokens": "max" in case.pooling,
            "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len" in case.pooling,
        }
        | ({"pooling_mode_weightedmean_tokens": True} if "weightedmean" in case.pooling else {})
        | ({"pooling_mode_lasttoken": True} if "lasttoken" in case.pooling else {}),
    )
    write_head(case, folder, modules, case.hidden * len(case.pooling), generator)


def write_head(case: Case, folder: Path, modules: list, width: int, generator: torch.Generator) -> None:
    """Dense, LayerNorm and Normalize behind the modules that there are, and the two files that name them."""
    for dense in case.dense:
        path = f"{len(modules)}_Dense"
        modules.append((path, "Dense"))
        (folder / path).mkdir()
        linear = torch.nn.Linear(width, dense.out_features, bias=dense.bias)
        randomise(linear.named_parameters(), generator, std=width**-0.5)  # wider would saturate the activation
        tensors = {f"linear.{name}": parameter.data for name, parameter in linear.named_parameters()}
        if dense.residual and width != dense.out_features:
            around = torch.nn.Linear(width, dense.out_features, bias=False)
            randomise(around.named_parameters(), generator, std=width**-0.5)
            tensors["residual.weight"] = around.weight.data
        write_tensors(tensors, folder / path / "model.safetensors")
        write_json(
            folder / path / "config.json",
            {
                "in_features": width,
                "out_features": dense.out_features,
                "bias": dense.bias,
                "activation_function": dense.activation,
            }
            | ({"use_residual": True} if dense.residual else {}),
        )
        width = dense.out_features
    if case.layer_norm:
        path = f"{len(modules)}_LayerNorm"
        modules.append((path, "LayerNorm"))
        (folder / path).mkdir()
        norm = torch.nn.LayerNorm(width)
        for name, parameter in norm.named_parameters():
            values = torch.randn(parameter.shape, generator=generator) * case.std
            parameter.data.copy_(1 + values if name == "weight" else values)
        write_tensors({f"norm.{name}": parameter.data for name, parameter in norm.named_parameters()}, folder / path / "model.safetensors")
        write_json(folder / path / "config.json", {"dimension": width})
    if case.normalize:  # its folder was empty in the 2.x layout; git keeps no empty folder, and no reader needs it
        modules.append((f"{len(modules)}_Normalize", "Normalize"))
    write_json(
        folder / "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(modules)
        ],
    )
    write_json(folder / "config_sentence_transformers.json", {"__version__": {"sentence_transformers": "2.7.0"}})
