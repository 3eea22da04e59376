"""python check.py FILE…: ONNX files by the onnx package's checker with shapes worked out, GGUF files by the gguf package."""

import sys

import gguf
import onnx

for path in sys.argv[1:]:
    if path.endswith(".onnx"):
        onnx.checker.check_model(path, full_check=True)
        continue
    reader = gguf.GGUFReader(path)
    names = {tensor.name for tensor in reader.tensors}
    expected = set()
    architecture = reader.fields["general.architecture"].contents()
    kind = {name: kind for kind, name in gguf.MODEL_ARCH_NAMES.items()}[architecture]
    for tensor in gguf.MODEL_TENSORS[kind]:
        expected.add(gguf.TENSOR_NAMES[tensor])
    blocks = reader.fields[f"{architecture}.block_count"].contents()
    known = {name.format(bid=i) for name in expected for i in range(blocks)}
    strange = [name for name in names if name.rsplit(".", 1)[0] not in known]
    if strange:
        raise SystemExit(f"{path}: llama.cpp knows no tensor {strange}")
    tokens = len(reader.fields["tokenizer.ggml.tokens"].data)
    rows = {tensor.name: tensor for tensor in reader.tensors}["token_embd.weight"].shape[1]
    if tokens != rows:
        raise SystemExit(f"{path}: {tokens} tokens and {rows} rows")
print(f"{len(sys.argv) - 1} files are right")
