"""What the projector is first trained for: visual tokens that lie near the words for what they show.

The towers of real video VLMs were trained together with text, and LLaVA trains its projector alone before anything else,
so that a language model reads visual tokens as it reads words. Here a patch has known facts (`render.patch_labels`), so
its target is the sum of the word embeddings of these facts; a fact that has no word (where exactly a mover is, when
exactly a frame was taken) gets a fixed random direction of its own, or the projector would throw it away. The target of
a pooled token is the mean of its patches' targets.
"""

import torch
from torch import Tensor

from vidscale.runs.shapes.questions import TOKEN, words_of
from vidscale.runs.shapes.render import IGNORED, LABELS
from vidscale.runs.shapes.scene import CELLS, FRAMES, GRID, TILES

#: Seed of the random directions: they are part of the recipe, as the words are.
_DIRECTIONS_SEED = 5


def label_words() -> dict[str, list[tuple[str, ...]]]:
    """The words for each class of each label of a patch, in the order of the classes."""
    rows, columns, tiles, eighths, parts = (words_of(group) for group in ("rows", "columns", "tiles", "eighths", "parts"))
    places = [(rows[i // GRID], columns[i % GRID], tiles[i // GRID // 2 * TILES + i % GRID // 2])
              for i in range(GRID * GRID)]
    assert GRID == CELLS
    moments = [i * FRAMES // LABELS["time"] for i in range(LABELS["time"])]
    single = {"tile": words_of("dim-colours"), "glyph": words_of("glyphs"),
              "cover": ("", *words_of("events"), *words_of("flashes"), *words_of("signs")),
              "shape": ("", *words_of("shapes")), "colour": ("", *words_of("colours"))}
    return {
        **{name: [(word,) if word else () for word in words] for name, words in single.items()},
        "across": [()] * LABELS["across"], "down": [()] * LABELS["down"], "place": places,
        "time": [(eighths[at * 8 // FRAMES], parts[at * 3 // FRAMES]) for at in moments],
    }


#: Labels some of whose classes no word tells apart.
_WORDLESS = ("across", "down", "time")


def target_tables(embedding: Tensor) -> dict[str, Tensor]:
    """For each label the target of each class.

    Args:
        embedding: of words, shape (words, hidden).

    Returns:
        Tensors of shape (classes, hidden) on the embedding's device.
    """
    generator = torch.Generator().manual_seed(_DIRECTIONS_SEED)
    width, scale = embedding.shape[1], float(embedding.std())
    tables = {}
    for name, words in label_words().items():
        assert len(words) == LABELS[name]
        table = torch.zeros(len(words), width, device=embedding.device)
        for i, own in enumerate(words):
            for word in own:
                table[i] += embedding[TOKEN[word]]
        if name in _WORDLESS:
            table += (scale * torch.randn(len(words), width, generator=generator)).to(table.device)
            if name != "time":
                table[0] = 0.0  # no mover
        tables[name] = table
    return tables


def targets(labels: dict[str, Tensor], tables: dict[str, Tensor]) -> Tensor:
    """What the patches' tokens should be, from their labels (..., 64): shape (..., 64, hidden)."""
    total: Tensor | None = None
    for name, label in labels.items():
        own = tables[name][label.clamp(min=0)] * (label != IGNORED)[..., None]
        total = own if total is None else total + own
    assert total is not None
    return total
