"""Questions about a clip, in a language of whole words: 24 per clip, each of 3 words, each answered by one word.

A question is `template argument argument`, with `.` in front where a template needs fewer arguments; the answer follows
its last word (`<end>` follows an answer in files only). Evaluation is multiple choice: the likeliest of the task's
options, all of which are equally likely to be right. Two mixes exist, and no template is in both:

    EVALUATED   the nine tasks that runs are finetuned on and evaluated on
    GENERIC     what base language models are pretrained on: other clips, and other questions, which describe a clip
                fact by fact as a caption would (what stands where, what happens when)
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vidscale.runs.shapes.draws import Draws
from vidscale.runs.shapes.scene import (
    CELLS,
    FLASHES,
    FRAMES,
    MOVERS,
    SIDE,
    TILE,
    TILES,
    Scene,
    centres,
)

QUESTIONS, QUESTION_WORDS = 24, 3

#: Movers are vivid, tiles dim and flashes vivid again; each kind has words of its own, so that a word names one thing.
COLOURS = ("red", "green", "blue", "yellow", "cyan", "magenta", "orange", "silver")
DIM_COLOURS = ("maroon", "forest", "navy", "olive", "teal", "purple", "brown", "grey")
FLASH_COLOURS = tuple(f"{colour}-flash" for colour in COLOURS[:FLASHES])
_GROUPS: dict[str, tuple[str, ...]] = {
    "marks": (".", "<end>"),
    "numbers": tuple(str(i) for i in range(9)),
    "colours": COLOURS,
    "dim-colours": DIM_COLOURS,
    "flashes": FLASH_COLOURS,
    "glyphs": ("plus", "ring", "slash", "bars"),
    "shapes": ("disc", "square", "triangle", "cross"),
    "events": ("blink", "flash", "sign"),
    "signs": ("fence", "stripes", "diamond", "saltire"),
    "directions": ("east", "north", "west", "south"),
    "speeds": ("crawling", "slow", "brisk", "fast"),
    "quadrants": ("top-left", "top-right", "bottom-left", "bottom-right"),
    "ordinals": ("first", "second", "third", "fourth"),
    "rows": tuple(f"row-{i + 1}" for i in range(CELLS)),
    "columns": tuple(f"column-{i + 1}" for i in range(CELLS)),
    "tiles": tuple(f"tile-{i + 1}" for i in range(TILES * TILES)),
    "sides": ("left", "right", "neither"),
    "parts": ("early", "midway", "late"),
    "eighths": tuple(f"eighth-{i + 1}" for i in range(8)),
    "verdicts": ("no", "yes"),
    "evaluated": ("how-many", "nth", "where-was", "which-kind", "direction-of", "speed-of", "start-of",
                  "colour-of-tile", "glyph-at"),
    "generic": ("cell-tile", "tile-glyph", "mover-at", "colour-of-shape", "when-flash", "flash-side", "flash-before",
                "flash-in", "edge-when", "begin-in", "sign-when", "sign-side", "moves-along", "is-faster"),
    "axes": ("across", "up-down"),
}

#: Every word; its place is its token.
WORDS: tuple[str, ...] = tuple(word for group in _GROUPS.values() for word in group)
_FIRST = {name: WORDS.index(group[0]) for name, group in _GROUPS.items()}
TOKEN = {word: token for token, word in enumerate(WORDS)}
NOTHING, END = TOKEN["."], TOKEN["<end>"]


def words_of(group: str) -> tuple[str, ...]:
    """The words of a group, such as "colours"."""
    return _GROUPS[group]


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
    Task(name="count", template="how-many", options="numbers", choices=8, needs="frames: brief events, 0 to 7"),
    Task(name="order", template="nth", options="flashes", choices=4, needs="frames: which of 4 events came nth"),
    Task(name="where", template="where-was", options="tiles", choices=16, needs="frames, and some tokens per frame"),
    Task(name="needle", template="which-kind", options="signs", choices=4, needs="the one frame that holds the fact"),
    Task(name="direction", template="direction-of", options="directions", choices=4, needs="two frames or more"),
    Task(name="speed", template="speed-of", options="speeds", choices=4, needs="two frames or more, and precision"),
    Task(name="position", template="start-of", options="quadrants", choices=4, needs="little of either"),
    Task(name="tile", template="colour-of-tile", options="dim-colours", choices=8, needs="tokens: 16 facts a frame"),
    Task(name="glyph", template="glyph-at", options="glyphs", choices=4, needs="tokens: 64 facts a frame"),
)

#: Task of each of the 24 evaluated questions of a clip; those of a task follow each other.
SLOTS: tuple[str, ...] = tuple(name for name, count in (
    ("count", 1), ("order", FLASHES), ("where", FLASHES), ("needle", 1), ("direction", MOVERS), ("speed", MOVERS),
    ("position", MOVERS), ("tile", 4), ("glyph", 4)) for _ in range(count))

#: Template of each of the 24 generic questions of a clip.
GENERIC: tuple[str, ...] = tuple(name for name, count in zip(
    _GROUPS["generic"], (2, 2, 3, 1, 2, 1, 1, 2, 2, 3, 1, 1, 2, 1), strict=True) for _ in range(count))

# Where the random numbers of questions start, after those of scenes.
_EVALUATED_SLOT, _GENERIC_SLOT = 1000, 1100


@dataclass(frozen=True, kw_only=True, eq=False)
class Questions:
    """24 questions on each clip of a batch; int64.

    Attributes:
        words: tokens, shape (clips, 24, 3).
        answers: token of each answer, shape (clips, 24).
        subjects: what each is about (which flash, mover, tile or cell; 0 where there is no choice), shape (clips, 24).
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
        filled = [self._blank + NOTHING] * (QUESTION_WORDS - 1 - len(arguments))
        self._words.append(torch.stack([*filled, self._blank + TOKEN[template], *arguments], dim=1))
        self._answers.append(answer)
        self._subjects.append(self._blank if subject is None else subject)

    def constant(self, value: int) -> Tensor:
        """The same number for every clip."""
        return self._blank + value

    def word(self, group: str, offset: int) -> Tensor:
        """The same word for every clip."""
        return self._blank + _FIRST[group] + offset

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
    sheet.ask("how-many", [sheet.word("events", 0)], _word("numbers", scene.blink_count))
    for nth in range(FLASHES):
        sheet.ask("nth", [sheet.word("ordinals", nth), sheet.word("events", 1)],
                  _word("flashes", scene.flash_colour[:, nth]), sheet.constant(nth))
    # Colours in their own order, so that the order of the questions says nothing about that of the flashes.
    when = scene.flash_colour.argsort(dim=1)
    for colour in range(FLASHES):
        sheet.ask("where-was", [sheet.word("flashes", colour)], _word("tiles", _pick(scene.spots, when[:, colour])),
                  when[:, colour])
    sheet.ask("which-kind", [sheet.word("events", 2)], _word("signs", scene.sign))
    about = (("direction-of", "directions", scene.direction), ("speed-of", "speeds", scene.speed_class),
             ("start-of", "quadrants", _quadrant(scene.start)))
    for template, group, truth in about:
        for mover in range(MOVERS):
            sheet.ask(template, [_word("shapes", scene.shape[:, mover])], _word(group, truth[:, mover]),
                      sheet.constant(mover))
    for tile in _some_of(TILES * TILES, SLOTS.count("tile"), draws, _EVALUATED_SLOT):
        sheet.ask("colour-of-tile", [_word("tiles", tile)], _word("dim-colours", _pick(scene.tiles, tile)), tile)
    for cell in _some_of(CELLS * CELLS, SLOTS.count("glyph"), draws, _EVALUATED_SLOT + 20):
        sheet.ask("glyph-at", [_word("rows", cell // CELLS), _word("columns", cell % CELLS)],
                  _word("glyphs", _pick(scene.glyphs, cell)), cell)
    return sheet.questions()


def _some_of(items: int, count: int, draws: Draws, slot: int) -> list[Tensor]:
    """Different numbers below `items`: one in each of `count` equal ranges, by a random shift of all of them."""
    each = items // count
    shift = draws.one_below(items, slot + count)
    own = draws.below(each, slot, count)
    return [(i * each + own[:, i] + shift) % items for i in range(count)]


def _quadrant(at: Tensor) -> Tensor:
    """Quadrant of points (x, y): 2 · lower half + right half, shape (...)."""
    return 2 * (at[..., 1] >= SIDE // 2).long() + (at[..., 0] >= SIDE // 2).long()


def generic_questions(scene: Scene, draws: Draws) -> Questions:
    """The questions that base language models are pretrained on, in the order of GENERIC."""
    sheet = _Sheet(len(scene), draws.states.device)
    _describe_board(sheet, scene, draws)
    _describe_movers(sheet, scene, draws)
    _describe_events(sheet, scene, draws)
    for mover in range(MOVERS):
        sheet.ask("moves-along", [_word("shapes", scene.shape[:, mover])],
                  _word("axes", scene.direction[:, mover] % 2))
    one = draws.one_below(MOVERS, _GENERIC_SLOT)
    first, second = (_pick(scene.shape, mover) for mover in (one, 1 - one))
    faster = _pick(scene.speed, one) > _pick(scene.speed, 1 - one)
    sheet.ask("is-faster", [_word("shapes", first), _word("shapes", second)], _word("verdicts", faster.long()))
    return sheet.questions()


def _describe_board(sheet: "_Sheet", scene: Scene, draws: Draws) -> None:
    """Colours of the tiles under some cells, and glyphs by tile and corner."""
    for cell in _some_of(CELLS * CELLS, 2, draws, _GENERIC_SLOT + 10):
        row, column = cell // CELLS, cell % CELLS
        tile = row // 2 * TILES + column // 2
        sheet.ask("cell-tile", [_word("rows", row), _word("columns", column)],
                  _word("dim-colours", _pick(scene.tiles, tile)))
    for cell in _some_of(CELLS * CELLS, 2, draws, _GENERIC_SLOT + 20):
        row, column = cell // CELLS, cell % CELLS
        tile, corner = row // 2 * TILES + column // 2, row % 2 * 2 + column % 2
        sheet.ask("tile-glyph", [_word("tiles", tile), _word("quadrants", corner)],
                  _word("glyphs", _pick(scene.glyphs, cell)))


def _describe_movers(sheet: "_Sheet", scene: Scene, draws: Draws) -> None:
    """On which tile a mover's centre is in the first frame, the middle one or the last; what colour it has."""
    moments = torch.arange(3, device=draws.states.device) * (FRAMES - 1) // 2
    tile = centres(scene, moments) // TILE
    tile = (tile[..., 1] * TILES + tile[..., 0]).flatten(1)  # (clips, 3 moments × 2 movers)
    for i in range(3):
        mover, moment = i % MOVERS, draws.one_below(3, _GENERIC_SLOT + 30 + i)
        sheet.ask("mover-at", [_word("colours", scene.colour[:, mover]), _word("parts", moment)],
                  _word("tiles", _pick(tile, moment * MOVERS + mover)))
    mover = draws.one_below(MOVERS, _GENERIC_SLOT + 36)
    sheet.ask("colour-of-shape", [_word("shapes", _pick(scene.shape, mover))],
              _word("colours", _pick(scene.colour, mover)))


def _describe_events(sheet: "_Sheet", scene: Scene, draws: Draws) -> None:
    """When and where flashes and the sign are, which flash is before which, how many blinks begin in a third."""
    flashes = _some_of(FLASHES, 2, draws, _GENERIC_SLOT + 40)
    for flash in flashes:
        sheet.ask("when-flash", [_word("flashes", _pick(scene.flash_colour, flash))],
                  _word("eighths", _pick(scene.flash_start, flash) * 8 // FRAMES))
    sheet.ask("flash-side", [_word("flashes", _pick(scene.flash_colour, flashes[0]))],
              _word("sides", (_pick(scene.spots, flashes[0]) % TILES >= TILES // 2).long()))
    names = [_word("flashes", _pick(scene.flash_colour, flash)) for flash in flashes]
    sheet.ask("flash-before", names, _word("verdicts", (flashes[0] < flashes[1]).long()))
    eighth = scene.flash_start * 8 // FRAMES
    for flash in _some_of(FLASHES, 2, draws, _GENERIC_SLOT + 50):  # where two share an eighth, either is asked for
        sheet.ask("flash-in", [_word("eighths", _pick(eighth, flash)), sheet.word("events", 1)],
                  _word("flashes", _pick(scene.flash_colour, flash)))
    for edge in (0, FLASHES - 1):
        sheet.ask("edge-when", [sheet.word("ordinals", edge), sheet.word("events", 1)],
                  _word("eighths", eighth[:, edge]))
    third = scene.blink_start * 3 // FRAMES
    for part in range(3):
        sheet.ask("begin-in", [sheet.word("parts", part), sheet.word("events", 0)],
                  _word("numbers", (third == part).sum(dim=1)))
    sheet.ask("sign-when", [sheet.word("events", 2)], _word("eighths", scene.sign_start * 8 // FRAMES))
    right = scene.spots[:, FLASHES] % TILES >= TILES // 2
    sheet.ask("sign-side", [sheet.word("events", 2)], _word("sides", right.long()))


def spell(tokens: Tensor) -> str:
    """Tokens as words with spaces between them."""
    return " ".join(WORDS[int(token)] for token in tokens)
