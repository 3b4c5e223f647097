"""Scenes as frames: whole-number painting by layers, all clips and frames of a batch at once.

From below: tiles, movers, glyph strokes, events, clock. A mover thus never hides a glyph, and an event hides its tile
only. The clock is the top row of pixels, white up to the frame's number: as the time stamp of a surveillance camera it
puts into the picture when it was taken, so that a question about time can find its frame by what is in it.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from vidscale.runs.shapes.scene import (
    BLINKS,
    CELLS,
    FLASHES,
    FRAMES,
    GRID,
    MOVERS,
    PATCH,
    SIDE,
    TILE,
    TILES,
    Scene,
    centres,
)
from vidscale.runs.video import sample_indices

#: RGB by palette number: 8 dim tile colours, 8 vivid ones (movers; the first 4 also flashes), strokes, white, black.
PALETTE: tuple[tuple[int, int, int], ...] = (
    (96, 24, 24), (24, 88, 24), (28, 32, 108), (92, 88, 16), (16, 88, 92), (92, 20, 92), (104, 60, 16), (56, 56, 56),
    (240, 48, 48), (48, 224, 48), (72, 88, 255), (240, 232, 40), (40, 232, 240), (240, 56, 240), (255, 144, 32),
    (150, 150, 150), (208, 208, 208), (255, 255, 255), (0, 0, 0))
VIVID, STROKE, WHITE, BLACK = 8, 16, 17, 18

#: What covers a tile: nothing, a blink, a flash of one of 4 colours, one of 4 signs.
BLINK_CODE, FLASH_CODE, SIGN_CODE, CODES = 1, 2, 6, 10

_GLYPHS = (
    "........ ...##... ...##... .######. .######. ...##... ...##... ........",  # plus
    "........ .######. .#....#. .#....#. .#....#. .#....#. .######. ........",  # ring
    "........ .....##. ....##.. ...##... ..##.... .##..... .#...... ........",  # slash
    "........ .######. ........ .######. ........ .######. ........ ........",  # bars
)
_SIGNS = (
    "#..#..#..#.. #..#..#..#.. #..#..#..#.. #..#..#..#.. #..#..#..#.. #..#..#..#.. "
    "#..#..#..#.. #..#..#..#.. #..#..#..#.. #..#..#..#.. #..#..#..#.. #..#..#..#..",  # fence
    "............ ############ ############ ............ ............ ############ "
    "############ ............ ............ ############ ############ ............",  # stripes
    ".....##..... ....####.... ...######... ..########.. .##########. ############ "
    "############ .##########. ..########.. ...######... ....####.... .....##.....",  # diamond
    "##........## ###......### .###....###. ..###..###.. ...######... ....####.... "
    "....####.... ...######... ..###..###.. .###....###. ###......### ##........##",  # saltire
)


def _bits(drawing: str) -> np.ndarray:
    return np.array([[mark == "#" for mark in row] for row in drawing.split()])


def _shape_masks() -> np.ndarray:
    """12-pixel disc, square, triangle and cross, by offset from the centre modulo SIDE, shape (4, SIDE, SIDE)."""
    offset = (np.arange(SIDE) + SIDE // 2) % SIDE - SIDE // 2
    y, x = np.meshgrid(offset, offset, indexing="ij")
    inside = (np.abs(x + 0.5) < 6) & (np.abs(y + 0.5) < 6)
    disc = (x + 0.5) ** 2 + (y + 0.5) ** 2 < 36
    triangle = inside & (np.abs(x + 0.5) <= (y + 6) / 2 + 0.5)
    cross = inside & ((np.abs(x + 0.5) < 2) | (np.abs(y + 0.5) < 2))
    return np.stack([disc, inside, triangle, cross])


def _cover_bitmaps() -> np.ndarray:
    """Palette numbers of what covers a tile, shape (CODES, TILE, TILE)."""
    covers = np.zeros((CODES, TILE, TILE), dtype=np.uint8)
    covers[BLINK_CODE] = WHITE
    for colour in range(FLASHES):
        covers[FLASH_CODE + colour] = BLACK
        covers[FLASH_CODE + colour, 2:-2, 2:-2] = VIVID + colour
    for i, sign in enumerate(_SIGNS):
        covers[SIGN_CODE + i] = BLACK
        covers[SIGN_CODE + i, 2:-2, 2:-2] = np.where(_bits(sign), WHITE, BLACK)
    return covers


@lru_cache(maxsize=8)
def _tables(device: torch.device) -> dict[str, Tensor]:
    """Bitmaps and palette on a device, sent once: a recorded step must not copy from the host."""
    own = {"glyphs": np.stack([_bits(g) for g in _GLYPHS]), "shapes": _shape_masks(), "covers": _cover_bitmaps(),
           "palette": np.array(PALETTE, dtype=np.uint8)}
    return {name: torch.tensor(table, device=device) for name, table in own.items()}


@lru_cache(maxsize=64)
def sampled_frames(count: int, device: torch.device) -> Tensor:
    """Numbers of the frames that a model with x_T = count sees; the rule is the one for files."""
    return torch.tensor(sample_indices(FRAMES, count), device=device)


def render(scene: Scene, frames: Tensor) -> Tensor:
    """The frames of these numbers as RGB.

    Args:
        scene: clips.
        frames: frame numbers, int64, shape (frames,).

    Returns:
        dtype uint8, shape (clips, frames, 64, 64, 3).
    """
    return _tables(frames.device)["palette"][paint(scene, frames).long()]


def paint(scene: Scene, frames: Tensor) -> Tensor:
    """Palette numbers, dtype uint8, shape (clips, frames, 64, 64)."""
    tables = _tables(frames.device)
    image = _grow(scene.tiles.view(-1, 1, TILES, TILES), TILE).to(torch.uint8)
    image = image.expand(-1, len(frames), -1, -1)
    for mover, mask in enumerate(_mover_masks(scene, frames)):
        image = torch.where(mask, (VIVID + scene.colour[:, mover, None, None, None]).to(torch.uint8), image)
    strokes = _blocks(tables["glyphs"][scene.glyphs], CELLS)[:, None]
    image = torch.where(strokes, STROKE, image)
    codes = covers(scene, frames)
    cover = _blocks(tables["covers"][codes].flatten(0, 1), TILES).unflatten(0, codes.shape[:2])
    image = torch.where(_grow(codes.view(*codes.shape[:2], TILES, TILES), TILE) > 0, cover, image)
    pixels = torch.arange(SIDE, device=frames.device)
    clock = torch.where(pixels <= frames[:, None], WHITE, BLACK).to(torch.uint8)
    return torch.where((pixels == 0)[:, None], clock[:, None, :], image)


def covers(scene: Scene, frames: Tensor) -> Tensor:
    """What covers each tile: 0 nothing, 1 blink, 2 … 5 flash, 6 … 9 sign; int64, shape (clips, frames, 16)."""
    codes = torch.zeros(len(scene), len(frames), TILES * TILES, dtype=torch.int64, device=frames.device)
    kinds = torch.cat([FLASH_CODE + scene.flash_colour, SIGN_CODE + scene.sign[:, None],
                       torch.full_like(scene.blink_start, BLINK_CODE)], dim=1)
    shown = showing(scene, frames).long() * kinds[:, None]
    return codes.scatter_add(2, scene.spots[:, None].expand(-1, len(frames), -1), shown)


def showing(scene: Scene, frames: Tensor) -> Tensor:
    """Which events can be seen in which frame: bool, shape (clips, frames, 12), events as in Scene.spots."""
    start = torch.cat([scene.flash_start, scene.sign_start[:, None], scene.blink_start], dim=1)[:, None]
    lengths = (scene.flash_length[:, None].expand(-1, FLASHES), scene.sign_length[:, None],
               scene.blink_length[:, None].expand(-1, BLINKS))
    since = frames[:, None] - start
    return (since >= 0) & (since < torch.cat(lengths, dim=1)[:, None])


def _mover_masks(scene: Scene, frames: Tensor) -> list[Tensor]:
    """Pixels of each mover, bool, shape (clips, frames, 64, 64)."""
    masks = _tables(frames.device)["shapes"]
    pixels = torch.arange(SIDE, device=frames.device)
    at = centres(scene, frames)
    found = []
    for mover in range(MOVERS):
        x, y = ((pixels - at[:, :, mover, axis, None]) % SIDE for axis in (0, 1))
        found.append(masks[scene.shape[:, mover, None, None, None], y[..., :, None], x[..., None, :]])
    return found


def _grow(cells: Tensor, by: int) -> Tensor:
    """Each value of a grid as by×by pixels, shape (..., rows·by, columns·by)."""
    lead, (rows, columns) = cells.shape[:-2], cells.shape[-2:]
    return cells[..., :, None, :, None].expand(*lead, rows, by, columns, by).reshape(*lead, rows * by, columns * by)


def _blocks(bitmaps: Tensor, side: int) -> Tensor:
    """Bitmaps of a grid's cells, shape (clips, side², h, w), as one picture (clips, side·h, side·w)."""
    rows = bitmaps.unflatten(1, (side, side)).transpose(2, 3)
    return rows.flatten(3, 4).flatten(1, 2)


def patches(frames: Tensor) -> Tensor:
    """RGB frames as SigLIP's patch embedding sees them: values from -1 to 1, channels first within a patch.

    Args:
        frames: dtype uint8, shape (..., 64, 64, 3).

    Returns:
        float32, shape (..., 64, 192), patches row by row.
    """
    lead = frames.shape[:-3]
    cut = frames.reshape(-1, GRID, PATCH, GRID, PATCH, 3).permute(0, 1, 3, 5, 2, 4).reshape(*lead, GRID * GRID, -1)
    return cut.float() / 127.5 - 1.0


#: What a patch is asked about when the tower is pretrained, and how many answers each has.
LABELS: dict[str, int] = {"tile": 8, "glyph": 4, "cover": CODES, "shape": 5, "colour": 9, "across": 33, "down": 33,
                          "place": GRID * GRID, "time": 32}
IGNORED = -100


def patch_labels(scene: Scene, frames: Tensor) -> dict[str, Tensor]:
    """The facts of every patch, each int64 of shape (clips, frames, 64); IGNORED where they cannot be seen.

    `shape` and `colour` are 1 + those of the mover that fills at least 12 of the patch's 64 pixels (0 none; IGNORED in
    between), `across` and `down` are 1 + where in the frame a mover's centre is that lies in the patch, in steps of 2
    pixels (0 without one). `place` is the patch's own number and `time` half the frame's, for every patch: features
    have to say where and when they are, as those of real towers and time stamps do, or a question about a place or a
    time finds nothing.
    """
    lead = (len(scene), len(frames))
    cover = _grow(covers(scene, frames).view(*lead, TILES, TILES), 2).flatten(2)
    tile = _grow(scene.tiles.view(-1, 1, TILES, TILES), 2).flatten(2).expand(*lead, -1)
    labels = {"tile": tile, "glyph": scene.glyphs[:, None].expand(*lead, -1), **_mover_labels(scene, frames)}
    labels = {name: torch.where(cover > 0, IGNORED, label) for name, label in labels.items()}
    place = torch.arange(GRID * GRID, device=frames.device).expand(*lead, -1)
    time = (frames * LABELS["time"] // FRAMES)[..., None].expand(*lead, GRID * GRID)
    return labels | {"cover": cover, "place": place, "time": time}


def _mover_labels(scene: Scene, frames: Tensor) -> dict[str, Tensor]:
    first, second = _mover_masks(scene, frames)
    counts = torch.stack([_per_patch(first & ~second), _per_patch(second)], dim=-1)
    most, which = counts.max(dim=-1)
    flat = which.flatten(1)
    shape, colour = (1 + own.gather(1, flat).view_as(which) for own in (scene.shape, scene.colour))
    partly = torch.where(most > 0, IGNORED, 0)
    at = centres(scene, frames)
    patch = (at[..., 1] // PATCH) * GRID + at[..., 0] // PATCH
    found = {"shape": torch.where(most >= 12, shape, partly), "colour": torch.where(most >= 12, colour, partly)}
    for name, axis in (("across", 0), ("down", 1)):
        own = 1 + at[..., axis] // 2
        first = torch.zeros_like(most).scatter(2, patch[..., :1], own[..., :1])
        found[name] = first.scatter(2, patch[..., 1:], own[..., 1:])
    return found


def _per_patch(mask: Tensor) -> Tensor:
    """Pixels set in each patch, int64, shape (..., 64)."""
    return mask.unflatten(-1, (GRID, PATCH)).unflatten(-3, (GRID, PATCH)).long().sum(dim=(-1, -3)).flatten(-2)
