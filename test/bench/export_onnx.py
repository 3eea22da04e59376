"""Exports a folder of all-MiniLM-L6-v2 as transformers.js wants it: python export_onnx.py MODEL_FOLDER TARGET_FOLDER

Writes onnx/model.onnx (fp32) and onnx/model_quantized.onnx (int8 weights, activations quantised as they come, as
transformers.js' own conversion script does), and copies the tokenizer and config beside them.
"""

import shutil
import sys
from pathlib import Path

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import AutoModel

source, target = Path(sys.argv[1]), Path(sys.argv[2])
(target / "onnx").mkdir(parents=True, exist_ok=True)
for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
    if (source / name).exists():
        shutil.copy(source / name, target / name)


class Encoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.model = AutoModel.from_pretrained(source, attn_implementation="eager").eval()

    def forward(self, input_ids, attention_mask, token_type_ids):
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state


ids = torch.ones((2, 9), dtype=torch.long)
fp32 = target / "onnx" / "model.onnx"
axes = {0: "batch", 1: "tokens"}
torch.onnx.export(
    Encoder(),
    (ids, ids, torch.zeros_like(ids)),
    str(fp32),
    input_names=["input_ids", "attention_mask", "token_type_ids"],
    output_names=["last_hidden_state"],
    dynamic_axes={n: axes for n in ("input_ids", "attention_mask", "token_type_ids", "last_hidden_state")},
    opset_version=17,
    dynamo=False,
)
quantize_dynamic(str(fp32), str(target / "onnx" / "model_quantized.onnx"), weight_type=QuantType.QInt8)
