"""What the projector is first trained for: visual tokens that lie near the words for what they show.

The towers of real video VLMs were trained together with text, and LLaVA trains its projector alone before anything
else, so that a language model reads visual tokens as it reads words. Here a patch has known facts
(`render.patch_labels`), so its target is the sum of the word embeddings of these facts, rotated (`model.seen`). A fact
that has no word (where exactly a mover is, when exactly a frame was taken) is written as waves along fixed random
directions, so that what is near in the picture is near in the target; without it the projector would throw it away.
What is rare is loud (`SALIENCE`): a sum in which an event counts like the glyph beside it is a needle in a haystack.
The target of a pooled token is the mean of its patches'.
"""

import math

import torch
from torch import Tensor

from vidscale.runs.shapes.questions import TOKEN, words_of
from vidscale.runs.shapes.render import IGNORED, LABELS
from vidscale.runs.shapes.scene import CELLS, FRAMES, GRID, TILES

#: Seed of the random directions: they are part of the recipe, as the words are.
_DIRECTIONS_SEED = 5


def label_words() -> dict[str, list[tuple[str, ...]]]:
    """The words for each class of each label of a patch, in the order of the classes."""
    rows, columns, tiles, eighths, parts = (
        words_of(group) for group in ("rows", "columns", "tiles", "eighths", "parts"))
    places = [(rows[i // GRID], columns[i % GRID], tiles[i // GRID // 2 * TILES + i % GRID // 2])
              for i in range(GRID * GRID)]
    assert GRID == CELLS
    moments = [i * FRAMES // LABELS["time"] for i in range(LABELS["time"])]
    blink, flash, sign = words_of("events")
    covers = [(), (blink,), *((flash, word) for word in words_of("flashes")),
              *((sign, word) for word in words_of("signs"))]
    single = {"tile": words_of("dim-colours"), "glyph": words_of("glyphs"),
              "shape": ("", *words_of("shapes")), "colour": ("", *words_of("colours"))}
    return {
        "cover": covers, **{name: [(word,) if word else () for word in words] for name, words in single.items()},
        "across": [()] * LABELS["across"], "down": [()] * LABELS["down"], "place": places,
        "time": [(eighths[at * 8 // FRAMES], parts[at * 3 // FRAMES]) for at in moments],
    }


#: How loud a label is in the target; 1 where nothing is said.
SALIENCE: dict[str, float] = {"cover": 3.0, "shape": 2.0, "colour": 2.0, "across": 2.0, "down": 2.0}

#: Labels without words: waves over the classes, by their number of turns. Positions go round, as movers do.
WAVES: dict[str, tuple[float, ...]] = {"across": (1, 2, 4), "down": (1, 2, 4), "time": (0.5, 1, 2, 4)}


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
        if name in WAVES:
            table += _waves(name, width, generator).to(table.device) * scale
        tables[name] = table * SALIENCE.get(name, 1.0)
    return tables


def _waves(name: str, width: int, generator: torch.Generator) -> Tensor:
    """The classes of a label as points on waves, shape (classes, width), about unit variance; class 0 of a position,
    no mover, is nothing."""
    first = 0 if name == "time" else 1
    turns = torch.tensor(WAVES[name])
    at = torch.arange(LABELS[name] - first) / (LABELS[name] - first)
    angle = 2 * math.pi * at[:, None] * turns
    directions = torch.randn(2 * len(turns), width, generator=generator)
    waves = torch.cat([angle.cos(), angle.sin()], dim=1) @ directions / math.sqrt(len(turns))
    return torch.cat([torch.zeros(first, width), waves])


def targets(labels: dict[str, Tensor], tables: dict[str, Tensor]) -> Tensor:
    """What the patches' tokens should be, from their labels (..., 64): shape (..., 64, hidden)."""
    total: Tensor | None = None
    for name, label in labels.items():
        own = tables[name][label.clamp(min=0)] * (label != IGNORED)[..., None]
        total = own if total is None else total + own
    assert total is not None
    return total
