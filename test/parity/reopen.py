"""python reopen.py OPENED SAVED TEXTS VECTORS: what sentence-transformers makes of the texts (a JSON list) with the model
of the folder OPENED, as float32 one vector after the other; and that model saved by sentence-transformers."""

import json
import sys
from pathlib import Path

from sentence_transformers import SentenceTransformer

opened, saved, texts, vectors = sys.argv[1:]
model = SentenceTransformer(opened, device="cpu").eval()
model.encode(json.loads(Path(texts).read_text(encoding="utf-8")), convert_to_numpy=True).astype("<f4").tofile(vectors)
model.save_pretrained(saved)
