"""`vidscale tokens`: its table, its JSON, and what it refuses."""

import json

import pytest

QWEN = ("tokens", "--model", "qwen2.5-vl", "--duration", "384", "--fps", "30", "--size", "1920x1080")
LLAVA = ("tokens", "--model", "llava", "--duration", "60", "--size", "1280x720")


def rows(text: str) -> dict[str, str]:
    """Quantity and value of every row of the table."""
    return {line[:20].strip(): line[20:].strip() for line in text.splitlines() if len(line) > 20}


def test_the_table_shows_how_the_count_comes_about(run):
    said = run(*QWEN)
    assert said.code == 0
    shown = rows(said.out)
    assert shown["frames seen"] == "768"
    assert shown["pairs of frames"] == "384"
    assert shown["tokens of a pair"] == "276"
    assert shown["tokens per frame"] == "138"
    assert shown["tokens in all"] == "105,984"
    assert "768 frames x 276 tokens are 105,984 tokens, not 211,968" in said.out
    assert "276,480" in said.out


def test_json_holds_the_same_and_the_settings(run):
    found = json.loads(run(*QWEN, "--no-cap-pixels-per-frame", "--json").out)
    assert found["total_tokens"] == 276_480
    assert found["settings"]["cap_pixels_per_frame"] is False
    assert found["video"] == {"duration_s": 384, "fps": 30, "width": 1920, "height": 1080}
    assert len(found["frame_indices"]) == found["frames"] == 768
    assert found["visual_tokens"] == found["temporal_groups"] * found["tokens_per_group"]
    assert found["notes"]


def test_every_option_reaches_the_count(run):
    def total(*options: str) -> dict:
        said = run(*options, "--json")
        assert said.code == 0, said.err
        return json.loads(said.out)

    assert total(*QWEN, "--sample-fps", "1")["frames"] == 384
    assert total(*QWEN, "--max-frames", "100")["frames"] == 100
    assert total(*QWEN, "--sample-fps", "0.01", "--min-frames", "10")["frames"] == 10
    assert total(*QWEN, "--frames", "16")["frames"] == 16
    assert total(*QWEN, "--max-pixels", "120000")["resized_height"] == 252
    assert total(*QWEN, "--min-pixels", "300000")["resized_height"] > 336
    assert total(*LLAVA, "--frames", "8", "--tokens-per-frame", "49")["total_tokens"] == 8 * 49
    assert total(*LLAVA, "--frames", "2", "--frame-rule", "segment-starts")["frame_indices"] == [0, 900]


@pytest.mark.parametrize(("arguments", "said"), [
    (("tokens",), "no model; give --model"),
    (("tokens", "--model", "gpt", "--duration", "1", "--size", "9x9"), "unknown model 'gpt'; allowed are llava,"),
    (("tokens", "--model", "llava", "--size", "9x9"), "no duration"),
    (("tokens", "--model", "llava", "--duration", "9"), "no size"),
    ((*LLAVA, "--duration", "0"), "--duration 0"),
    ((*LLAVA, "--duration", "-3"), "--duration -3"),
    ((*LLAVA, "--duration", "nan"), "--duration nan"),
    ((*LLAVA, "--duration", "inf"), "duration_s is inf"),
    ((*LLAVA, "--fps", "0"), "--fps 0"),
    ((*LLAVA, "--size", "1080p"), "--size '1080p'"),
    ((*LLAVA, "--size", "0x9"), "width is 0"),
    ((*LLAVA, "--tokens-per-frame", "200"), "nearest squares are 196 and 225"),
    ((*LLAVA, "--max-frames", "8"), "max_frames is no setting of llava"),
    ((*LLAVA, "--frames", "many"), "--frames"),
    ((*QWEN, "--tokens-per-frame", "196"), "tokens_per_frame is no setting of qwen2.5-vl"),
    ((*QWEN, "--size", "4100x20"), "aspect ratio of at most 200"),
])
def test_bad_input_is_one_clear_line(run, arguments, said):
    assert said in run(*arguments).refused()


def test_a_length_with_a_unit_says_in_which_it_is_taken(run):
    said = run("tokens", "--model", "llava", "--duration", "60s").refused()
    assert said == "error: --duration '60s' is no number (SECONDS); write one such as 60"
