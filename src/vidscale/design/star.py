"""The star sweep: hold a centre and vary one factor at a time.

A star gives each factor's own exponent from few runs, where a full grid of the same levels would need eight
times as many. What it cannot see is a term in two factors at once: every run keeps two factors at the centre.
"""

from collections.abc import Iterable, Sequence

from vidscale.design.spec import RunSpec, SweepDesign, whole_seeds
from vidscale.errors import InputError
from vidscale.space import FACTORS, Lattice, ScalingFactors, published_lattice

#: Centre and data sizes of the paper's star sweep (Wang et al., ACL 2025, section 4).
PAPER_CENTRE = ScalingFactors(lm_params=7.5e9, frames=32, tokens_per_frame=196)
PAPER_STAR_DATA_SIZES: tuple[float, ...] = (0.25e6, 0.5e6, 1e6)


def star_design(
    *,
    centre: ScalingFactors = PAPER_CENTRE,
    lattice: Lattice | None = None,
    data_sizes: Sequence[float] = PAPER_STAR_DATA_SIZES,
    seeds: Iterable[int] = (0,),
) -> SweepDesign:
    """Plan a star sweep: every level of each factor in turn, the others at the centre, at each data size.

    Args:
        centre: the configuration all arms share; it is planned once per data size and seed.
        lattice: the levels of each arm; None means the published ranges.
        data_sizes: finetuning examples, each an entire star.
        seeds: seeds of each run; more than one gives replicates, which measure the noise.

    Returns:
        The plan, sorted by data size; with the defaults 13 configurations × 3 data sizes = 39 runs.

    Raises:
        InputError: no data size or no seed was given, or a data size is not positive.
    """
    lattice = published_lattice() if lattice is None else lattice
    sizes = tuple(dict.fromkeys(float(size) for size in data_sizes))
    if not sizes:
        raise InputError("no data size was given; a star sweep needs at least one number of examples")
    seeds = whole_seeds(seeds)
    runs = tuple(
        RunSpec(factors=factors, data_size=size, sweep="star", seed=seed)
        for size in sizes
        for factors in _arms(centre, lattice)
        for seed in seeds
    )
    return SweepDesign(name="star", runs=runs, notes=_notes(lattice, sizes))


def _arms(centre: ScalingFactors, lattice: Lattice) -> tuple[ScalingFactors, ...]:
    """The centre, then each arm's levels ascending; a level equal to the centre's is not repeated."""
    found = {tuple(centre): centre}
    for factor in FACTORS:
        for level in lattice.levels[factor]:
            moved = {**centre.as_dict(), factor: float(level)}
            configuration = ScalingFactors.of(moved[name] for name in FACTORS)
            found.setdefault(tuple(configuration), configuration)
    return tuple(found.values())


def _notes(lattice: Lattice, sizes: tuple[float, ...]) -> tuple[str, ...]:
    notes = [
        f"{factor} has one level, so this star says nothing about it"
        for factor in FACTORS
        if lattice.levels[factor].size < 2
    ]
    if len(sizes) < 2:
        notes.append("data_size has one level, so this star says nothing about it")
    return tuple(notes)
