"""GPUs: how fast, how much memory, at what price.

Rates are dense. Data sheets like to print the rate with structured sparsity, which is twice the dense one and which an
ordinary checkpoint never sees; a table that mixes both is wrong by 2 without looking so. `check_dense` refuses what
gives itself away.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeGuard

from vidscale.errors import InputError
from vidscale.space.json_fields import shown

#: fp8 tensor cores have at most twice the bf16 rate; data sheets round.
FP8_OVER_BF16 = (0.97, 2.06)

#: FLOPs per byte of memory traffic at peak; from 117 (A10G) to 419 (L40S) where both figures are dense.
HIGHEST_INTENSITY = 600.0

#: No figure of a GPU, in FLOP/s, bytes, watts or dollars, comes near it, and nothing computed from one overflows.
LARGEST = 1e24

#: GPUs of one file.
MOST_GPUS = 100

#: A name stands in messages, tables and names of files.
LONGEST_NAME, LONGEST_SOURCE = 100, 1000

#: Unit, its size, and what one GPU can be thought to have: outside of it the figure is in another unit.
_PLAUSIBLE = {"bf16_flops": ("TFLOP/s", 1e12, 0.1, 1e5), "bandwidth": ("TB/s", 1e12, 0.01, 100),
              "memory": ("GB", 1e9, 1, 1e4)}

_KEYS = ("name", "aliases", "bf16_tflops", "fp8_tflops", "bandwidth_tbs", "memory_gb", "watts", "price_per_hour",
         "price_low", "price_high", "source")


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU as its data sheet has it.

    Attributes:
        name, aliases: what it is called; case, blanks, "-" and "_" do not matter.
        bf16_flops: dense tensor FLOP/s in bf16 (fp16 is the same), fp32 accumulation.
        fp8_flops: the same in fp8; None where the GPU has none.
        bandwidth: memory bytes per second.
        memory: bytes, the sheet's GB as 1e9; drivers of GPUs with HBM report up to 7 % more.
        watts: board power.
        price_per_hour: dollars per GPU-hour; low and high are what was seen.
        source: where the figures are from.

    Raises:
        InputError: a figure is not positive, or looks like a sparse rate; a name is not one line.
    """

    name: str
    aliases: tuple[str, ...] = ()
    bf16_flops: float
    fp8_flops: float | None = None
    bandwidth: float
    memory: float
    watts: float
    price_per_hour: float
    price_low: float
    price_high: float
    source: str = "the user's own"

    def __post_init__(self) -> None:
        for what, text, longest in (("name", self.name, LONGEST_NAME), ("source", self.source, LONGEST_SOURCE),
                                    *(("alias", alias, LONGEST_NAME) for alias in self.aliases)):
            if not isinstance(text, str) or not text.isprintable() or not len(text) <= longest:
                raise InputError(f"a GPU has {what} {shown(text)}; allowed is one line of up to {longest} characters")
        for name in ("bf16_flops", "fp8_flops", "bandwidth", "memory", "watts"):
            value = getattr(self, name)
            if not (value is None and name == "fp8_flops") and not (_is_number(value) and 0 < value <= LARGEST):
                raise InputError(f"GPU {self.name!r}: {name} is {shown(value)}; allowed is a positive finite number")
        for name in ("price_per_hour", "price_low", "price_high"):
            _check_price(getattr(self, name), f"GPU {self.name!r}: {name}")
        if not self.name.strip():
            raise InputError("a GPU has no name; give it one")
        if not self.price_low <= self.price_high:
            raise InputError(f"GPU {self.name!r}: price_low is {self.price_low:g} and price_high {self.price_high:g}; "
                             "the low one comes first")
        for name, (unit, scale, least, most) in _PLAUSIBLE.items():
            value = getattr(self, name)
            if not least <= value / scale <= most:
                raise InputError(f"GPU {self.name!r}: {name} is {value / scale:g} {unit}; allowed are {least:g} to "
                                 f"{most:g} {unit}")
        check_dense(self)

    @property
    def intensity(self) -> float:
        """FLOPs per byte above which an operation in bf16 is bound by arithmetic and not by memory."""
        return self.bf16_flops / self.bandwidth

    def flops(self, dtype: str) -> float:
        """Dense FLOP/s of matrix products in "bf16", "fp16" or "fp8"; raises InputError where there are none."""
        if dtype in ("bf16", "fp16"):
            return self.bf16_flops
        if dtype == "fp8" and self.fp8_flops is not None:
            return self.fp8_flops
        raise InputError(f"GPU {self.name!r} has no {dtype} matrix products; allowed are bf16, fp16"
                         f"{', fp8' if self.fp8_flops else ''}")

    def at_price(self, price_per_hour: float) -> "Gpu":
        """The same GPU at one's own price, in dollars per hour; raises InputError where it is negative."""
        _check_price(price_per_hour, "price per GPU-hour")
        return replace(self, price_per_hour=price_per_hour, price_low=price_per_hour, price_high=price_per_hour)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_price(value: float, what: str) -> None:
    if not (_is_number(value) and 0 <= value <= LARGEST):
        raise InputError(f"{what} is {shown(value)}; allowed are 0 and positive dollars per hour")


def check_dense(gpu: Gpu) -> None:
    """Refuse rates that give themselves away as sparse ones: against each other, and against the memory's speed.

    Raises:
        InputError: fp8 is over twice bf16, or bf16 is out of all proportion to the bandwidth.
    """
    hint = "data sheets print the sparse rate, twice the dense one: halve it"
    if gpu.fp8_flops is not None:
        ratio = gpu.fp8_flops / gpu.bf16_flops
        if ratio > FP8_OVER_BF16[1]:
            raise InputError(f"GPU {gpu.name!r}: fp8 is {ratio:.3g} times bf16, at most 2 is possible; {hint}")
        if ratio < FP8_OVER_BF16[0]:
            raise InputError(f"GPU {gpu.name!r}: fp8 is {ratio:.3g} times bf16, 1 is the least; is bf16 sparse? {hint}")
    if gpu.intensity > HIGHEST_INTENSITY:
        raise InputError(f"GPU {gpu.name!r}: {gpu.intensity:.0f} bf16 FLOPs per byte of bandwidth, at most "
                         f"{HIGHEST_INTENSITY:g} is plausible; {hint}")


@cache
def gpus() -> tuple[Gpu, ...]:
    """The GPUs that come with the package, see data/gpus.toml."""
    return _parse(tomllib.loads(files("vidscale.cost").joinpath("data/gpus.toml").read_text("utf-8")), "gpus.toml")


def gpu(name: str, own: Sequence[Gpu] = ()) -> Gpu:
    """A GPU by name or alias.

    Args:
        name: such as "h200"; case, blanks, "-" and "_" do not matter.
        own: more GPUs, see `load_gpus`; they come before those of the package.

    Raises:
        InputError: there is none of that name.

    Example:
        >>> gpu("h200").memory
        141000000000.0
    """
    table = (*own, *gpus())
    for one in table:
        if _plain(name) in {_plain(each) for each in (one.name, *one.aliases)}:
            return one
    names = ", ".join(dict.fromkeys(one.name for one in table))
    raise InputError(f"unknown GPU {name!r}; allowed are {names}, or one of your own from a .toml file")


def load_gpus(path: str | Path) -> tuple[Gpu, ...]:
    """Read one's own GPUs from a TOML file of [[gpu]] tables.

    Keys: name, bf16_tflops (dense), bandwidth_tbs, memory_gb, watts, price_per_hour; and where wanted aliases,
    fp8_tflops (dense), price_low, price_high, source.

    Raises:
        InputError: the file cannot be read, a key is missing or unknown, a figure is impossible or a sparse rate.
    """
    try:
        content = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as problem:  # ValueError: no text, no TOML, too many digits
        said = str(getattr(problem, "strerror", None) or problem).splitlines()[0][:200]
        raise InputError(f"cannot read GPUs from {path}: {said}") from None
    found = _parse(content, str(path))
    for one in found:
        _check_known(one)
    return found


def _check_known(own: Gpu) -> None:
    """Refuse a user's row that carries the sparse rate of a known GPU: of that name, or of that memory bandwidth."""
    for known in gpus():
        names = {_plain(each) for each in (known.name, *known.aliases)}
        if _plain(own.name) not in names and abs(own.bandwidth / known.bandwidth - 1) > 0.03:
            continue
        for name in ("bf16_flops", "fp8_flops"):
            mine, sheet = getattr(own, name), getattr(known, name)
            if mine and sheet and mine > 1.9 * sheet:
                raise InputError(
                    f"GPU {own.name!r}: {name.removesuffix('_flops')} is {mine / 1e12:g} TFLOP/s, the dense rate of "
                    f"{known.name} is {sheet / 1e12:g}; data sheets print the sparse rate, twice the dense one")


def _parse(content: Mapping[str, Any], where: str) -> tuple[Gpu, ...]:
    rows = content.get("gpu")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise InputError(f"{where} holds no GPUs; write a [[gpu]] table with name, bf16_tflops, bandwidth_tbs, "
                         "memory_gb, watts, price_per_hour")
    if len(rows) > MOST_GPUS:
        raise InputError(f"{where} holds {len(rows)} GPUs; allowed are at most {MOST_GPUS}")
    return tuple(_gpu(row, where) for row in rows)


def _gpu(row: Mapping[str, Any], where: str) -> Gpu:
    name = str(row.get("name", "?"))[:LONGEST_NAME]
    unknown = sorted(set(row) - set(_KEYS))
    if unknown:
        raise InputError(f"{where}: GPU {name!r} has an unknown key {unknown[0]!r}; allowed are {', '.join(_KEYS)}")
    needed = ("name", "bf16_tflops", "bandwidth_tbs", "memory_gb", "watts", "price_per_hour")
    missing = [key for key in needed if key not in row]
    if missing:
        raise InputError(f"{where}: GPU {name!r} lacks {', '.join(missing)}")

    def read(key: str, scale: float) -> float:
        value = row[key]
        if not _is_number(value) or abs(value) > LARGEST:
            raise InputError(f"{where}: GPU {name!r}: {key} is {shown(value)}; allowed is a number")
        return value * scale

    price, aliases = read("price_per_hour", 1), row.get("aliases", [])
    if not isinstance(aliases, list):
        raise InputError(f"{where}: GPU {name!r}: aliases is {shown(aliases)}; allowed is a list of names")
    return Gpu(
        name=row["name"], aliases=tuple(aliases), bf16_flops=read("bf16_tflops", 1e12),
        fp8_flops=read("fp8_tflops", 1e12) if "fp8_tflops" in row else None,
        bandwidth=read("bandwidth_tbs", 1e12), memory=read("memory_gb", 1e9), watts=read("watts", 1),
        price_per_hour=price, price_low=read("price_low", 1) if "price_low" in row else price,
        price_high=read("price_high", 1) if "price_high" in row else price,
        source=row.get("source", "the user's own"),
    )


def _plain(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter not in " -_")


def gpu_of_device(device: str) -> Gpu:
    """The GPU that a driver calls by this name, such as "NVIDIA H100 80GB HBM3".

    Raises:
        InputError: the table has no such GPU, or only one of another form factor, whose rates differ.

    Example:
        >>> gpu_of_device("NVIDIA A100-SXM4-80GB").name
        'A100-80G'
    """
    words = {_plain(word) for word in re.split(r"[\s-]+", device)}
    found = [one for one in gpus() if any(_plain(each) in words for each in (one.name, *one.aliases))]
    other = words & {"pcie", "nvl", "40gb"}
    if len(found) == 1 and not other:
        return found[0]
    raise InputError(f"the hardware table has no {device!r}; describe it in a .toml file and name that with --gpu "
                     f"(the table has {', '.join(one.name for one in gpus())})")
