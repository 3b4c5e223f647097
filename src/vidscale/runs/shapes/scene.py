"""What happens in a clip of moving shapes: 64 frames of 64×64 pixels, drawn from counters.

Everything is whole numbers, so a scene and its frames are the same on every device. Frame 0 is free of events: what
stands still can be seen there at any number of frames.

    board    8×8 cells, each with one of 4 glyphs; 4×4 tiles of 2×2 cells, each of one of 8 colours; it stands still
    movers   2 shapes of 12 pixels on straight lines at constant speed; what leaves on one side enters on the other
    flashes  4, one of each colour, one after the other, each covering a tile for 1, 2, 4 or 8 frames
    blinks   0 to 7, white, one after the other, each covering a tile for 1, 2 or 4 frames
    sign     1 of 4, covering a tile for 1, 2, 4 or 8 frames

Events of one kind never touch in time: at least a frame lies between. All 12 events have tiles of their own.
Placements are uniform over all that keep to these rules, which is what makes an exact ideal observer possible.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from vidscale.runs.shapes.draws import Draws

FRAMES, SIDE, PATCH, GRID = 64, 64, 8, 8
TILES, TILE, CELLS = 4, 16, 8
SUBPIXELS = 16

TILE_COLOURS, GLYPHS, SHAPES, SIGNS = 8, 4, 4, 4
MOVERS, FLASHES, BLINKS = 2, 4, 7
FLASH_LENGTHS, BLINK_LENGTHS, SIGN_LENGTHS = (1, 2, 4, 8), (1, 2, 4), (1, 2, 4, 8)

#: Speeds in 1/16 pixel per frame; a class is drawn first, then a speed in it.
SPEED_CLASSES: tuple[tuple[int, int], ...] = ((1, 2), (3, 5), (6, 9), (10, 14))

#: East, north, west, south, as (x, y) in 1/256; y grows downwards.
DIRECTIONS: tuple[tuple[int, int], ...] = ((256, 0), (0, -256), (-256, 0), (0, 256))

#: Start of an event that does not happen: after the last frame, whatever its length.
NEVER = 10 * FRAMES

# Where each quantity's random numbers start; a new quantity takes new numbers and leaves the others as they are.
_TILES, _GLYPHS, _SHAPE, _COLOUR, _START, _SPEED, _DIRECTION = 0, 100, 200, 210, 220, 230, 240
_FLASH, _BLINK, _SIGN, _SPOTS = 300, 400, 500, 600


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """A batch of clips; every tensor is int64 with the clips along its first axis.

    Attributes:
        tiles: colour of each tile, row by row, shape (clips, 16).
        glyphs: glyph of each cell, row by row, shape (clips, 64).
        shape, colour: of each mover, shape (clips, 2); the two shapes differ.
        start: centre of each mover at frame 0 in pixels, (x, y), shape (clips, 2, 2).
        direction: index into DIRECTIONS, shape (clips, 2).
        speed: 1/16 pixel per frame, shape (clips, 2).
        flash_start: first frame of each flash, in order of time, shape (clips, 4).
        flash_colour: colour of each, a permutation, shape (clips, 4).
        flash_length: frames that each flash of the clip lasts, shape (clips,).
        blink_start: first frame of each blink, in order of time; NEVER for those beyond blink_count, shape (clips, 7).
        blink_count, blink_length: shape (clips,).
        sign, sign_start, sign_length: shape (clips,).
        spots: tile of each event, shape (clips, 12): flashes in order of time, the sign, blinks in order of time.
    """

    tiles: Tensor
    glyphs: Tensor
    shape: Tensor
    colour: Tensor
    start: Tensor
    direction: Tensor
    speed: Tensor
    flash_start: Tensor
    flash_colour: Tensor
    flash_length: Tensor
    blink_start: Tensor
    blink_count: Tensor
    blink_length: Tensor
    sign: Tensor
    sign_start: Tensor
    sign_length: Tensor
    spots: Tensor

    def __len__(self) -> int:
        return len(self.tiles)

    def at(self, clips: Tensor | slice) -> "Scene":
        """Some of the clips."""
        return Scene(**{field.name: getattr(self, field.name)[clips] for field in fields(self)})

    @property
    def speed_class(self) -> Tensor:
        """Which of the four classes each mover's speed is in, shape (clips, 2)."""
        return sum((self.speed > top).long() for _, top in SPEED_CLASSES[:-1])  # type: ignore[return-value]


def draw_scenes(draws: Draws) -> Scene:
    """The clips of these examples."""
    shape, colour = draws.orders(SHAPES, _SHAPE)[:, :MOVERS], draws.orders(TILE_COLOURS, _COLOUR)[:, :MOVERS]
    flash_length = _choice(FLASH_LENGTHS, draws, _FLASH)
    blink_length, blink_count = _choice(BLINK_LENGTHS, draws, _BLINK), draws.one_below(BLINKS + 1, _BLINK + 1)
    sign_length = _choice(SIGN_LENGTHS, draws, _SIGN)
    return Scene(
        tiles=draws.below(TILE_COLOURS, _TILES, TILES * TILES),
        glyphs=draws.below(GLYPHS, _GLYPHS, CELLS * CELLS),
        shape=shape,
        colour=colour,
        start=_starts(draws),
        direction=draws.below(len(DIRECTIONS), _DIRECTION, MOVERS),
        speed=_speeds(draws),
        flash_start=_placed(draws, _FLASH + 20, flash_length, torch.full_like(flash_length, FLASHES), FLASHES),
        flash_colour=draws.orders(FLASHES, _FLASH + 10),
        flash_length=flash_length,
        blink_start=_placed(draws, _BLINK + 20, blink_length, blink_count, BLINKS),
        blink_count=blink_count,
        blink_length=blink_length,
        sign=draws.one_below(SIGNS, _SIGN + 1),
        sign_start=_placed(draws, _SIGN + 20, sign_length, torch.ones_like(sign_length), 1)[:, 0],
        sign_length=sign_length,
        spots=draws.orders(TILES * TILES, _SPOTS)[:, : FLASHES + 1 + BLINKS],
    )


def _choice(values: tuple[int, ...], draws: Draws, slot: int) -> Tensor:
    """One of these powers of two, written without a table so that a recorded step copies nothing."""
    assert values == tuple(1 << i for i in range(len(values)))
    return 1 << draws.one_below(len(values), slot)


def _starts(draws: Draws) -> Tensor:
    """Two centres at least 16 pixels apart in x, so that neither hides the other in frame 0."""
    x = draws.one_below(SIDE, _START)
    y = draws.below(SIDE, _START + 1, MOVERS)
    other = (x + 16 + draws.one_below(SIDE - 31, _START + 3)) % SIDE
    return torch.stack([torch.stack([x, other], dim=1), y], dim=2)


def _speeds(draws: Draws) -> Tensor:
    chosen = draws.below(len(SPEED_CLASSES), _SPEED, MOVERS)
    speeds = torch.zeros_like(chosen)
    for i, (low, high) in enumerate(SPEED_CLASSES):
        own = low + draws.below(high - low + 1, _SPEED + 2 + 2 * i, MOVERS)
        speeds = torch.where(chosen == i, own, speeds)
    return speeds


def _placed(draws: Draws, slot: int, length: Tensor, count: Tensor, most: int) -> Tensor:
    """First frames of `count` events, uniform over all placements in frames 1 … 63 with a gap of at least one.

    Taking each event but for its last frame, and the frames that must stay free, out of the clip leaves
    F = 63 - count·length - (count - 1) + count places; a placement is a choice of `count` of them.
    """
    places = (FRAMES - 1 - count * length + 1)[:, None]
    place = torch.arange(FRAMES, device=length.device)
    words = draws.words(slot, FRAMES)
    # The smallest keys among the allowed places win; the sign bit is cleared so that the largest value is never drawn.
    keys = torch.where(place < places, words & ((1 << 62) - 1), 1 << 62)
    chosen = keys.argsort(dim=1)[:, :most]
    rank = torch.arange(most, device=length.device)
    chosen = torch.where(rank < count[:, None], chosen, NEVER).sort(dim=1).values
    return torch.where(rank < count[:, None], 1 + chosen + rank * length[:, None], NEVER)


def centres(scene: Scene, frames: Tensor) -> Tensor:
    """Centres of the movers at these frames in whole pixels, (x, y), shape (clips, frames, 2 movers, 2)."""
    steps = torch.stack([_component(scene.direction, axis) for axis in (0, 1)], dim=2)
    return positions(scene.start, steps, scene.speed, frames)


def positions(start: Tensor, steps: Tensor, speed: Tensor, frames: Tensor) -> Tensor:
    """Start + speed · time along a direction, rounded down to pixels and wrapped around.

    Args:
        start: pixels, shape (..., movers, 2).
        steps: direction in 1/256, shape (..., movers, 2).
        speed: 1/16 pixel per frame, shape (..., movers).
        frames: frame numbers, shape (frames,).

    Returns:
        Shape (..., frames, movers, 2).
    """
    moved = (steps * speed[..., None]).unsqueeze(-3) * frames[:, None, None]
    return (start.unsqueeze(-3) + (moved + 128 * SUBPIXELS) // (256 * SUBPIXELS)) % SIDE


def _component(direction: Tensor, axis: int) -> Tensor:
    """x or y of DIRECTIONS by arithmetic: 256, 0, -256, 0 across, turned by a quarter for down."""
    turned = (direction + (1 if axis else 0)) % 4
    return 256 * (1 - turned) * (1 - turned % 2)
