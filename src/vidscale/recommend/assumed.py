"""What was taken for granted about a request, where the answer depends on it."""

from vidscale.cost.deployment import TIMED
from vidscale.recommend.answerer import Asked
from vidscale.recommend.recommendation import Risk

#: Costs that grow with the tokens of the answer: all times but the one to the first of them.
_ANSWERED = tuple(kind for kind in TIMED if kind != "ttft")


def assumed(asked: Asked) -> tuple[Risk, ...]:
    """A risk where times are asked for and nobody said how long an answer is: one token is the shortest there is."""
    kinds = [kind for kind in asked.settings.kinds if kind in _ANSWERED]
    if not kinds or asked.answer_given or asked.settings.output_tokens != 1:
        return ()
    verb = "counts" if len(kinds) == 1 else "count"
    return (Risk(kind="one-token-answer", sentence=(
        f"{' and '.join(kinds)} {verb} an answer of 1 token, since none was named: longer answers take longer "
        "(--output-tokens 64, in Python output_tokens=64)")),)
