"""The study's clips and models as files, for the path that trains on real video files with Hugging Face's parts.

    export    vision tower, base language models with a tokenizer, and projectors as checkpoint folders
    write     clips as lossless mp4, finetuning examples as LLaVA-style conversations, evaluation as multiple choice

A file holds one question per entry: then a question sees the video and itself only, as here, and n counts entries.
"""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from vidscale.runs.shapes.config import Study
from vidscale.runs.shapes.model import ROPE_THETA, VideoLm, llama_state, siglip_state
from vidscale.runs.shapes.questions import END, SLOTS, TASKS, WORDS, Questions, evaluated_questions, spell
from vidscale.runs.shapes.render import render
from vidscale.runs.shapes.scene import FRAMES, GRID, PATCH, SIDE
from vidscale.runs.shapes.train import EVALUATE, FINETUNE, SEED_STRIDE, Weights, clips, load_base, load_tower

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FRAME_RATE = 16
_CHUNK = 64


def write_examples(study: Study, folder: Path, *, count: int, seed: int = 0, first: int = 0) -> Path:
    """`count` of the clips that a run with this seed is finetuned on, from its clip number `first` on.

    Returns:
        The JSON file: an entry for each slot of a clip's questions, paths relative to `folder`.
    """
    entries = []
    for number, video, asked in _videos(study, folder, FINETUNE, seed * SEED_STRIDE + first, count, "train"):
        for slot in range(len(SLOTS)):
            entries.append({
                "id": f"{number}-{slot}", "video": video, "conversations": [
                    {"from": "human", "value": f"<video>\n{spell(asked.words[0, slot])}"},
                    {"from": "gpt", "value": spell(asked.answers[0, slot : slot + 1])}]})
    return _dump(folder / "train.json", entries)


def write_evaluation(study: Study, folder: Path, *, count: int, first: int = 0) -> Path:
    """`count` of the clips that every run is evaluated on, from clip number `first` on, as multiple choice."""
    entries = []
    by_name = {task.name: task for task in TASKS}
    for number, video, asked in _videos(study, folder, EVALUATE, first, count, "eval"):
        for slot, name in enumerate(SLOTS):
            task = by_name[name]
            entries.append({
                "id": f"{number}-{slot}", "video": video, "task": name, "question": spell(asked.words[0, slot]),
                "options": list(WORDS[task.first_option : task.first_option + task.choices]),
                "answer": int(asked.answers[0, slot]) - task.first_option})
    return _dump(folder / "evaluation.json", entries)


def _videos(study: Study, folder: Path, stream: int, first: int, count: int, name: str) -> Any:
    """Writes the clips; gives number, path and questions of each."""
    (folder / name).mkdir(parents=True, exist_ok=True)
    every = torch.arange(FRAMES)
    for start in range(0, count, _CHUNK):
        scene, draws = clips(study, stream, first + start, min(_CHUNK, count - start), torch.device("cpu"))
        asked = evaluated_questions(scene, draws)
        for i in range(len(scene)):
            video = f"{name}/{start + i:07d}.mp4"
            write_mp4(folder / video, render(scene.at(slice(i, i + 1)), every)[0])
            yield start + i, video, Questions(words=asked.words[i : i + 1], answers=asked.answers[i : i + 1],
                                              subjects=asked.subjects[i : i + 1])


def write_mp4(place: Path, frames: Tensor) -> None:
    """Frames, dtype uint8 of shape (frames, height, width, 3), as H.264 without any loss (RGB, quantiser 0)."""
    import av

    unfinished = place.with_name(f".{place.name}.part")
    with av.open(str(unfinished), "w", format="mp4") as container:
        stream = container.add_stream("libx264rgb", rate=FRAME_RATE, options={"qp": "0", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "rgb24"
        for frame in frames.numpy():
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    unfinished.replace(place)


def _dump(place: Path, entries: list[dict[str, Any]]) -> Path:
    place.write_text(json.dumps(entries, indent=0), encoding="utf-8")
    return place


def export_tower(study: Study, weights: Weights, folder: Path) -> None:
    """The tower as a SigLIP checkpoint folder; its last layer's output (tower_layer -1) is what the study uses."""
    from transformers import SiglipVisionConfig, SiglipVisionModel

    shape = study.tower
    config = SiglipVisionConfig(
        hidden_size=shape.hidden, intermediate_size=shape.mlp, num_hidden_layers=shape.layers,
        num_attention_heads=shape.hidden // 32, image_size=SIDE, patch_size=PATCH, vision_use_head=False)
    model = SiglipVisionModel(config)
    state = siglip_state(load_tower(study, weights, torch.device("cpu")))
    prefix = "" if any(name.startswith("embeddings.") for name in model.state_dict()) else "vision_model."
    missing, unexpected = model.load_state_dict({prefix + name: value for name, value in state.items()}, strict=False)
    assert not unexpected, unexpected
    assert all("post_layernorm" in name for name in missing), missing  # the study takes what comes before it
    model.save_pretrained(folder)
    settings = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "size": {"height": SIDE, "width": SIDE}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))


def export_base(study: Study, name: str, weights: Weights, folder: Path) -> None:
    """A base as a Llama checkpoint folder with its tokenizer, and its projector as projector.safetensors in it."""
    from safetensors.torch import save_file
    from transformers import LlamaConfig, LlamaForCausalLM

    shape = study.lm(name)
    model = load_base(study, shape, weights, torch.device("cpu"))
    config = LlamaConfig(
        vocab_size=len(WORDS), hidden_size=shape.hidden, intermediate_size=shape.mlp, num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads, num_key_value_heads=shape.heads, rms_norm_eps=1e-5, tie_word_embeddings=False,
        max_position_embeddings=FRAMES * GRID * GRID + 64, bos_token_id=None, eos_token_id=END, pad_token_id=None,
        rope_parameters={"rope_type": "default", "rope_theta": ROPE_THETA})
    llama = LlamaForCausalLM(config)
    llama.load_state_dict(llama_state(model.decoder))
    llama.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    save_file(projector_state(model), folder / "projector.safetensors")


def projector_state(model: VideoLm) -> dict[str, Tensor]:
    """The projector's weights as those of a sequence (linear, GELU, linear)."""
    own = model.projector
    return {f"{place}.{kind}": value.detach().clone() for place, part in ((0, own.first), (2, own.second))
            for kind, value in part.named_parameters()}


def tokenizer() -> "PreTrainedTokenizerFast":
    """One token per word, words parted by white space."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({word: token for token, word in enumerate(WORDS)}, unk_token=WORDS[END]))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(tokenizer_object=words, eos_token=WORDS[END])


def batch_of_entries(study: Study) -> int:
    """Entries per step on the file path that equal a batch of clips here."""
    return math.prod((study.finetuning.batch, len(SLOTS)))
