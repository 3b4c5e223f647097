"""Commands keep to what named versions of the engines document, and a shell takes them apart as they were put together.

The recorded file says where the flags are from; its commands were read by vLLM's own argument parser
(tests/recorded/make_engine_flags.py --parse).
"""

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from engine_commands import MODELS, asked, every_command

from vidscale.recommend import Question, recommend
from vidscale.recommend.commands import SGLANG, VLLM, commands
from vidscale.recommend.recommendation import Configuration, CostDetail, Flops
from vidscale.space import video_vlm

RECORDED = json.loads((Path(__file__).parents[1] / "recorded" / "engine_flags.json").read_text())
COST = CostDetail(value=1.0, unit="FLOPs", encoder_share=0.5,
                  flops=Flops(counting="paper", encoder=1.0, projector=None, prefill=1.0, decode=None, total=2.0))


def options(arguments) -> dict[str, str]:
    """Flag → its one value, after the words that start the engine."""
    rest = list(arguments)[next(i for i, word in enumerate(arguments) if word.startswith("--")):]
    assert len(rest) % 2 == 0
    return dict(zip(rest[::2], rest[1::2], strict=True))


def command(engine, model, frames, tokens, **settings):
    vlm = video_vlm(model)
    x = Configuration(lm_params=vlm.lm.scaling_params, lm_name=vlm.lm.name, frames=frames, tokens_per_frame=tokens)
    return commands(asked(**settings), x, COST, vlm)[engine]


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_every_flag_and_key_is_documented(engine):
    assert RECORDED[engine]["version"] == {"vllm": VLLM, "sglang": SGLANG}[engine]
    found = every_command(engine)
    assert len(found) >= 60
    for each in found:
        given = options(each.arguments[2:] if engine == "sglang" else each.arguments)
        given.pop("-m", None)
        assert set(given) <= set(RECORDED[engine]["flags"]), each.command
        if engine == "vllm":
            limits = json.loads(given["--limit-mm-per-prompt"])
            assert set(limits) <= set(RECORDED[engine]["limit_mm_per_prompt"]["modalities"])
            assert set(limits["video"]) <= set(RECORDED[engine]["limit_mm_per_prompt"]["video"])
            media = json.loads(given["--media-io-kwargs"])
            assert set(media["video"]) <= set(RECORDED[engine]["media_io_kwargs"]["video"])
            assert set(json.loads(given.get("--mm-processor-kwargs", "{}"))) <= set(
                RECORDED[engine]["mm_processor_kwargs"])
        else:
            video = json.loads(given.get("--mm-process-config", '{"video": {}}'))["video"]
            assert set(video) <= set(RECORDED[engine]["mm_process_config"]["video"])
            assert set(json.loads(given["--limit-mm-data-per-request"])) <= set(
                RECORDED[engine]["limit_mm_data_per_request"])


def test_vllms_own_parser_has_read_these_very_commands():
    read = {each["command"]: each["read"] for each in RECORDED["vllm"]["parsed"]}
    for each in every_command("vllm"):
        assert each.command in read
        found, given = read[each.command], options(each.arguments)
        assert found["media_io_kwargs"] == json.loads(given["--media-io-kwargs"])
        assert found["max_model_len"] == int(given["--max-model-len"])
        assert found["limit_mm_per_prompt"]["video"] == json.loads(given["--limit-mm-per-prompt"])["video"]


@pytest.mark.parametrize("engine", ["vllm", "sglang"])
def test_a_shell_takes_commands_apart_as_they_were_put_together(engine):
    for each in every_command(engine):
        assert tuple(shlex.split(each.command)) == each.arguments


def test_a_llava_of_196_tokens_is_served_by_stock_vllm_and_no_other_is():
    stock = command("vllm", "llava-llama-3.1-8b", 32, 196)
    assert stock.servable
    assert json.loads(options(stock.arguments)["--media-io-kwargs"]) == {"video": {"num_frames": 32}}
    for tokens, stride in ((4, 14), (16, 7), (25, 6), (36, 5), (49, 4)):
        other = command("vllm", "llava-llama-3.1-8b", 32, tokens)
        assert not other.servable
        assert f"with stride {stride})" in other.needs[0]
        assert "subclass" in other.needs[0]
    assert "by interpolation" in command("vllm", "llava-llama-3.1-8b", 32, 100).needs[0]
    assert "no square grid" in command("vllm", "llava-llama-3.1-8b", 32, 50).needs[0]


def test_sglang_fixes_even_frames_and_says_so_of_odd_ones():
    even = command("sglang", "qwen2.5-vl-7b", 32, 66)
    video = json.loads(options(even.arguments[2:])["--mm-process-config"])["video"]
    assert even.servable
    assert video["min_frames"] == video["max_frames"] == 32
    assert video["max_pixels"] == 132 * 28**2
    odd = command("sglang", "qwen2.5-vl-7b", 7, 66)
    assert not odd.servable
    assert "takes 6" in odd.needs[0]
    assert command("sglang", "llava-llama-3.1-8b", 32, 196).command is None


def test_internvl_has_one_number_of_tokens():
    assert command("vllm", "internvl3-8b", 16, 256).servable
    assert not command("vllm", "internvl3-8b", 16, 196).servable
    assert command("sglang", "internvl3-8b", 32, 256).servable
    assert "DEFAULT_VIDEO_NUM_FRAMES" in command("sglang", "internvl3-8b", 16, 256).needs[0]


def test_fractional_frames_are_said():
    found = command("vllm", "qwen2.5-vl-7b", 5.5, 66)
    assert "no whole number" in found.needs[0]


def test_memory_batch_and_length_come_from_the_question():
    from vidscale.cost.constraints import Limit

    limited = {"limits": (Limit(kind="memory", value=30e9),)}
    given = options(command("vllm", "qwen2.5-vl-7b", 32, 66, kind="latency", gpu="h100", batch=4, text_tokens=3000,
                            output_tokens=500, **limited).arguments)
    assert given["--gpu-memory-utilization"] == "0.37"
    assert given["--max-num-seqs"] == "4"
    assert int(given["--max-model-len"]) >= 32 * 66 + 3500
    nameless = command("vllm", "qwen2.5-vl-7b", 32, 66, **limited)
    assert any("name a GPU" in note for note in nameless.notes)
    assert "--max-num-seqs" not in nameless.arguments


def test_what_is_not_servable_is_a_risk(known_model):
    found = recommend(known_model, Question(budget=12e12))
    needs = [need for each in found.commands.values() for need in each.needs]
    assert needs
    assert [risk.sentence.split(": ", 1)[1] for risk in found.risks if risk.kind == "not-servable"] == needs


def test_a_model_nobody_knows_has_no_command(known_model):
    found = recommend(known_model, Question(budget=12e12, model="qwen2.5-vl-7b", lm_params=(1e9,)))
    assert all(each.command is None and not each.servable for each in found.commands.values())
    assert set(MODELS)


def test_what_stock_vllm_serves_instead_is_the_best_of_it(known_model):
    found = recommend(known_model, Question(budget=20e12, data_size=1e6))
    assert found.configuration.tokens_per_frame != 196
    instead = recommend(known_model, Question(budget=20e12, data_size=1e6, tokens_per_frame=(196,)))
    (said,) = [note for note in found.commands["vllm"].notes if "of what stock vLLM serves" in note]
    x = instead.configuration
    assert f"({x.lm_name}) × {x.frames:g} frames × 196 tokens" in said
    assert f"{100 * (instead.error.value / found.error.value - 1):.2g} % more error" in said
    assert "--allow tokens_per_frame=196" in said
    assert instead.commands["vllm"].servable
    assert found.commands["vllm"].instead == x
    assert found.commands["vllm"].instead_command == instead.commands["vllm"].command
    assert found.commands["vllm"].instead_command in repr(found)
    assert instead.commands["vllm"].instead is None
    few = recommend(known_model, Question(budget=1e13, lm_params=(7.5e9,)))
    assert few.commands["vllm"].instead is None
    assert "nothing that the budget buys" in few.commands["vllm"].notes[-1]


def test_an_encoder_far_from_the_familys_makes_its_command_a_stand_in(known_model):
    question = Question(budget=20e12, data_size=1e6, tokens_per_frame=(196,))
    assert recommend(known_model, question).commands["vllm"].servable
    found = recommend(replace(known_model, encoder=(0.8e6, 64.0)), question)
    assert not found.commands["vllm"].servable
    assert found.commands["vllm"].needs[0].startswith("the runs had a vision encoder of 800k parameters")
