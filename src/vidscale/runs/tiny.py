"""A whole sweep's inputs, small enough for a CPU: checkpoints, video clips, questions and a recipe.

Nothing is downloaded. The clips are real H.264 files in which a coloured square blinks; the questions ask for its
colour, for where it is, and for how often it blinks. The checkpoints are real SigLIP and Llama folders with random
weights and a tokenizer built from the questions' words. From random weights little is learned in seconds: this shows
that everything works, not how errors scale.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vidscale.design import RunSpec
from vidscale.errors import InputError
from vidscale.runs.conversations import LETTERS, VIDEO, letter_prompt
from vidscale.runs.recipe import (
    DataRecipe,
    EvaluationRecipe,
    LanguageModelFolder,
    ModelRecipe,
    Recipe,
    TrainingRecipe,
    recipe_toml,
)
from vidscale.runs.state import plan_run
from vidscale.space import ScalingFactors

COLOURS = {"red": (220, 40, 40), "green": (40, 180, 60), "blue": (50, 70, 220), "yellow": (230, 210, 50)}
PLACES = {"top left": (0, 0), "top right": (0, 1), "bottom left": (1, 0), "bottom right": (1, 1)}
COUNTS = ("one", "two", "three", "four")
ASKED = {"colour": "What colour is the square?", "place": "Where is the square?",
         "count": "How often does the square appear?"}

SIDE, CLIP_FRAMES, FPS = 64, 24, 8
IMAGE, PATCH = 32, 8

#: Hidden sizes of the language models; their parameters span a factor of about ten.
HIDDEN = (16, 32, 64)


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What one clip shows."""

    colour: str
    place: str
    count: int


@dataclass(frozen=True, kw_only=True)
class TinyInputs:
    """What `make_tiny_inputs` made.

    Attributes:
        recipe: the recipe file.
        run: a folder with one planned run.
        lm_params: of the language models, ascending.
        files: everything that was written.
    """

    recipe: Path
    run: Path
    lm_params: tuple[int, ...]
    files: int


def make_tiny_inputs(out: Path, *, clips: int = 32, questions: int = 12, seed: int = 0) -> TinyInputs:
    """Write checkpoints, clips, data files, a recipe and one planned run.

    Args:
        out: a folder, made where it is missing; the same seed gives the same inputs.
        clips: training clips; each gives one example per task.
        questions: evaluated questions per task, each about a clip of its own.
        seed: of everything random.

    Raises:
        InputError: out holds something already, or a count is below 1.
    """
    if clips < 1 or questions < 1:
        raise InputError(f"clips is {clips} and questions {questions}; both must be at least 1")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not an empty folder; name a new one")
    (out / "clips").mkdir(parents=True)
    scenes = _scenes(clips + questions, seed)
    for number, scene in enumerate(scenes):
        write_clip(out / "clips" / f"{number:04d}.mp4", scene_frames(scene, seed + number), FPS)
    train = [each for i in range(clips) for each in _conversations(i, scenes[i])]
    asked = [each for i in range(clips, clips + questions) for each in _questions(i, scenes[i])]
    _write_json(out / "train.json", train)
    _write_json(out / "eval.json", asked)
    models = _checkpoints(out / "checkpoints", seed)
    recipe = out / "recipe.toml"
    recipe.write_text(recipe_toml(tiny_recipe(out, models), out), encoding="utf-8")
    factors = ScalingFactors(lm_params=models[0].lm_params, frames=4, tokens_per_frame=4)
    plan_run(out / "run", RunSpec(factors=factors, data_size=min(32, len(train)), sweep="example"), recipe)
    return TinyInputs(recipe=recipe, run=out / "run", lm_params=tuple(int(each.lm_params) for each in models),
                      files=sum(path.is_file() for path in out.rglob("*")))


def tiny_recipe(out: Path, models: Sequence[LanguageModelFolder]) -> Recipe:
    """The recipe of the tiny inputs in a folder."""
    return Recipe(
        model=ModelRecipe(vision_tower=out / "checkpoints" / "siglip", language_models=tuple(models)),
        data=DataRecipe(train=out / "train.json", evaluation=out / "eval.json", videos=out / "clips", workers=1),
        training=TrainingRecipe(batch=8, micro_batch=8, learning_rate=3e-3, precision="fp32", checkpoint_minutes=0.5),
        evaluation=EvaluationRecipe(batch=16),
    )


def scene_frames(scene: Scene, seed: int = 0) -> NDArray[np.uint8]:
    """The frames of a clip, shape (CLIP_FRAMES, SIDE, SIDE, 3): the square appears `count` times, evenly spaced."""
    rng = np.random.default_rng(seed)
    frames = rng.integers(20, 60, (CLIP_FRAMES, 1, 1, 1), dtype=np.uint8).repeat(SIDE, 1).repeat(SIDE, 2).repeat(3, 3)
    row, column = PLACES[scene.place]
    half = SIDE // 2
    period = CLIP_FRAMES // scene.count
    for number in range(CLIP_FRAMES):
        if number % period < period // 2:
            frames[number, row * half + 4:(row + 1) * half - 4, column * half + 4:(column + 1) * half - 4] = (
                COLOURS[scene.colour])
    return frames


def write_clip(path: Path, frames: NDArray[np.uint8], fps: float = 8, *, times_ms: Sequence[int] | None = None,
               key_every: int = 12) -> None:
    """Write an H.264 clip.

    Args:
        path: the file.
        frames: RGB, shape (n, height, width, 3); height and width even.
        fps: constant rate.
        times_ms: when each frame is shown, in milliseconds, for a variable rate; goes before fps.
        key_every: most frames from one key frame to the next.
    """
    import av

    options = {"g": str(key_every), "crf": "12", "preset": "veryfast"}
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options=options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = round(1000 * number / fps) if times_ms is None else times_ms[number]
            frame.time_base = Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _scenes(count: int, seed: int) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [Scene(colour=str(rng.choice(list(COLOURS))), place=str(rng.choice(list(PLACES))),
                  count=int(rng.integers(1, len(COUNTS) + 1))) for _ in range(count)]


def _tasks(scene: Scene) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """(task, options, right one) of everything that is asked about a clip."""
    yield "colour", tuple(COLOURS), list(COLOURS).index(scene.colour)
    yield "place", tuple(PLACES), list(PLACES).index(scene.place)
    yield "count", COUNTS, scene.count - 1


def _conversations(number: int, scene: Scene) -> Iterator[dict[str, Any]]:
    for task, options, answer in _tasks(scene):
        asked = f"{VIDEO}\n{letter_prompt(ASKED[task], options)}"
        yield {"id": f"{number}-{task}", "video": f"{number:04d}.mp4",
               "conversations": [{"from": "human", "value": asked}, {"from": "gpt", "value": LETTERS[answer]}]}


def _questions(number: int, scene: Scene) -> Iterator[dict[str, Any]]:
    for task, options, answer in _tasks(scene):
        yield {"id": f"{number}-{task}", "video": f"{number:04d}.mp4", "task": task, "question": ASKED[task],
               "options": list(options), "answer": answer}


def _write_json(path: Path, entries: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")


def _checkpoints(folder: Path, seed: int) -> list[LanguageModelFolder]:
    """One SigLIP tower and language models of the sizes in HIDDEN, with random weights."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, SiglipVisionConfig, SiglipVisionModel
    from transformers.utils import logging

    from vidscale.runs.model import scaling_params

    logging.disable_progress_bar()
    tokenizer = make_tokenizer(_texts())
    models = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vision = SiglipVisionConfig(hidden_size=32, intermediate_size=64, num_hidden_layers=3, num_attention_heads=2,
                                    image_size=IMAGE, patch_size=PATCH)
        SiglipVisionModel(vision).save_pretrained(folder / "siglip")
        for hidden in HIDDEN:
            lm = LlamaForCausalLM(LlamaConfig(
                hidden_size=hidden, intermediate_size=2 * hidden, num_hidden_layers=2, num_attention_heads=2,
                num_key_value_heads=1, vocab_size=len(tokenizer), max_position_embeddings=2048,
                bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.eos_token_id))
            place = folder / f"llama-{hidden}"
            lm.save_pretrained(place)
            tokenizer.save_pretrained(place)
            models.append(LanguageModelFolder(lm_params=float(scaling_params(lm)), folder=place))
    return models


def _texts() -> list[str]:
    options = {"colour": tuple(COLOURS), "place": tuple(PLACES), "count": COUNTS}
    return [letter_prompt(ASKED[task], options[task]) for task in ASKED]


def make_tokenizer(texts: Sequence[str]) -> Any:
    """A tokenizer whose vocabulary is the words and marks of some texts, with <s>, </s> and <unk>."""
    from tokenizers import Tokenizer, pre_tokenizers
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    split = pre_tokenizers.Whitespace()
    words = dict.fromkeys(word for text in texts for word, _ in split.pre_tokenize_str(text))
    vocabulary = {word: i for i, word in enumerate(("<s>", "</s>", "<unk>", *words))}
    inner = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    inner.pre_tokenizer = split  # type: ignore[assignment]  # its stub says object
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
