"""What vLLM and SGLang document of the flags that `vidscale.recommend.commands` writes, read in their sources.

    pip download --no-deps sglang==0.5.23                     a wheel
    VLLM_TARGET_DEVICE=empty VLLM_VERSION_OVERRIDE=0.33.0 pip download --no-deps --no-build-isolation --no-binary vllm \
        vllm==0.33.0                                          an sdist; needs torch, setuptools-scm, setuptools-rust
    python tests/recorded/make_engine_flags.py vllm-0.33.0.tar.gz sglang-0.5.23-*.whl
    python tests/recorded/make_engine_flags.py … --parse      also has vLLM's own argument parser read some commands,
                                                              where what that imports is installed

Writes engine_flags.json beside this file. Only names are taken over, no text.
"""

import argparse
import ast
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ARGUMENTS, MULTIMODAL = "vllm/engine/arg_utils.py", "vllm/config/multimodal.py"
VIDEO, QWEN = "vllm/multimodal/media/video.py", "vllm/model_executor/models/qwen2_vl.py"
FIELDS, PROCESSOR = "sglang/srt/arg_groups/fields", "sglang/srt/multimodal/processors/qwen_vl.py"

#: Run with vLLM's sources first on the path: its parser reads argument lists from stdin.
PARSE = """
import json, sys
from vllm.entrypoints.common.cli_args import make_arg_parser
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = make_arg_parser(FlexibleArgumentParser())
out = []
for arguments in json.load(sys.stdin):
    found = parser.parse_args(arguments[2:])
    out.append({name: getattr(found, name) for name in ("model_tag", "dtype", "max_model_len", "media_io_kwargs",
                "mm_processor_kwargs", "limit_mm_per_prompt", "gpu_memory_utilization", "max_num_seqs")})
print(json.dumps(out, default=str))
"""


def main() -> None:
    """Read both archives and write what was found."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("vllm", type=Path)
    asked.add_argument("sglang", type=Path)
    asked.add_argument("--parse", action="store_true")
    given = asked.parse_args()
    found = {"vllm": of_vllm(given.vllm), "sglang": of_sglang(given.sglang)}
    if given.parse:
        found["vllm"]["parsed"] = parsed(given.vllm)
    (HERE / "engine_flags.json").write_text(as_text(found))


def as_text(found: dict[str, Any]) -> str:
    """JSON with a line for each entry of an engine, and for each command that was parsed."""
    blocks = []
    for engine, entries in found.items():
        lines = []
        for name, value in entries.items():
            text = json.dumps(value)
            if name == "parsed":
                text = "[\n" + ",\n".join(f"   {json.dumps(each)}" for each in value) + "]"
            lines.append(f"  {json.dumps(name)}: {text}")
        blocks.append(f" {json.dumps(engine)}: {{\n" + ",\n".join(lines) + "\n }")
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def of_vllm(archive: Path) -> dict[str, Any]:
    """Flags of `vllm serve`, and keys of the JSON that some take."""
    version = archive.name.removeprefix("vllm-").removesuffix(".tar.gz")
    with tarfile.open(archive) as tar:
        def text(name: str) -> str:
            member = tar.extractfile(f"vllm-{version}/{name}")
            assert member is not None
            return member.read().decode()

        options = {node.name: [each.target.id for each in node.body if isinstance(each, ast.AnnAssign)]
                   for node in ast.walk(ast.parse(text(MULTIMODAL)))
                   if isinstance(node, ast.ClassDef) and node.name.endswith("DummyOptions")}
        made = next(node for node in ast.walk(ast.parse(text(VIDEO))) if isinstance(node, ast.ClassDef)
                    and node.name == "VideoMediaIO")
        init = next(node for node in made.body if isinstance(node, ast.FunctionDef) and node.name == "__init__")
        sizes = sorted(set(re.findall(r'"(min_pixels|max_pixels)"', text(QWEN))))
        return {
            "version": version, "source": f"sdist of vllm {version} on PyPI",
            "files": {"flags": ARGUMENTS, "limit_mm_per_prompt": MULTIMODAL, "media_io_kwargs": VIDEO,
                      "mm_processor_kwargs": QWEN},
            "flags": sorted(set(re.findall(r'"(--[a-z0-9-]+)"', text(ARGUMENTS)))),
            "limit_mm_per_prompt": {"modalities": ["image", "video", "audio"],
                                    "video": [*options["BaseDummyOptions"], *options["VideoDummyOptions"]]},
            "media_io_kwargs": {"video": [each.arg for each in init.args.args if each.arg not in ("self", "image_io")]},
            "mm_processor_kwargs": sizes}


def of_sglang(archive: Path) -> dict[str, Any]:
    """Flags of sglang.launch_server, and keys of the video part of --mm-process-config."""
    version = archive.name.split("-")[1]
    flags: set[str] = set()
    with zipfile.ZipFile(archive) as wheel:
        for name in wheel.namelist():
            if name.startswith(f"{FIELDS}/") and name.endswith(".py"):
                for node in ast.walk(ast.parse(wheel.read(name).decode())):
                    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                        flags.add(f"--{node.target.id.replace('_', '-')}")
        source = wheel.read(PROCESSOR).decode()
    keys = next(node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assign)
                and getattr(node.targets[0], "id", "") == "QWEN_VIDEO_PREPROCESS_CONFIG_KEYS")
    assert isinstance(keys, ast.Call)
    return {"version": version, "source": f"wheel of sglang {version} on PyPI",
            "files": {"flags": f"{FIELDS}/*.py", "mm_process_config": PROCESSOR}, "flags": sorted(flags),
            "mm_process_config": {"video": sorted(ast.literal_eval(keys.args[0]))},
            "limit_mm_data_per_request": ["image", "video", "audio"]}


def parsed(archive: Path) -> list[dict[str, Any]]:
    """Commands as vLLM's own parser reads them."""
    sys.path.insert(0, str(HERE.parent / "recommend"))
    from engine_commands import every_command  # pyright: ignore[reportMissingImports]

    distinct = {command.command: list(command.arguments) for command in every_command("vllm")}
    lists = list(distinct.values())
    with tempfile.TemporaryDirectory() as place, tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")
        root = next(Path(place).iterdir())
        # The parser wants to know its device before it reads anything.
        ran = subprocess.run([sys.executable, "-c", PARSE], input=json.dumps(lists), capture_output=True, text=True,
                             cwd=root, check=False, env={**os.environ, "VLLM_TARGET_DEVICE": "cpu"})
    if ran.returncode:
        raise SystemExit(ran.stderr[-2000:])
    return [{"command": command, "read": {name: value for name, value in read.items() if value is not None}}
            for command, read in zip(distinct, json.loads(ran.stdout.splitlines()[-1]), strict=True)]


if __name__ == "__main__":
    main()
