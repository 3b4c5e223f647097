"""The measurements table, version 1: what a column is called, holds and may be.

One row is one run evaluated on one task. Every other stage depends on these names, so a foreign table is
renamed on the way in (`read_measurements(mapping=...)`) and never guessed at.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from vidscale.space import DATA_SIZE, FACTORS_AND_DATA, FRAMES, LM_PARAMS, TOKENS_PER_FRAME

#: Raised when a column changes its meaning; a table read today says which version it was read under.
SCHEMA_VERSION = 1

TASK, ERROR, SCORE, N_EVAL = "task", "error", "score", "n_eval"
SEED, SWEEP, RUN_ID, CHANCE = "seed", "sweep", "run_id", "chance"
ENCODER_PARAMS, ENCODER_TOKENS = "encoder_params", "encoder_tokens"
ADJUSTED, SYNTHETIC = "adjusted", "synthetic"

#: The unit of errors and scores that are not fractions.
PERCENT = "percent"

#: What the single task of a table without a task column is called.
DEFAULT_TASK = "task"


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of the schema.

    Attributes:
        name: its name in a canonical table.
        kind: "number", "integer", "text" or "flag".
        required: "yes", "no", or when it is.
        allowed: the values allowed, in words.
        meaning: what it holds, with its unit.
    """

    name: str
    kind: str
    required: str
    allowed: str
    meaning: str


_A_FACTOR = "one factor at least has to vary; without the column the factor counts as not varying"

COLUMNS: tuple[Column, ...] = (
    Column(name=LM_PARAMS, kind="number", required=_A_FACTOR, allowed="at least 1000",
           meaning="x_N: parameters of the language model (7.5e9, not 7.5)"),
    Column(name=FRAMES, kind="integer", required=_A_FACTOR, allowed="a whole number, at least 1",
           meaning="x_T: frames taken from each video"),
    Column(name=TOKENS_PER_FRAME, kind="number", required=_A_FACTOR, allowed="at least 1; an average may be a fraction",
           meaning="x_V: visual tokens per frame after pooling"),
    Column(name=DATA_SIZE, kind="number", required=_A_FACTOR, allowed="at least 1",
           meaning="n: finetuning examples (2e6, not 2)"),
    Column(name=SWEEP, kind="text", required="no", allowed="any label",
           meaning="which sweep the run belongs to, such as star or isoflop; split rules select by it"),
    Column(name=SEED, kind="integer", required="where a run is repeated",
           allowed="a whole number from 0, in every row or none",
           meaning="seed of the run; rows that differ only in it are replicates"),
    Column(name=RUN_ID, kind="text", required="where a run is repeated without seeds",
           allowed="any label, in every row or none", meaning="name of the run; the tasks of one run share it"),
    Column(name=TASK, kind="text", required="where there is more than one task", allowed="any name",
           meaning=f"the task evaluated; without the column there is one task, called {DEFAULT_TASK!r}"),
    Column(name=ERROR, kind="number", required="yes", allowed="more than 0, at most 1; 0 where n_eval is known",
           meaning="the task error as a fraction: 1 - accuracy for an accuracy task"),
    Column(name=N_EVAL, kind="integer", required="no", allowed="a whole number, at least 1; may be blank",
           meaning="questions the error was measured on; sets its sampling noise"),
    Column(name=CHANCE, kind="number", required="no", allowed="at least 0, less than 1; one value per task",
           meaning="accuracy of guessing on this task, in the unit of the measured column: 0.25, or 25 where that is "
                   "declared in per cent"),
    Column(name=ENCODER_PARAMS, kind="number", required="with encoder_tokens",
           allowed="at least 1; one value in all rows",
           meaning="x_M: parameters of the vision encoder; without it costs take the paper's 0.43e9"),
    Column(name=ENCODER_TOKENS, kind="number", required="with encoder_params",
           allowed="at least 1; one value in all rows",
           meaning="x_W: tokens that the vision encoder sees per frame; without it costs take the paper's 768"),
    Column(name=ADJUSTED, kind="flag", required="no", allowed="true or false",
           meaning="true where an observed error of 0 became 0.5 / (n_eval + 1); set on reading"),
    Column(name=SYNTHETIC, kind="flag", required="no", allowed="true or false",
           meaning="true where the row was generated, not measured"),
)

#: Canonical names in canonical order.
NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)

#: What tells one run from another; the tasks of a run share all of these.
RUN_KEY: tuple[str, ...] = (*FACTORS_AND_DATA, SWEEP, SEED, RUN_ID)

#: Units a column may be declared in, and the factor that turns each into the canonical unit.
UNITS: Mapping[str, Mapping[str, float]] = {
    ERROR: {"fraction": 1.0, PERCENT: 100.0},
    LM_PARAMS: {"1": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9},
    DATA_SIZE: {"1": 1.0, "k": 1e3, "K": 1e3, "M": 1e6},
}

#: What the measured column may hold; declared by the reader's caller, because 0.4 can be either.
METRICS: tuple[str, ...] = (ERROR, SCORE)


def template_csv() -> str:
    """An empty measurements table: the header line of a CSV file, ready to be filled in.

    The columns vidscale sets itself (`adjusted`, `synthetic`) are left out; so may any optional one be.

    Example:
        >>> template_csv().startswith("lm_params,frames,")
        True
    """
    return ",".join(name for name in NAMES if name not in (ADJUSTED, SYNTHETIC)) + "\n"


def describe_schema() -> list[dict[str, str]]:
    """Every column as a dict of name, kind, required, allowed and meaning, in canonical order."""
    return [
        {"name": c.name, "kind": c.kind, "required": c.required, "allowed": c.allowed, "meaning": c.meaning}
        for c in COLUMNS
    ]
