"""Does the text encoder match captions with drawings? Half of the drawings differ from another in one attribute."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from ..nn.pixels import to_tensor
from ..training.data import captions, images
from ..world import KINDS
from ..zoo.loading import load_text, load_vae
from .table import Table


@torch.inference_mode()
def text(count: int = 1024, batch: int = 128) -> Table:
    """Measure how many captions are most similar to their own drawing among `batch`.

    Drawings come in pairs, the second of which differs from the first in one thing that the caption states.
    """
    model, vae, data = load_text(), load_vae(), images(2000, "test")
    right: dict[str, list[float]] = {"by sentences": [], "by words and regions": [],
                                     "against the other of its pair": []}
    for start in range(0, count, batch):
        z = torch.cat([vae.encode(to_tensor(data[k : k + 32])) for k in range(start, start + batch, 32)])
        tokens = model.text_encoder.tokenizer(captions(list(range(start, start + batch)), 0, "test", everything=True))
        by_sentence, by_words = model.similarity(tokens, z)
        own = torch.arange(batch)
        right["by sentences"] += (by_sentence.argmax(1) == own).tolist()
        right["by words and regions"] += (by_words.argmax(1) == own).tolist()
        both = by_sentence + by_words
        right["against the other of its pair"] += (both[own, own] > both[own, own ^ 1]).tolist()
    rows: list[dict] = [{"what": what, "value": f"{100 * sum(hits) / len(hits):.1f} %"} for what, hits in right.items()]
    words = F.normalize(model.text_encoder.encode([f"a {kind}" for kind in KINDS]).vectors[:, 2], dim=-1)
    near = {kind: words[i] for i, kind in enumerate(KINDS)}
    rows += [{"what": f"cosine {a} and {b}", "value": f"{float(near[a] @ near[b]):.2f}"}
             for a, b in (("cat", "dog"), ("cat", "car"), ("car", "truck"))]
    return Table(f"The text encoder on {count} captions of the test split, {batch} drawings to choose from", rows)
