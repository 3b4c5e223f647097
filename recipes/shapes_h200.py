"""The moving-shapes study: every setting, fixed before the first run of the sweep (LOG.md says what was tried before).

A variant calls `shapes_h200()` and replaces fields (`dataclasses.replace`); `shapes_tiny()` is the same study at a size
for a CPU and a minute.
"""

from dataclasses import replace

from vidscale.runs.shapes.config import LADDER, Further, IsoFlop, Repeats, Star, Study, Training
from vidscale.runs.shapes.model import LmShape, TowerShape


def shapes_h200() -> Study:
    """The study: 5 language models (0.1M to 6M), 6 frame counts, 6 token counts, 4 data sizes."""
    centre, sizes = ("2.3M", 16, 16), (6_400 * 24, 12_800 * 24, 25_600 * 24)
    frames, tokens = (1, 2, 4, 8, 16, 32), (1, 4, 9, 16, 36, 64)
    arms = (*((lm.name, *centre[1:]) for lm in LADDER if lm.name != centre[0]),
            *((centre[0], count, centre[2]) for count in frames if count != centre[1]),
            *((*centre[:2], count) for count in tokens if count != centre[2]))
    return Study(
        name="shapes-h200",
        tower=TowerShape(layers=4, hidden=128, mlp=512),
        ladder=LADDER,
        frames=frames,
        tokens=tokens,
        tower_training=Training(examples=1_200_000, batch=512, learning_rate=1e-3),
        alignment=Training(examples=80_000, batch=128, learning_rate=3e-3),
        base_training=Training(examples=256_000, batch=32, learning_rate=6e-4, reference_hidden=256),
        finetuning=Training(examples=None, batch=32, learning_rate=6e-4, reference_hidden=256),
        base_mix=((16, 16), (16, 4), (16, 16), (8, 36), (16, 16), (32, 4), (16, 1), (4, 64)),
        eval_clips=4096,
        data_seed=20,
        star=Star(centre=centre, data_sizes=sizes),
        isoflop=IsoFlop(budgets=(8e8, 2e9, 5e9, 1.2e10), tolerance=0.16, data_size=51_200 * 24),
        repeats=(
            Repeats(sweep="star", configurations=(centre,), data_sizes=sizes, seeds=(1, 2, 3)),
            Repeats(sweep="star", configurations=arms, data_sizes=(sizes[0], sizes[-1]), seeds=(1,)),
        ),
    )


def shapes_h200_further() -> Study:
    """The same study with what was added once its first 130 runs were seen (LOG.md): isoFLOP sweeps at less data.

    The first runs could not tell how the optimum moves with data, and their dearest budget held one configuration.
    """
    first = shapes_h200()
    n, sizes = first.isoflop, first.star.data_sizes
    return replace(first, further=(
        Further(budgets=n.budgets, tolerance=n.tolerance, data_sizes=sizes),
        Further(budgets=n.budgets[-1:], tolerance=0.22, data_sizes=(*sizes, n.data_size)),
        Further(budgets=n.budgets, tolerance=n.tolerance, data_sizes=sizes[:2], seeds=(1,)),
    ))


def shapes_tiny() -> Study:
    """The same study in miniature; what it measures means nothing, that it runs does."""
    full = shapes_h200()
    small = Training(examples=64, batch=16, learning_rate=2e-3)
    return replace(
        full,
        name="shapes-tiny",
        tower=TowerShape(layers=1, hidden=32, mlp=64),
        ladder=(LmShape(name="8k", layers=1, hidden=32, mlp=64), LmShape(name="25k", layers=2, hidden=32, mlp=96)),
        frames=(1, 2, 4),
        tokens=(1, 4),
        tower_training=small,
        alignment=small,
        base_training=small,
        finetuning=replace(small, examples=None),
        base_mix=((2, 4), (4, 1)),
        eval_clips=32,
        star=Star(centre=("8k", 2, 4), data_sizes=(384, 768)),
        isoflop=IsoFlop(budgets=(4e6,), tolerance=0.2, data_size=1536),
        repeats=(Repeats(sweep="star", configurations=(("8k", 2, 4),), data_sizes=(768,), seeds=(1,)),),
    )
