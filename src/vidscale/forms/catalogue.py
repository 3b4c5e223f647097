"""The published forms. x_N, x_T, x_V: language-model size, frames, tokens per frame; n: finetuning examples.

    mult            α x_N^-a_N x_T^-a_T x_V^-a_V n^-d + ε
    add             Σ_k α_k x_k^-a_k + ξ n^-d + ε
    add-interact-s  Σ_k α_k x_k^-a_k + Σ_k β_k x_k^b n^-d + ξ n^-d + ε      one shared b
    add-interact    Σ_k α_k x_k^-a_k + Σ_k β_k x_k^b_k n^-d + ξ n^-d + ε

Wang et al., "Inference Compute-Optimal Video Vision Language Models", ACL 2025 (arXiv 2505.18855), section 5.
"""

from vidscale.errors import InputError
from vidscale.forms.posynomial import Exponent, Posynomial, Term
from vidscale.space import DATA_SIZE, FACTORS, FACTORS_AND_DATA, LM_PARAMS, SUFFIXES, TOKENS_PER_FRAME

_PAPER = "Wang et al., ACL 2025, arXiv 2505.18855"


def _term(coefficient: str, **exponents: str) -> Term:
    return Term(coefficient=coefficient, exponents={k: Exponent.parse(v) for k, v in exponents.items()})


_DECAYS = tuple(_term(f"alpha_{SUFFIXES[k]}", **{k: f"-a_{SUFFIXES[k]}"}) for k in FACTORS)
_DATA = (_term("xi", **{DATA_SIZE: "-d"}), _term("epsilon"))


def _interactions(shared: bool) -> tuple[Term, ...]:
    return tuple(
        _term(f"beta_{SUFFIXES[k]}", **{k: "b" if shared else f"b_{SUFFIXES[k]}", DATA_SIZE: "-d"}) for k in FACTORS
    )


MULT = Posynomial(
    name="mult",
    factors=FACTORS_AND_DATA,
    terms=(
        _term("alpha", **{k: f"-a_{SUFFIXES[k]}" for k in FACTORS}, **{DATA_SIZE: "-d"}),
        _term("epsilon"),
    ),
    source=_PAPER,
)
ADD = Posynomial(name="add", factors=FACTORS_AND_DATA, terms=_DECAYS + _DATA, source=_PAPER)
ADD_INTERACT_S = Posynomial(
    name="add-interact-s",
    factors=FACTORS_AND_DATA,
    terms=_DECAYS + _interactions(shared=True) + _DATA,
    source=_PAPER,
    note="our reading of a form we know only by name: one interaction exponent b is shared by all factors",
)
ADD_INTERACT = Posynomial(
    name="add-interact",
    factors=FACTORS_AND_DATA,
    terms=_DECAYS + _interactions(shared=False) + _DATA,
    source=_PAPER,
)
CHINCHILLA = Posynomial(
    name="chinchilla",
    factors=(LM_PARAMS, DATA_SIZE),
    terms=(_term("A", lm_params="-alpha"), _term("B", data_size="-beta"), _term("E")),
    source="Hoffmann et al. 2022, arXiv 2203.15556",
)
LI = Posynomial(
    name="li",
    factors=(LM_PARAMS, TOKENS_PER_FRAME),
    terms=(_term("A", lm_params="-alpha", tokens_per_frame="-beta"), _term("D")),
    source="Li et al. 2024, arXiv 2411.03312",
)

#: Every published form by name.
CATALOGUE: dict[str, Posynomial] = {
    form.name: form for form in (MULT, ADD, ADD_INTERACT_S, ADD_INTERACT, CHINCHILLA, LI)
}

#: The four forms the paper compares.
PAPER_FORMS: tuple[str, ...] = ("mult", "add", "add-interact-s", "add-interact")


def form(name: str) -> Posynomial:
    """A form of the catalogue by name.

    Raises:
        InputError: no form has that name.
    """
    if name not in CATALOGUE:
        raise InputError(f"unknown form {name!r}; the catalogue holds {', '.join(CATALOGUE)}, "
                         "and a path to a .toml file declares another")
    return CATALOGUE[name]
