"""Record what the processors of `transformers` (and Qwen's own qwen-vl-utils) do with videos: token_counts.json.

The video processors refuse to be imported without torchvision, and the package's tests must run without it. So this
script puts a stand-in for torchvision on the path, made of the few functions that the processors call, and runs the
real, unchanged processor classes on tensors of PyTorch's "meta" device, which have a shape but no content. What the
stand-in computes are shapes of resized frames; which frames are taken, and to which size, the processors decide.

Run in an environment with torch and transformers; qwen-vl-utils is wanted on the path as well, without its
dependencies, for the cases of that name:

    pip install --no-deps --target FOLDER qwen-vl-utils==0.0.14
    PYTHONPATH=FOLDER python tests/recorded/make_token_counts.py
"""

import importlib.metadata
import json
import math
import random
import sys
import tempfile
import warnings
from pathlib import Path

HERE = Path(__file__).parent
CASES = 220  # that the processor takes; those it refuses are kept beside them
RATES = (10.0, 15.0, 23.976, 24.0, 25.0, 29.97, 30.0, 50.0, 60.0)
SIZES = ((1920, 1080), (1280, 720), (854, 480), (640, 360), (3840, 2160), (1080, 1920), (384, 384), (320, 240))

STAND_IN = {
    "torchvision/__init__.py": "__version__ = '0.0'\n",
    "torchvision/io.py": "",
    "torchvision/transforms/__init__.py": """
from enum import Enum
class InterpolationMode(Enum):
    NEAREST_EXACT, BOX, BILINEAR, HAMMING, BICUBIC, LANCZOS = range(6)
from torchvision.transforms import functional
""",
    "torchvision/transforms/functional.py": """
from torchvision.transforms import InterpolationMode
def resize(image, size, **how):
    return image.new_empty((*image.shape[:-2], *size))
def pil_to_tensor(image):
    raise NotImplementedError
""",
    "torchvision/transforms/v2/__init__.py": "",
    "torchvision/transforms/v2/functional.py": """
from torchvision.transforms.functional import InterpolationMode, resize
def grayscale_to_rgb(image):
    return image
def normalize(image, mean, std, inplace=False):
    return image
""",
    # qwen-vl-utils imports it to load images from the network, which nothing here does.
    "requests.py": "",
}


def stand_in(folder: Path) -> None:
    """Write the stand-in and put it on the path."""
    for name, text in STAND_IN.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    sys.path.insert(0, str(folder))


def a_video(rng: random.Random) -> dict:
    """A random video: often of a common size, sometimes of any."""
    width, height = rng.choice(SIZES) if rng.random() < 0.4 else (rng.randint(24, 3000), rng.randint(24, 3000))
    frames = rng.randint(2, 60) if rng.random() < 0.2 else rng.randint(60, 40_000)
    return {"total": frames, "fps": rng.choice(RATES), "width": width, "height": height}


def sampling(rng: random.Random, video: dict) -> dict:
    """Frames per second, or a number of frames that the video has.

    fps is set to None beside a number of frames, because Qwen3-VL's processor has a default fps and refuses both.
    """
    if rng.random() < 0.6:
        return {"fps": rng.choice((0.25, 0.5, 1, 2, 3.5))}
    return {"num_frames": rng.randint(2, min(video["total"], 400)), "fps": None}


def taken(cases: list[dict]) -> int:
    """Cases that the processor did not refuse."""
    return sum("error" not in case for case in cases)


def processed(processor, video: dict, **how) -> tuple[dict, list[int]]:
    """Outputs of the real processor for a video without content, and the frames it took."""
    import torch

    shape = (video["total"], 3, video["height"], video["width"])
    metadata = {"total_num_frames": video["total"], "fps": video["fps"], "duration": video["total"] / video["fps"]}
    out = processor(videos=[torch.empty(shape, dtype=torch.uint8, device="meta")], video_metadata=[metadata],
                    do_sample_frames=True, return_metadata=True, input_data_format="channels_first", **how)
    return out, [int(i) for i in out["video_metadata"][0].frames_indices]


def record(processor, video: dict, how: dict, measure) -> dict:
    """One case: the video, the settings, and what came out.

    A tensor without content lets itself be indexed past its end; a real one does not, so that is tried as well.
    """
    import torch

    try:
        out, frames = processed(processor, video, **how)
        torch.empty(video["total"])[frames]
    except (ValueError, IndexError, ZeroDivisionError) as problem:
        return {**video, "how": how, "error": type(problem).__name__, "said": str(problem).split("\n")[0][:80]}
    return {**video, "how": how, "frames": len(frames), "index_sum": sum(frames), "last": frames[-1], **measure(out)}


def qwen_grid(out) -> dict:
    return {"grid": out["video_grid_thw"][0].tolist()}


def frame_shape(out) -> dict:
    frames, _, height, width = out["pixel_values_videos"][0].shape
    return {"shape": [frames, height, width]}


def qwen_cases(processor_class, seed: int, limits: tuple) -> list[dict]:
    """Qwen's processors with every kind of limit, with and without the cap."""
    rng, cases = random.Random(seed), []
    while taken(cases) < CASES:
        video = a_video(rng)
        low, high = rng.choice(limits)
        how = {**sampling(rng, video), "cap_pixels_per_frame": rng.random() < 0.5}
        processor = processor_class(size={"shortest_edge": low, "longest_edge": high})
        cases.append({**record(processor, video, how, qwen_grid), "min_pixels": low, "max_pixels": high})
    return cases


def plain_cases(processor, seed: int) -> list[dict]:
    """Processors that resize every frame to one size."""
    rng, cases = random.Random(seed), []
    while taken(cases) < CASES:
        video = a_video(rng)
        cases.append(record(processor, video, sampling(rng, video), frame_shape))
    return cases


def reference_cases(seed: int) -> list[dict]:
    """Qwen's own loader (qwen-vl-utils), whose reader of files is replaced by one that makes frames without content."""
    import torch
    from qwen_vl_utils import vision_process

    rng, cases = random.Random(seed), []

    def read(given):
        video = given["case"]
        count = vision_process.smart_nframes(given, total_frames=video["total"], video_fps=video["fps"])
        read.frames = torch.linspace(0, video["total"] - 1, count).round().long().tolist()
        return torch.empty((count, 3, video["height"], video["width"]), device="meta"), {}, count

    vision_process.VIDEO_READER_BACKENDS = {"torchvision": read}
    vision_process.get_video_reader_backend = lambda: "torchvision"
    while taken(cases) < CASES:
        video = a_video(rng)
        how = {"fps": rng.choice((0.5, 1, 2, 4))}
        try:
            frames = vision_process.fetch_video({"video": "a file", "case": video, **how})
        except ValueError as problem:
            cases.append({**video, "how": how, "error": "ValueError", "said": str(problem)[:80]})
            continue
        cases.append({**video, "how": how, "frames": len(frames), "index_sum": sum(read.frames),
                      "shape": [len(frames), *frames.shape[-2:]]})
    return cases


def tile_cases(seed: int) -> list[dict]:
    """InternVL's image processor (that of GOT-OCR2), cutting images into tiles."""
    import torch
    from transformers.models.got_ocr2.image_processing_got_ocr2 import GotOcr2ImageProcessor

    rng, cases = random.Random(seed), []
    while taken(cases) < CASES:
        video, most = a_video(rng), rng.choice((1, 4, 6, 12))
        processor = GotOcr2ImageProcessor(size={"height": 448, "width": 448}, crop_to_patches=True, max_patches=most)
        image = torch.empty((3, video["height"], video["width"]), dtype=torch.uint8, device="meta")
        tiles = processor(images=[image], input_data_format="channels_first")["num_patches"][0]
        cases.append({"width": video["width"], "height": video["height"], "max_tiles": most, "tiles": int(tiles)})
    return cases


def image_cases(seed: int) -> list[dict]:
    """Qwen2-VL's image processor."""
    import torch
    from transformers.models.qwen2_vl.image_processing_qwen2_vl import Qwen2VLImageProcessor

    rng, cases = random.Random(seed), []
    while taken(cases) < CASES:
        video, (low, high) = a_video(rng), rng.choice(((3136, 12845056), (3136, 1003520), (200_704, 401_408)))
        processor = Qwen2VLImageProcessor(size={"shortest_edge": low, "longest_edge": high})
        image = torch.empty((3, video["height"], video["width"]), dtype=torch.uint8, device="meta")
        grid = processor(images=[image], input_data_format="channels_first")["image_grid_thw"][0].tolist()
        cases.append({"width": video["width"], "height": video["height"], "min_pixels": low, "max_pixels": high,
                      "grid": grid})
    return cases


def named_case() -> dict:
    """6.4 minutes of 1080p through Qwen2.5-VL's processor: tokens under each set of limits."""
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor

    video, found = {"total": 11520, "fps": 30.0, "width": 1920, "height": 1080}, {}
    checkpoint = {"size": {"shortest_edge": 3136, "longest_edge": 12845056}}
    for name, size, cap in (("class defaults", {}, {}), ("class defaults, capped", {}, {"cap_pixels_per_frame": True}),
                            ("released checkpoint", checkpoint, {})):
        processor = Qwen2VLVideoProcessor(**size)
        out, _ = processed(processor, video, fps=2, **cap)
        found[name] = math.prod(out["video_grid_thw"][0].tolist()) // processor.merge_size**2
    return found


def main() -> None:
    warnings.simplefilter("ignore")
    import torch
    from transformers.models.internvl.video_processing_internvl import InternVLVideoProcessor
    from transformers.models.llava_onevision.video_processing_llava_onevision import LlavaOnevisionVideoProcessor
    from transformers.models.qwen2_vl.video_processing_qwen2_vl import Qwen2VLVideoProcessor
    from transformers.models.qwen3_vl.video_processing_qwen3_vl import Qwen3VLVideoProcessor

    recorded = {
        "made_by": Path(__file__).name,
        "versions": {name: importlib.metadata.version(name) for name in ("transformers", "torch", "qwen-vl-utils")},
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "six_minutes_of_1080p": named_case(),
        "qwen2-vl": qwen_cases(Qwen2VLVideoProcessor, 1, ((100_352, 602_112), (3136, 12_845_056), (50_176, 200_704))),
        "qwen3-vl": qwen_cases(Qwen3VLVideoProcessor, 2, ((4096, 25_165_824), (131_072, 786_432), (65_536, 8_388_608))),
        "internvl": plain_cases(InternVLVideoProcessor(size={"height": 448, "width": 448}), 3),
        "llava-onevision": plain_cases(LlavaOnevisionVideoProcessor(), 4),
        "qwen-vl-utils": reference_cases(5),
        "internvl-image": tile_cases(6),
        "qwen2-vl-image": image_cases(7),
    }
    lines = [f'"{name}": ' + ("[\n" + ",\n".join(json.dumps(case) for case in value) + "\n]"
             if isinstance(value, list) else json.dumps(value)) for name, value in recorded.items()]
    (HERE / "token_counts.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        stand_in(Path(folder))
        main()
