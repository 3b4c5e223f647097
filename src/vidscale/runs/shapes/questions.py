"""Questions about a clip, in a language of whole words: 12 per clip, each of 4 words, each answered by one word.

A question is `template argument argument ?`, with `.` where a template needs fewer arguments; the answer is predicted
after `?` (`<end>` follows an answer in files only). Evaluation is multiple choice: the likeliest of the task's options,
all of which are equally likely to be right. Two mixes exist, and no template is in both:

    EVALUATED   the nine tasks that runs are finetuned on and evaluated on
    GENERIC     what base language models are pretrained on: the same clips, other questions
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vidscale.runs.shapes.draws import Draws
from vidscale.runs.shapes.scene import (
    CELLS,
    FLASHES,
    FRAMES,
    GLYPHS,
    MOVERS,
    SIDE,
    TILE_COLOURS,
    TILES,
    Scene,
    centres,
)

QUESTIONS, QUESTION_WORDS = 12, 4

COLOURS = ("red", "green", "blue", "yellow", "cyan", "magenta", "orange", "grey")
_GROUPS: dict[str, tuple[str, ...]] = {
    "marks": (".", "?", "<end>"),
    "numbers": tuple(str(i) for i in range(9)),
    "colours": COLOURS,
    "glyphs": ("plus", "ring", "slash", "bars"),
    "shapes": ("disc", "square", "triangle", "cross"),
    "signs": ("fence", "stripes", "diamond", "saltire"),
    "directions": ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east"),
    "speeds": ("crawling", "slow", "brisk", "fast"),
    "quadrants": ("top-left", "top-right", "bottom-left", "bottom-right"),
    "ordinals": ("first", "second", "third", "fourth"),
    "rows": tuple(f"row-{i + 1}" for i in range(CELLS)),
    "columns": tuple(f"column-{i + 1}" for i in range(CELLS)),
    "tiles": tuple(f"tile-{i + 1}" for i in range(TILES * TILES)),
    "sides": ("left", "right", "neither"),
    "parts": ("early", "midway", "late"),
    "verdicts": ("no", "yes"),
    "evaluated": ("count-blinks", "nth-flash", "where-flash", "which-sign", "direction-of", "speed-of", "start-of",
                  "colour-of-tile", "glyph-at"),
    "generic": ("colour-of-shape", "row-count", "column-count", "tile-is", "tiles-with", "when-flash", "flash-side",
                "end-side", "is-faster", "drift", "many-blinks", "sign-side"),
}

#: Every word; its place is its token.
WORDS: tuple[str, ...] = tuple(word for group in _GROUPS.values() for word in group)
_FIRST = {name: WORDS.index(group[0]) for name, group in _GROUPS.items()}
TOKEN = {word: token for token, word in enumerate(WORDS)}
NOTHING, ASK, END = TOKEN["."], TOKEN["?"], TOKEN["<end>"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """One evaluated task.

    Attributes:
        name: as in the measurements table.
        template: its first word.
        options: group of words that hold the answers, and how many of them do.
        choices: number of options.
        needs: in words, what it takes to answer.
    """

    name: str
    template: str
    options: str
    choices: int
    needs: str

    @property
    def chance(self) -> float:
        """Accuracy of guessing: the options are equally likely."""
        return 1.0 / self.choices

    @property
    def first_option(self) -> int:
        """Token of the first option; the others follow it."""
        return _FIRST[self.options]


TASKS: tuple[Task, ...] = (
    Task(name="count", template="count-blinks", options="numbers", choices=8, needs="frames: brief events, 0 to 7"),
    Task(name="order", template="nth-flash", options="colours", choices=4, needs="frames: which of 4 events came nth"),
    Task(name="where", template="where-flash", options="tiles", choices=16, needs="frames, and some tokens per frame"),
    Task(name="needle", template="which-sign", options="signs", choices=4, needs="the one frame that holds the fact"),
    Task(name="direction", template="direction-of", options="directions", choices=8, needs="two frames or more"),
    Task(name="speed", template="speed-of", options="speeds", choices=4, needs="two frames or more, and precision"),
    Task(name="position", template="start-of", options="quadrants", choices=4, needs="little of either"),
    Task(name="tile", template="colour-of-tile", options="colours", choices=8, needs="tokens: 16 facts a frame"),
    Task(name="glyph", template="glyph-at", options="glyphs", choices=4, needs="tokens: 64 facts a frame"),
)

#: Task of each of the 12 evaluated questions of a clip.
SLOTS: tuple[str, ...] = ("count", "order", "where", "needle", "direction", "direction", "speed", "position", "tile",
                          "tile", "glyph", "glyph")

#: Template of each of the 12 generic questions of a clip.
GENERIC: tuple[str, ...] = _GROUPS["generic"]

# Where the random numbers of questions start, after those of scenes.
_EVALUATED_SLOT, _GENERIC_SLOT = 1000, 1100


@dataclass(frozen=True, kw_only=True, eq=False)
class Questions:
    """Twelve questions on each clip of a batch; int64.

    Attributes:
        words: tokens, shape (clips, 12, 4).
        answers: token of each answer, shape (clips, 12).
        subjects: what each is about (which flash, mover, tile or cell; 0 where there is no choice), shape (clips, 12).
    """

    words: Tensor
    answers: Tensor
    subjects: Tensor


class _Sheet:
    """Collects the questions of a batch, in order."""

    def __init__(self, clips: int, device: torch.device) -> None:
        self._blank = torch.zeros(clips, dtype=torch.int64, device=device)
        self._words: list[Tensor] = []
        self._answers: list[Tensor] = []
        self._subjects: list[Tensor] = []

    def ask(self, template: str, arguments: list[Tensor], answer: Tensor, subject: Tensor | None = None) -> None:
        filled = [*arguments, *([self._blank + NOTHING] * (QUESTION_WORDS - 2 - len(arguments)))]
        self._words.append(torch.stack([self._blank + TOKEN[template], *filled, self._blank + ASK], dim=1))
        self._answers.append(answer)
        self._subjects.append(self._blank if subject is None else subject)

    def questions(self) -> Questions:
        return Questions(words=torch.stack(self._words, dim=1), answers=torch.stack(self._answers, dim=1),
                         subjects=torch.stack(self._subjects, dim=1))


def _word(group: str, offset: Tensor) -> Tensor:
    return _FIRST[group] + offset


def _pick(values: Tensor, which: Tensor) -> Tensor:
    """values[i, which[i]] of every clip i, shape (clips,)."""
    return values.gather(1, which[:, None])[:, 0]


def evaluated_questions(scene: Scene, draws: Draws) -> Questions:
    """The questions that runs are finetuned and evaluated on, in the order of SLOTS."""
    sheet = _Sheet(len(scene), draws.states.device)
    one = draws.one_below
    sheet.ask("count-blinks", [], _word("numbers", scene.blink_count))
    nth = one(FLASHES, _EVALUATED_SLOT)
    sheet.ask("nth-flash", [_word("ordinals", nth)], _word("colours", _pick(scene.flash_colour, nth)), nth)
    which = one(FLASHES, _EVALUATED_SLOT + 1)
    sheet.ask("where-flash", [_word("colours", _pick(scene.flash_colour, which))],
              _word("tiles", _pick(scene.spots, which)), which)
    sheet.ask("which-sign", [], _word("signs", scene.sign))
    for mover in range(MOVERS):
        sheet.ask("direction-of", [_word("shapes", scene.shape[:, mover])],
                  _word("directions", scene.direction[:, mover]), torch.full_like(nth, mover))
    mover = one(MOVERS, _EVALUATED_SLOT + 2)
    sheet.ask("speed-of", [_word("shapes", _pick(scene.shape, mover))],
              _word("speeds", _pick(scene.speed_class, mover)), mover)
    mover = one(MOVERS, _EVALUATED_SLOT + 3)
    sheet.ask("start-of", [_word("shapes", _pick(scene.shape, mover))],
              _word("quadrants", _pick(_quadrant(scene.start), mover)), mover)
    for tile in _two_of(TILES * TILES, draws, _EVALUATED_SLOT + 4):
        sheet.ask("colour-of-tile", [_word("tiles", tile)], _word("colours", _pick(scene.tiles, tile)), tile)
    for cell in _two_of(CELLS * CELLS, draws, _EVALUATED_SLOT + 6):
        sheet.ask("glyph-at", [_word("rows", cell // CELLS), _word("columns", cell % CELLS)],
                  _word("glyphs", _pick(scene.glyphs, cell)), cell)
    return sheet.questions()


def _two_of(items: int, draws: Draws, slot: int) -> tuple[Tensor, Tensor]:
    """Two different numbers below `items`."""
    first = draws.one_below(items, slot)
    return first, (first + 1 + draws.one_below(items - 1, slot + 1)) % items


def _quadrant(at: Tensor) -> Tensor:
    """Quadrant of points (x, y): 2 · lower half + right half, shape (...)."""
    return 2 * (at[..., 1] >= SIDE // 2).long() + (at[..., 0] >= SIDE // 2).long()


def generic_questions(scene: Scene, draws: Draws) -> Questions:
    """The questions that base language models are pretrained on, in the order of GENERIC."""
    sheet = _Sheet(len(scene), draws.states.device)
    movers = draws.below(MOVERS, _GENERIC_SLOT, 4)
    flashes = draws.below(FLASHES, _GENERIC_SLOT + 10, 2)
    shapes = [_word("shapes", _pick(scene.shape, movers[:, i])) for i in range(4)]
    sheet.ask("colour-of-shape", [shapes[0]], _word("colours", _pick(scene.colour, movers[:, 0])))
    _ask_cells(sheet, scene, draws)
    _ask_tiles(sheet, scene, draws)
    start = _pick(scene.flash_start, flashes[:, 0])
    sheet.ask("when-flash", [_word("colours", _pick(scene.flash_colour, flashes[:, 0]))],
              _word("parts", start * 3 // FRAMES))
    sheet.ask("flash-side", [_word("colours", _pick(scene.flash_colour, flashes[:, 1]))],
              _word("sides", (_pick(scene.spots, flashes[:, 1]) % TILES >= TILES // 2).long()))
    end = centres(scene, torch.full_like(start[:1], FRAMES - 1))[:, 0]
    sheet.ask("end-side", [shapes[1]], _word("sides", _pick((end[..., 0] >= SIDE // 2).long(), movers[:, 1])))
    speed = _pick(scene.speed, movers[:, 2]), _pick(scene.speed, 1 - movers[:, 2])
    sheet.ask("is-faster", [shapes[2], _word("shapes", _pick(scene.shape, 1 - movers[:, 2]))],
              _word("verdicts", (speed[0] > speed[1]).long()))
    away = (4 - _pick(scene.direction, movers[:, 3])).abs() - 2  # above 0 towards the east, 0 for neither
    side = torch.where(away > 0, 1, torch.where(away < 0, 0, 2))
    sheet.ask("drift", [shapes[3]], _word("sides", side))
    sheet.ask("many-blinks", [], _word("verdicts", (scene.blink_count >= 4).long()))
    sheet.ask("sign-side", [], _word("sides", (scene.spots[:, FLASHES] % TILES >= TILES // 2).long()))
    return sheet.questions()


def _ask_cells(sheet: _Sheet, scene: Scene, draws: Draws) -> None:
    """How many cells of a row, then of a column, hold a glyph."""
    grid, glyphs = scene.glyphs.unflatten(1, (CELLS, CELLS)), draws.below(GLYPHS, _GENERIC_SLOT + 20, 2)
    lines = draws.below(CELLS, _GENERIC_SLOT + 22, 2)
    for i, (template, group) in enumerate((("row-count", "rows"), ("column-count", "columns"))):
        counts = (grid == glyphs[:, i, None, None]).sum(dim=2 - i)
        sheet.ask(template, [_word(group, lines[:, i]), _word("glyphs", glyphs[:, i])],
                  _word("numbers", _pick(counts, lines[:, i])))


def _ask_tiles(sheet: _Sheet, scene: Scene, draws: Draws) -> None:
    """Whether a tile has a colour (half of them do), then how many tiles have a colour (8 stands for more, too)."""
    tile, truth = draws.one_below(TILES * TILES, _GENERIC_SLOT + 30), draws.one_below(2, _GENERIC_SLOT + 31)
    other = 1 + draws.one_below(TILE_COLOURS - 1, _GENERIC_SLOT + 32)
    colour = (_pick(scene.tiles, tile) + torch.where(truth == 1, 0, other)) % TILE_COLOURS
    sheet.ask("tile-is", [_word("tiles", tile), _word("colours", colour)], _word("verdicts", truth))
    colour = draws.one_below(TILE_COLOURS, _GENERIC_SLOT + 33)
    sheet.ask("tiles-with", [_word("colours", colour)],
              _word("numbers", (scene.tiles == colour[:, None]).sum(dim=1).clamp(max=8)))


def spell(tokens: Tensor) -> str:
    """Tokens as words with spaces between them."""
    return " ".join(WORDS[int(token)] for token in tokens)
