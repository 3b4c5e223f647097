"""`vidscale cost`: what a configuration costs, and what prior work says it costs."""

from typing import Annotated, Any

import typer

from vidscale.cli.options import Printing
from vidscale.cli.screen import Screen
from vidscale.errors import InputError


def cost(
    at: Annotated[list[str], typer.Option("--at", metavar="lm_params=…,frames=…,tokens_per_frame=…", show_default=False,
                                          help="A configuration; repeatable.")] = [],  # noqa: B006
    encoder_params: Annotated[float, typer.Option(help="Parameters of the vision encoder.")] = 0.43e9,
    encoder_tokens: Annotated[float, typer.Option(help="Tokens the encoder sees per frame.")] = 768.0,
    *, printing: Printing,
) -> None:
    """What a configuration costs in FLOPs.

    Prefill FLOPs per video: the vision encoder's part, the language model's, and the bias of leaving the encoder out.

    \b
    Example:
      vidscale cost --at lm_params=7.5e9,frames=32,tokens_per_frame=196
    """
    from vidscale.cli.words import configuration
    from vidscale.cost import PaperCost

    if not at:
        raise InputError("nothing to cost; give --at lm_params=7.5e9,frames=32,tokens_per_frame=196")
    configurations = [configuration(text, "--at") for text in at]
    model = PaperCost(encoder_params=encoder_params, encoder_tokens=encoder_tokens)
    rows = [price(model, each) for each in configurations]
    screen = Screen(printing)
    if printing.as_json:
        screen.json({"cost": model.name, "unit": model.unit, "encoder_params": encoder_params,
                     "encoder_tokens": encoder_tokens, "configurations": rows})
        return
    from vidscale.report.listings import cost_table

    screen.tables(cost_table(rows, encoder_params, encoder_tokens))


def price(model: Any, x: Any) -> dict[str, float]:
    """One configuration with its costs in FLOPs; `lm_only_bias` is what the LM-only formula misses, as a fraction."""
    import numpy as np

    from vidscale.cost import LmOnlyCost

    point = np.array([[x.lm_params, x.frames, x.tokens_per_frame]], dtype=np.float64)
    total, lm_only = float(model.cost(point)[0]), float(LmOnlyCost().cost(point)[0])
    return {**x.as_dict(), "encoder_flops": float(model.encoder_cost(point)[0]),
            "lm_flops": float(model.lm_cost(point)[0]), "inference_flops": total,
            "encoder_share": float(model.encoder_share(point)[0]), "lm_only_flops": lm_only,
            "lm_only_bias": lm_only / total - 1}
