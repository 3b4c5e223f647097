"""The table of GPUs against what their chips can do, and the sparsity trap."""

import dataclasses

import pytest

from vidscale.cost.hardware import Gpu, gpu, gpus, load_gpus
from vidscale.errors import InputError

#: (multiprocessors or compute units, dense bf16 FLOPs of one in a clock, boost GHz) by white paper; a rate derived
#: without any sheet's tensor figure, so that a sparse figure would be off by 2. GeForce and A10G: fp32 accumulation at
#: half rate.
CHIPS = {
    "A100-80G": (108, 2048, 1.410), "H100": (132, 4096, 1.830), "H200": (132, 4096, 1.830), "L4": (58, 1024, 2.040),
    "L40S": (142, 1024, 2.520), "A10G": (80, 512, 1.710), "B200": (148, 8192, 1.860), "MI300X": (304, 2048, 2.100),
    "RTX 4090": (128, 512, 2.520),
}

#: What data sheets print with sparsity, TFLOP/s: (bf16, fp8).
SPARSE = {
    "A100-80G": (624, None), "H100": (1979, 3958), "H200": (1979, 3958), "L4": (242, 485), "L40S": (733, 1466),
    "B200": (4500, 9000), "MI300X": (2614.9, 5229.8), "RTX 4090": (330.4, 660.6),
}

OWN = """[[gpu]]
name = "{name}"
bf16_tflops = {bf16}
{fp8}
bandwidth_tbs = 0.864
memory_gb = 48
watts = 350
price_per_hour = 0.9
"""


@pytest.mark.parametrize("name", CHIPS)
def test_rates_are_what_the_chip_can_do_without_sparsity(name: str) -> None:
    units, each, ghz = CHIPS[name]
    assert gpu(name).bf16_flops == pytest.approx(units * each * ghz * 1e9, rel=0.02)
    assert set(CHIPS) == {one.name for one in gpus()}


@pytest.mark.parametrize("name", SPARSE)
def test_published_sparse_rates_are_twice_the_table(name: str) -> None:
    for mine, sparse in zip((gpu(name).bf16_flops, gpu(name).fp8_flops), SPARSE[name], strict=True):
        assert (mine is None) == (sparse is None)
        if mine is not None and sparse is not None:
            assert sparse * 1e12 / mine == pytest.approx(2, rel=0.015)


def test_the_table_holds_together() -> None:
    for one in gpus():
        assert 100 < one.intensity < 450
        assert one.price_low <= one.price_per_hour <= one.price_high
        assert one.source
        if one.fp8_flops is not None:
            assert one.fp8_flops / one.bf16_flops == pytest.approx(2, rel=0.03)
    names = [name.casefold().replace("-", "").replace(" ", "") for one in gpus() for name in {one.name, *one.aliases}]
    assert len(names) >= len(set(names)) >= 2 * len(gpus())
    assert "UNCONFIRMED" in gpu("a10g").source
    assert not any("UNCONFIRMED" in one.source for one in gpus() if one.name != "A10G")


def test_a_sparse_rate_does_not_pass() -> None:
    l40s = gpu("L40S")
    with pytest.raises(InputError, match="sparse"):
        dataclasses.replace(l40s, fp8_flops=1466e12)
    with pytest.raises(InputError, match="sparse"):
        dataclasses.replace(l40s, bf16_flops=733e12, fp8_flops=1466e12)  # 848 FLOPs per byte
    with pytest.raises(InputError, match="sparse"):
        dataclasses.replace(gpu("a100"), bf16_flops=1248e12)
    with pytest.raises(InputError, match="is bf16 sparse"):
        dataclasses.replace(gpu("mi300x"), bf16_flops=2614.9e12 * 1.5)


@pytest.mark.parametrize("name", ["h200", "H200", "H200-SXM", "h200_141gb", " h 200"])
def test_names_are_forgiving(name: str) -> None:
    assert gpu(name).name == "H200"
    assert gpu("4090").name == gpu("rtx 4090").name == "RTX 4090"


def test_an_unknown_gpu_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"unknown GPU 'h300'; allowed are A100-80G, H100, H200, .*RTX 4090") as said:
        gpu("h300")
    assert "\n" not in str(said.value)


def test_dtypes() -> None:
    assert gpu("h100").flops("fp16") == gpu("h100").flops("bf16") == gpu("h100").bf16_flops
    assert gpu("h100").flops("fp8") == gpu("h100").fp8_flops
    with pytest.raises(InputError, match="no fp8"):
        gpu("a100").flops("fp8")


def test_own_price() -> None:
    mine = gpu("h200").at_price(1.25)
    assert (mine.price_per_hour, mine.price_low, mine.price_high) == (1.25, 1.25, 1.25)
    assert gpu("h200").at_price(0).price_per_hour == 0
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="price"):
            gpu("h200").at_price(bad)


def test_own_gpus(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(OWN.format(name="Edge 9", bf16=200, fp8="fp8_tflops = 400\naliases = ['edge']"))
    (mine,) = load_gpus(path)
    assert isinstance(mine, Gpu)
    assert (mine.bf16_flops, mine.fp8_flops, mine.memory, mine.price_low) == (2e14, 4e14, 48e9, 0.9)
    assert gpu("EDGE", own=[mine]) is mine
    path.write_text(OWN.format(name="l40s", bf16=360, fp8=""))
    own = load_gpus(path)
    assert gpu("l40s", own=own) is own[0]


@pytest.mark.parametrize(("content", "said"), [
    (OWN.format(name="l40s", bf16=360, fp8="fp8_tflops = 1466"), "sparse"),
    (OWN.format(name="RTX-4090", bf16=330.4, fp8=""), "the dense rate of RTX 4090 is 165.2"),
    # Sparse rows of GPUs that are called something else: the memory's speed gives them away.
    (OWN.format(name="mine", bf16=1979, fp8="").replace("0.864", "3.35"), "the dense rate of H100 is 989"),
    (OWN.format(name="mine", bf16=1979, fp8="").replace("0.864", "4.8"), "the dense rate of H200 is 989"),
    (OWN.format(name="mine", bf16=624, fp8="").replace("0.864", "2.039"), "the dense rate of A100-80G is 312"),
    (OWN.format(name="x", bf16=200, fp8="").replace("0.864", "1500"), "bandwidth is 1500 TB/s; allowed are"),
    (OWN.format(name="x", bf16=200, fp8="").replace("= 48", "= 48e9"), "memory is 4.8e.10 GB; allowed are"),
    (OWN.format(name="x", bf16=200, fp8="price_low = 5\nprice_high = 1"), "the low one comes first"),
    (OWN.format(name=" ", bf16=200, fp8=""), "has no name"),
    (OWN.format(name="x", bf16=-3, fp8=""), "positive"),
    (OWN.format(name="x", bf16="'fast'", fp8=""), "allowed is a number"),
    (OWN.format(name="x", bf16=200, fp8="cores = 9"), "unknown key 'cores'"),
    (OWN.format(name="x", bf16=200, fp8="").replace("watts = 350\n", ""), "lacks watts"),
    (OWN.format(name="x", bf16=200, fp8="").replace("= 0.9", "= -0.9"), "price_per_hour is -0.9"),
    (OWN.format(name="x", bf16=200, fp8="aliases = 3"), "aliases is 3; allowed is a list"),
    (OWN.format(name="x" * 300, bf16=200, fp8=""), "one line of up to 100"),
    (OWN.format(name="a\\nb", bf16=200, fp8=""), "one line of up to 100"),
    (OWN.format(name="x", bf16="1" + "0" * 400, fp8=""), "allowed is a number"),
    (OWN.format(name="x", bf16="1" + "0" * 5000, fp8=""), "cannot read"),
    (OWN.format(name="x", bf16="nan", fp8=""), "positive finite"),
    (OWN.format(name="x", bf16="1e308", fp8=""), "number"),
    (OWN.format(name="x", bf16=200, fp8="source = " + "[" * 3000 + "]" * 3000), "cannot read"),
    (OWN.format(name="x", bf16=200, fp8="") * 101, "holds 101 GPUs"),
    ("", "holds no GPUs"), ("gpu = 3", "holds no GPUs"), ("[[gpu", "cannot read"),
])
def test_own_gpus_that_cannot_be_used(tmp_path, content: str, said: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(InputError, match=said) as problem:
        load_gpus(path)
    assert "\n" not in str(problem.value)


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(InputError, match="cannot read GPUs from"):
        load_gpus(tmp_path / "none.toml")
