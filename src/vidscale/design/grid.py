"""The full grid: every configuration of a lattice at every data size.

The plainest design and the dearest: it takes the product of the levels where a star takes their sum. It sees
what a star cannot, terms in two factors at once, so it is worth its price where the levels are few or runs cheap.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from vidscale.cost import CostModel, PaperCost
from vidscale.design.spec import RunSpec, SweepDesign, whole_seeds
from vidscale.design.star import PAPER_STAR_DATA_SIZES
from vidscale.errors import InputError
from vidscale.space import FACTORS, Lattice, ScalingFactors, published_lattice


def grid_design(
    *,
    lattice: Lattice | None = None,
    data_sizes: Sequence[float] = PAPER_STAR_DATA_SIZES,
    dearest: float | None = None,
    cost: CostModel | None = None,
    seeds: Iterable[int] = (0,),
) -> SweepDesign:
    """Plan every configuration at every data size.

    Args:
        lattice: the configurations; None means the published ranges.
        data_sizes: finetuning examples, each an entire grid.
        dearest: leave out configurations that cost more than this per inference, in the unit of the cost model.
        cost: what prices them; None means the paper's FLOPs.
        seeds: seeds of each run.

    Returns:
        The plan, sorted by data size; with the defaults 105 configurations × 3 data sizes = 315 runs. A note counts
        what `dearest` left out.

    Raises:
        InputError: no data size or seed was given, or nothing is as cheap as `dearest`.
    """
    lattice = published_lattice() if lattice is None else lattice
    cost = PaperCost() if cost is None else cost
    sizes = tuple(dict.fromkeys(float(size) for size in data_sizes))
    if not sizes:
        raise InputError("no data size was given; a grid needs at least one number of examples")
    seeds = whole_seeds(seeds)
    price = cost.cost(lattice.points)
    kept = np.full(len(lattice), True) if dearest is None else price <= dearest * (1 + 1e-12)
    if not kept.any():
        raise InputError(f"no configuration of the grid costs at most {dearest:.4g} {cost.unit}; the cheapest costs "
                         f"{price.min():.4g}")
    configurations = [ScalingFactors.of(point) for point in lattice.points[kept]]
    runs = tuple(
        RunSpec(factors=factors, data_size=size, sweep="grid", seed=seed)
        for size in sizes
        for factors in configurations
        for seed in seeds
    )
    notes = [f"{factor} has one level, so this grid says nothing about it"
             for factor in FACTORS if lattice.levels[factor].size < 2]
    if not kept.all():
        notes.append(f"{int((~kept).sum())} of {len(lattice)} configurations cost more than {dearest:.4g} "
                     f"{cost.unit} and were left out")
    return SweepDesign(name="grid", runs=runs, notes=tuple(notes))
