"""Writes fixtures/: tiny models and what transformers, sentence-transformers and torch compute with them.

    python test/parity/generate.py [--only-pad | --only-torch-files | --only-prompts | --only-former | --only-adapters | CASE …]

needs sentence-transformers 6.2.0, transformers 5 and torch 2.11.0 (fixtures/versions.json records what was used), and
sentencepiece with protobuf and peft. With names of cases it writes these alone.

The reference is computed in float64 from the float32 weights of the folder and rounded to float32 at the end, so
that what a test measures is vectune's own rounding, not the sum of two. Dropout is off (the models are in
evaluation mode while they train); the losses, the gradients and AdamW are the libraries' own.

Per case, expected.safetensors holds
  hidden.0 … hidden.n      [tokens × hidden]   of the traced texts, packed: embedding layer, then each layer
  pooled, embedding        [texts × width]
  gradient/NAME            of the loss of all pairs
  update.PRESET/NAME       p10 − p0 after ten steps
under vectune's parameter names, and case.json the texts, ids, scores, rows of each step and losses.

fixtures/pad holds what the models of two cases make of texts in which the padding token stands among the others
(--only-pad writes these alone). lengths.safetensors and lengths.json of a case with many positions hold the same of
texts of LENGTHS tokens, where tiles of queries, buckets of distances and positions have their edges.
"""

import collections
import copy
import datetime
import json
import platform
import shutil
import sys
from pathlib import Path

import numpy
import safetensors
import safetensors.torch
import sentence_transformers
import tokenizers
import torch
import transformers
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.data_collator import SentenceTransformerDataCollator
from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss
from sentence_transformers.sentence_transformer.modules import StaticEmbedding

sys.dont_write_bytecode = True
sys.path.append(str(Path(__file__).parents[2] / "scripts" / "reference"))
from adamw import notebook_adamw, torch_adamw
from tiny_models import CASES, LONG_POSITIONS, make_folder, write_json, write_tensors

FIXTURES = Path(__file__).parent / "fixtures"

# Lengths from two tokens to more than the limit; words the tokenizers know, letters they do not.
PAIRS = [
    ("how many boats are in the harbour?", "how many boats are moored in the harbour tonight?", 0.9),
    ("the old stone bridge", "bridge", 0.6),
    ("", "rain", 0.0),
    ("A red kite turns above the harbour.", "a RED kite, slowly turning over the quiet harbour", 1.0),
    (
        "the river runs past the old mill and under the stone bridge, past the boats and the harbour and the quiet "
        "houses of the millers, and nobody remembers who built them",
        "the river runs under the bridge",
        0.7,
    ),
    ("the miller's daughter sells bread", "who sells bread near the bridge?", 0.55),
    ("rain fell on the boats", "the sun stood over the mill", 0.2),
    ("übermorgen regnet es 🙂", "東京 rain!", 0.1),
    ("nobody remembers", "nobody remembers who built the old bridge", 0.65),
    ("the mill", "the mill the mill the mill the mill the mill the mill the mill the mill the mill the mill", 0.8),
    ("a", "the", 0.3),
    ("bread", "how many kites turn above the river tonight, and who counts them?", 0.05),
]
# Texts whose hidden states are kept: an empty one, a word, one that is cut off, letters outside the vocabulary.
TRACED = [0, 4, 5, 8, 14, 20]
STEPS = 10
ROWS_PER_STEP = 6
LEARNING_RATE = 1e-3
CLIP_AT = 0.05


def vectune_names(model: SentenceTransformer):
    """(vectune's name, parameter) of everything the loss reaches; BERT's pooler is not part of it."""
    is_static = isinstance(model[0], StaticEmbedding)
    for name, parameter in (model[0] if is_static else model[0].auto_model).named_parameters():
        if not name.startswith("pooler."):
            yield name, parameter
    for i, module in enumerate(list(model)[1:], 1 if is_static else 0):  # whose pooling is no module
        for name, parameter in module.named_parameters():
            yield f"head.{i}.{name}", parameter


def token_ids(model, text):
    ids = model.preprocess([text])["input_ids"]
    return (ids if isinstance(model[0], StaticEmbedding) else ids[0]).tolist()


def loss_of(model, pairs):
    features = [model.preprocess([pair[column] for pair in pairs]) for column in (0, 1)]
    labels = torch.tensor([pair[2] for pair in pairs], dtype=torch.float32)  # as the engine holds scores
    squared_error = lambda cosines, scores: torch.nn.functional.mse_loss(cosines, scores.to(cosines.dtype))
    return CosineSimilarityLoss(model, loss_fct=squared_error)(features, labels)


def trace(model, texts):
    """Hidden states of the real tokens, text after text, pooled vectors and embeddings."""
    features = model.preprocess(texts)
    if isinstance(model[0], StaticEmbedding):
        with torch.no_grad():
            return {
                "hidden.0": model[0].embedding.weight[features["input_ids"]],
                "pooled": model[0](dict(features))["sentence_embedding"],
                "embedding": model(dict(features))["sentence_embedding"],
            }
    with torch.no_grad():
        states = model[0].auto_model(**features, output_hidden_states=True).hidden_states
        result = {
            f"hidden.{i}": torch.cat([row[mask == 1] for row, mask in zip(state, features["attention_mask"])])
            for i, state in enumerate(states)
        }
        out = model[1](model[0](dict(features)))
        result["pooled"] = out["sentence_embedding"]
        result["embedding"] = model(dict(features))["sentence_embedding"]
    return result


def ten_steps(model, make_optimizer, step_rows, clip_at=None):
    model = copy.deepcopy(model)
    before = {name: p.detach().clone() for name, p in vectune_names(model)}
    optimizer = make_optimizer(model)
    losses, norms = [], []
    for rows in step_rows:
        optimizer.zero_grad()
        loss = loss_of(model, [PAIRS[row] for row in rows])
        loss.backward()
        if clip_at is not None:
            trained = [p for _, p in vectune_names(model)]
            norms.append(torch.nn.utils.clip_grad_norm_(trained, clip_at).item())
        optimizer.step()
        losses.append(loss.item())
    return {name: p.detach() - before[name] for name, p in vectune_names(model)}, losses, norms


def check_conditioning(name, model, make_optimizer, step_rows, clip_at, updates, losses):
    """A model on which float32 strays (a maximum or a ReLU that changes sides, a unit that is all but saturated) would
    measure that, not vectune: such a case needs another seed. Tried with torch's own float32, and, since every
    implementation rounds in its own way, from weights that are off by a few roundings."""
    worst_update = worst_loss = 0.0
    for seed in range(4):
        other = copy.deepcopy(model).float()
        generator = torch.Generator().manual_seed(seed)
        for parameter in other.parameters() if seed > 0 else ():
            parameter.data.mul_(1 + 1e-6 * torch.randn(parameter.shape, generator=generator))
        found, found_losses, _ = ten_steps(other, make_optimizer, step_rows, clip_at)
        for key, update in updates.items():
            if not key.endswith((".key.bias", ".k_lin.bias", ".attn.k.bias")):  # true gradient zero: nothing but rounding
                worst_update = max(worst_update, ((found[key] - update).norm() / update.norm()).item())
        worst_loss = max(worst_loss, *(abs(a - b) for a, b in zip(found_losses, losses)))
    print(f"  {name}: float32 strays by {worst_update:.1e} of an update and {worst_loss:.1e} of a loss")
    return worst_update < 2e-4 and worst_loss < 5e-6


def generate(case, folder):
    make_folder(case, folder / "model")
    model = SentenceTransformer(str(folder / "model"), device="cpu").double().eval()
    texts = [text for pair in PAIRS for text in pair[:2]]
    generator = torch.Generator().manual_seed(100 + case.seed)
    step_rows = [torch.randperm(len(PAIRS), generator=generator)[:ROWS_PER_STEP].tolist() for _ in range(STEPS)]

    tensors = trace(model, [texts[i] for i in TRACED])
    loss = loss_of(model, PAIRS)
    loss.backward()
    tensors |= {f"gradient/{name}": p.grad for name, p in vectune_names(model)}
    model.zero_grad()
    with_decay = lambda m: torch_adamw(m, LEARNING_RATE, weight_decay=0.1)
    runs = {"torch": (with_decay, None), "notebook": (lambda m: notebook_adamw(m, LEARNING_RATE), None)}
    if case.name == "bert-mean":
        runs["clipped"] = (with_decay, CLIP_AT)
    losses, norms = {}, {}
    for preset, (make_optimizer, clip_at) in runs.items():
        updates, losses[preset], norms[preset] = ten_steps(model, make_optimizer, step_rows, clip_at)
        run = (make_optimizer, step_rows, clip_at, updates, losses[preset])
        if not check_conditioning(preset, model, *run):
            raise SystemExit(f"{case.name} is ill-conditioned; give it another seed")
        tensors |= {f"update.{preset}/{name}": update for name, update in updates.items()}
    write_tensors({k: v.float().contiguous() for k, v in tensors.items()}, folder / "expected.safetensors")
    facts = {
        "name": case.name,
        "texts": texts,
        "ids": [token_ids(model, text) for text in texts],
        "scores": [pair[2] for pair in PAIRS],
        "traced": TRACED,
        "loss": loss.item(),
        "learningRate": LEARNING_RATE,
        "clipAt": CLIP_AT,
        "stepRows": step_rows,
        "losses": losses,
        "gradientNorms": norms.get("clipped", []),
    }
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in facts.items())
    (folder / "case.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")
    norm = sum((t.double() ** 2).sum() for k, t in tensors.items() if k.startswith("gradient/")).sqrt().item()
    print(f"{case.name}: loss {loss.item():.6f}, gradient norm {norm:.4f}")


def generate_all(case):
    generate(case, FIXTURES / case.name)
    if case.positions >= LONG_POSITIONS:
        generate_lengths(case, FIXTURES / case.name)


PAD_CASES = ("bert-mean", "roberta-mean")
# Pairs of texts as token ids, of which P is the padding token, and their scores.
P = -1
PAD_PAIRS = [
    ([3, 12, 19, 21, P, 4], [3, P, P, 12, 4], 0.8),
    ([P, 7, P], [3, 19, 4], 0.1),
    ([3, 12, 33, P], [3, 12, 33], 0.9),
]


def generate_pad(case, folder):
    model = SentenceTransformer(str(FIXTURES / case / "model"), device="cpu").double().eval()
    transformer = model[0].auto_model
    pad = transformer.config.pad_token_id
    ids = [[pad if i == P else i for i in text] for pair in PAD_PAIRS for text in pair[:2]]
    run = lambda text: transformer(torch.tensor([text]), torch.ones(1, len(text)), output_hidden_states=True)
    states = [run(text).hidden_states for text in ids]
    embeddings = torch.stack([state[-1][0].mean(0) for state in states])
    scores = torch.tensor([score for *_, score in PAD_PAIRS], dtype=torch.float32).double()
    cosines = torch.nn.functional.cosine_similarity(embeddings[0::2], embeddings[1::2])
    loss = torch.nn.functional.mse_loss(cosines, scores)
    loss.backward()
    tensors = {"hidden.0": torch.cat([state[0][0] for state in states]), "embedding": embeddings}
    for name in ("word_embeddings", "position_embeddings"):
        tensors[f"gradient/embeddings.{name}.weight"] = transformer.get_parameter(f"embeddings.{name}.weight").grad
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors({k: v.detach().float().contiguous() for k, v in tensors.items()}, folder / f"{case}.safetensors")
    write_json(folder / f"{case}.json", {"ids": ids, "scores": scores.tolist(), "loss": loss.item()})


PROMPT_CASES = ("roberta-dense", "bert-residual")
PROMPT = "how many boats: "


def generate_prompt(name, folder):
    """A pooling that leaves the prompt out (--only-prompts): vectors and gradients of the pairs with a prompt."""
    model = SentenceTransformer(str(FIXTURES / name / "model"), device="cpu").double().eval()
    model[1].include_prompt = False
    columns = [[pair[column] for pair in PAIRS] for column in (0, 1)]
    features = [model.preprocess(column, prompt=PROMPT) for column in columns]
    labels = torch.tensor([pair[2] for pair in PAIRS], dtype=torch.float32)
    squared_error = lambda cosines, scores: torch.nn.functional.mse_loss(cosines, scores.to(cosines.dtype))
    loss = CosineSimilarityLoss(model, loss_fct=squared_error)([dict(each) for each in features], labels)
    loss.backward()
    tensors = {"embedding": model(dict(features[0]))["sentence_embedding"]}
    tensors |= {f"gradient/{name}": p.grad for name, p in vectune_names(model)}
    folder.mkdir(parents=True, exist_ok=True)
    write_tensors({k: v.detach().float().contiguous() for k, v in tensors.items()}, folder / f"{name}.safetensors")
    facts = {"prompt": PROMPT, "promptTokens": int(features[0]["prompt_length"]), "columns": columns}
    write_json(folder / f"{name}.json", facts | {"scores": labels.tolist(), "loss": loss.item()})


COLUMN_PROMPTS = {"question": "how many boats: ", "answer": "the old bridge, "}


def generate_column_prompts(name, folder):
    """Prompts by column (--only-prompts), as sentence-transformers' trainer puts them before texts; pooling without."""
    model = SentenceTransformer(str(FIXTURES / name / "model"), device="cpu").double().eval()
    model[1].include_prompt = False
    collate = SentenceTransformerDataCollator(preprocess_fn=model.preprocess, prompts=COLUMN_PROMPTS)
    batch = collate([{"question": a, "answer": b, "score": score} for a, b, score in PAIRS])
    columns = list(COLUMN_PROMPTS)
    split = lambda column: {key[len(column) + 1 :]: value for key, value in batch.items() if key.startswith(column + "_")}
    features = [split(column) for column in columns]
    squared_error = lambda cosines, scores: torch.nn.functional.mse_loss(cosines, scores.to(cosines.dtype))
    loss = CosineSimilarityLoss(model, loss_fct=squared_error)([dict(each) for each in features], batch["label"])
    loss.backward()
    tensors = {f"gradient/{name}": p.grad.float().contiguous() for name, p in vectune_names(model)}
    write_tensors(tensors, folder / f"{name}-columns.safetensors")
    ids = lambda each: [row[mask == 1].tolist() for row, mask in zip(each["input_ids"], each["attention_mask"])]
    facts = {"prompts": COLUMN_PROMPTS, "promptTokens": [int(each["prompt_length"]) for each in features]}
    facts |= {"rows": [pair[:2] for pair in PAIRS], "scores": batch["label"].tolist(), "loss": loss.item()}
    write_json(folder / f"{name}-columns.json", facts | {"ids": [ids(each) for each in features]})


def generate_torch_files(folder):
    """The weights of a case as torch.save writes them, and saved forms of other things (--only-torch-files)."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    weights = safetensors.torch.load_file(FIXTURES / "bert-unigram" / "model" / "model.safetensors")
    state = collections.OrderedDict(weights)
    state._metadata = collections.OrderedDict({"": {"version": 1}})  # as torch.nn.Module.state_dict has it
    torch.save(state, folder / "zip.bin")
    torch.save(state, folder / "before-1.6.bin", _use_new_zipfile_serialization=False)
    torch.save({name: torch.nn.Parameter(weight) for name, weight in weights.items()}, folder / "parameters.bin")
    flat = torch.cat([weight.flatten() for weight in weights.values()])
    views = zip(weights, flat.split([weight.numel() for weight in weights.values()]))
    torch.save({name: view.view(weights[name].shape) for name, view in views}, folder / "one-storage.bin")
    half = {name: weight.to(torch.bfloat16 if i % 2 else torch.float16) for i, (name, weight) in enumerate(weights.items())}
    torch.save(half, folder / "half.bin")
    write_tensors(half, folder / "half.safetensors")
    torch.save({"turned": torch.arange(6.0).view(2, 3).t()}, folder / "turned.bin")
    torch.save({"state_dict": state, "epoch": 3}, folder / "nested.bin")
    torch.save({"weight": torch.ones(2), "when": datetime.date(2020, 1, 1)}, folder / "date.bin")


ADAPTERS = {
    "bert-lora": (
        "bert-mean",
        dict(
            r=4,
            lora_alpha=6,
            use_rslora=True,
            target_modules=["query", "value", "intermediate.dense", "word_embeddings"],
            rank_pattern={"layer.0.attention.self.query": 2},
            alpha_pattern={"layer.1.attention.self.value": 3},
            modules_to_save=["output.LayerNorm"],
        ),
    ),
    "qwen3-lora": (
        "qwen3-lasttoken",
        dict(r=3, lora_alpha=5, target_modules="all-linear", task_type="FEATURE_EXTRACTION", fan_in_fan_out=True),
    ),
}


def generate_adapter(name, folder):
    """What peft writes beside the model of a case (--only-adapters; needs peft), and the vectors with it."""
    import peft

    case, settings = ADAPTERS[name]
    base = FIXTURES / case / "model"
    model = SentenceTransformer(str(base), device="cpu")
    adapted = peft.get_peft_model(model[0].auto_model, peft.LoraConfig(**settings))
    generator = torch.Generator().manual_seed(300)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data.add_(torch.randn(parameter.shape, generator=generator) * 0.2)
    shutil.rmtree(folder / name, ignore_errors=True)
    adapted.save_pretrained(str(folder / name))
    (folder / name / "README.md").unlink()
    (folder / name / "adapter_model.safetensors").chmod(0o644)
    config = json.loads((folder / name / "adapter_config.json").read_text(encoding="utf-8"))
    write_json(folder / name / "adapter_config.json", config | {"base_model_name_or_path": case})

    model = SentenceTransformer(str(base), device="cpu").double().eval()
    opened = peft.PeftModel.from_pretrained(model[0].auto_model, str(folder / name), autocast_adapter_dtype=False)
    model[0].auto_model = opened.double().merge_and_unload().eval()
    texts = [text for pair in PAIRS for text in pair[:2]]
    with torch.no_grad():
        vectors = model(model.preprocess(texts))["sentence_embedding"].float().contiguous()
    write_tensors({"embedding": vectors}, folder / f"{name}.safetensors")


FORMER_NAMES = {
    "nomic_bert-mean": {
        "layers.": "encoder.layers.",
        "embeddings.LayerNorm": "emb_ln",
        "self_attn.o_proj": "attn.out_proj",
        "mlp.up_proj": "mlp.fc11",
        "mlp.gate_proj": "mlp.fc12",
        "mlp.down_proj": "mlp.fc2",
        "post_attention_layernorm": "norm1",
        "post_mlp_layernorm": "norm2",
        "self_attn.q_proj": "attn.Wqkv",
        "self_attn.k_proj": "attn.Wqkv",
        "self_attn.v_proj": "attn.Wqkv",
    },
    "gte-mean": {
        "layers.": "encoder.layer.",
        "self_attn.o_proj": "attention.o_proj",
        "self_attn.q_proj": "attention.qkv_proj",
        "self_attn.k_proj": "attention.qkv_proj",
        "self_attn.v_proj": "attention.qkv_proj",
        "mlp.up_proj": "mlp.up_gate_proj",
        "mlp.gate_proj": "mlp.up_gate_proj",
        "post_attention_layernorm": "attn_ln",
        "post_mlp_layernorm": "mlp_ln",
    },
}


def former_config(name, config):
    """What the code in the models' repositories has: GPT-2's names, and the fields of "new"."""
    if name == "gte-mean":
        return {
            "architectures": ["NewModel"],
            "auto_map": {"AutoConfig": "configuration.NewConfig", "AutoModel": "modeling.NewModel"},
            "model_type": "new",
            "position_embedding_type": "rope",
            "rope_theta": 20000,
            "rope_scaling": {"factor": 8.0, "type": "ntk"},
            "layer_norm_type": "layer_norm",
            "logn_attention_scale": False,
            "logn_attention_clip1": False,
            "pack_qkv": True,
            "unpad_inputs": False,
            "use_memory_efficient_attention": False,
            **{
                key: config[key]
                for key in (
                    "vocab_size",
                    "hidden_size",
                    "num_hidden_layers",
                    "num_attention_heads",
                    "intermediate_size",
                    "hidden_act",
                    "hidden_dropout_prob",
                    "attention_probs_dropout_prob",
                    "max_position_embeddings",
                    "type_vocab_size",
                    "layer_norm_eps",
                    "pad_token_id",
                )
            },
        }
    return {
        "activation_function": "swiglu",
        "architectures": ["NomicBertModel"],
        "attn_pdrop": 0.0,
        "causal": False,
        "embd_pdrop": 0.0,
        "layer_norm_epsilon": config["layer_norm_eps"],
        "mlp_fc1_bias": False,
        "mlp_fc2_bias": False,
        "model_type": "nomic_bert",
        "n_embd": config["hidden_size"],
        "n_head": config["num_attention_heads"],
        "n_inner": config["intermediate_size"],
        "n_layer": config["num_hidden_layers"],
        "n_positions": config["max_position_embeddings"],
        "parallel_block": False,
        "prenorm": False,
        "qkv_proj_bias": False,
        "resid_pdrop": 0.0,
        "rotary_emb_base": 1000,
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None,
        "rotary_scaling_factor": None,
        "type_vocab_size": config["type_vocab_size"],
        "use_rms_norm": False,
        "vocab_size": config["vocab_size"],
    }


def generate_former(name, folder):
    """The same model by the names of the code in its repository (--only-former), and what that makes of some texts. That
    of GTE cannot be run here: it is transformers' class with the repository's angles (NTK)."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(FIXTURES / name / "model", folder)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write_json(folder / "config.json", former_config(name, config))
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    former = collections.defaultdict(list)
    for part in ("q_proj", "k_proj", "v_proj", "up_proj", "gate_proj", ""):  # the order within a joined tensor
        for key in [key for key in weights if part in key]:
            tensor, new = weights.pop(key), key
            for present, was in FORMER_NAMES[name].items():
                new = new.replace(present, was)
            former["new." + new if name == "gte-mean" else new].append(tensor)
    write_tensors({key: torch.cat(tensors) for key, tensors in former.items()}, folder / "model.safetensors")

    model = SentenceTransformer(str(FIXTURES / name / "model"), device="cpu").double().eval()
    if name == "gte-mean":
        theta, factor, size = 20000, 8.0, config["hidden_size"] // config["num_attention_heads"]
        frequencies = 1.0 / ((theta * factor) ** (torch.arange(0, size, 2).float() / size))
        rotary = model[0].auto_model.rotary_emb
        assert rotary.inv_freq.shape == frequencies.shape
        rotary.inv_freq.copy_(frequencies / factor ** (2 / size))
    texts = [text for pair in PAIRS for text in pair[:2]]
    with torch.no_grad():
        vectors = model(model.preprocess(texts))["sentence_embedding"].float().contiguous()
    write_tensors({"embedding": vectors}, folder.parent / f"{name}.safetensors")
    write_json(folder.parent / f"{name}.json", {"ids": [token_ids(model, text) for text in texts]})


# Of pairs of texts.
LENGTHS = [(1, 2), (63, 128), (129, 130), (512, 5)]


def generate_lengths(case, folder):
    model = SentenceTransformer(str(folder / "model"), device="cpu").double().eval()
    transformer = model[0].auto_model
    size, pad = transformer.config.vocab_size, transformer.config.pad_token_id
    generator = torch.Generator().manual_seed(200 + case.seed)
    tokens = [i for i in range(size) if i != pad]
    ids = [
        [tokens[i] for i in torch.randint(len(tokens), (length,), generator=generator).tolist()]
        for lengths in LENGTHS
        for length in lengths
    ]
    states = [transformer(torch.tensor([text]), torch.ones(1, len(text)))[0] for text in ids]
    pooled = {"mean": lambda state: state[0].mean(0), "lasttoken": lambda state: state[0, -1]}
    embeddings = torch.stack([pooled[case.pooling[0]](state) for state in states])
    for module in list(model)[2:]:
        embeddings = module({"sentence_embedding": embeddings})["sentence_embedding"]
    scores = torch.tensor([0.2, 0.9, 0.5, 0.7], dtype=torch.float32).double()
    cosines = torch.nn.functional.cosine_similarity(embeddings[0::2], embeddings[1::2])
    loss = torch.nn.functional.mse_loss(cosines, scores)
    loss.backward()
    last = f"hidden.{transformer.config.num_hidden_layers}"
    tensors = {last: torch.cat([state[0] for state in states]), "embedding": embeddings}
    tensors |= {f"gradient/{name}": p.grad for name, p in vectune_names(model)}
    write_tensors({k: v.detach().float().contiguous() for k, v in tensors.items()}, folder / "lengths.safetensors")
    facts = {"ids": ids, "scores": scores.tolist(), "loss": loss.item()}
    lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in facts.items())
    (folder / "lengths.json").write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def main():
    torch.set_num_threads(1)
    if "--only-prompts" in sys.argv:
        for name in PROMPT_CASES:
            generate_prompt(name, FIXTURES / "prompts")
            generate_column_prompts(name, FIXTURES / "prompts")
        return
    if "--only-former" in sys.argv:
        for name in FORMER_NAMES:
            generate_former(name, FIXTURES / "former" / name)
        return
    if "--only-adapters" in sys.argv:
        (FIXTURES / "adapters").mkdir(exist_ok=True)
        for name in ADAPTERS:
            generate_adapter(name, FIXTURES / "adapters")
        return
    if "--only-torch-files" in sys.argv:
        generate_torch_files(FIXTURES / "torch-files")
        return
    asked = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    if asked:
        for case in CASES:
            if case.name in asked:
                shutil.rmtree(FIXTURES / case.name, ignore_errors=True)
                generate_all(case)
        return
    if "--only-pad" in sys.argv:
        for case in PAD_CASES:
            generate_pad(case, FIXTURES / "pad")
        return
    for case in CASES:
        shutil.rmtree(FIXTURES / case.name, ignore_errors=True)
        generate_all(case)
    for case in PAD_CASES:
        generate_pad(case, FIXTURES / "pad")
    generate_torch_files(FIXTURES / "torch-files")
    for name in PROMPT_CASES:
        generate_prompt(name, FIXTURES / "prompts")
        generate_column_prompts(name, FIXTURES / "prompts")
    for name in FORMER_NAMES:
        generate_former(name, FIXTURES / "former" / name)
    (FIXTURES / "adapters").mkdir(exist_ok=True)
    for name in ADAPTERS:
        generate_adapter(name, FIXTURES / "adapters")
    write_json(
        FIXTURES / "versions.json",
        {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "sentence-transformers": sentence_transformers.__version__,
            "tokenizers": tokenizers.__version__,
            "safetensors": safetensors.__version__,
            "numpy": numpy.__version__,
        },
    )


if __name__ == "__main__":
    sys.exit(main())
