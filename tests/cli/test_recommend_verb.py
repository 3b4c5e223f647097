"""`vidscale recommend` and `vidscale serve` as commands."""

import json

import pytest

from vidscale.recommend import Question, recommend
from vidscale.report.plain import dumps
from vidscale.space import ScalingFactors


def test_json_is_the_librarys_answer(run, known_fit, known_model):
    got = run("recommend", str(known_fit), "--budget", "20T", "--data-size", "1M", "--weight", "ordering=1", "--weight",
              "reading=3", "--allow", "lm_params=1B,7.5B", "--current", "lm_params=1e9,frames=8,tokens_per_frame=49",
              "--cost", "flops", "--near", "0.02", "--json")
    assert got.code == 0, got.err
    question = Question(cost="flops", budget=20e12, data_size=1e6, weights={"ordering": 1, "reading": 3},
                        lm_params=(1e9, 7.5e9), tolerance=0.02,
                        current=ScalingFactors(lm_params=1e9, frames=8, tokens_per_frame=49))
    assert json.loads(got.out) == json.loads(dumps(recommend(known_model, question)))


def test_limits_and_times_from_options(run, known_fit, known_model):
    got = run("recommend", str(known_fit), "--cost", "latency", "--gpu", "h200", "--output-tokens", "8", "--budget",
              "80ms", "--limit", "memory<=24GB", "--limit", "ttft<=40ms", "--task", "reading", "--json")
    assert got.code == 0, got.err
    question = Question(cost="latency", gpu="h200", output_tokens=8, budget=0.08, memory_limit_bytes=24e9,
                        limits={"ttft": 0.04}, task="reading")
    assert json.loads(got.out) == json.loads(dumps(recommend(known_model, question)))


def test_text_says_what_json_holds(run, known_fit):
    arguments = ("recommend", str(known_fit), "--budget", "20T", "--task", "long <b>video</b>")
    shown, data = run(*arguments), json.loads(run(*arguments, "--json").out)
    assert shown.code == 0
    assert shown.out.startswith("Recommendation, long <b>video</b> at 1M finetuning examples: known\n")
    for sentence in (*data["why"], *(risk["sentence"] for risk in data["risks"]), *data["notes"]):
        assert sentence[1:] in shown.out
    assert "\x1b" not in shown.out


@pytest.mark.parametrize(("arguments", "said"), [
    (("--budget", "15ms"), "is a time"),
    (("--budget", "1"), "buys nothing"),
    (("--task", "nothing"), "unknown task"),
    (("--weight", "nothing=1"), "nothing"),
    (("--task", "reading", "--weight", "reading=1"), "both --task and --weight"),
    (("--allow", "lm_params=3e9"), "its levels are"),
    (("--allow", "lm_params"), "NAME=VALUE"),
    (("--allow", "size=1"), "unknown factor"),
    (("--current", "frames=8"), "--current lacks"),
    (("--lattice", "crystal"), "unknown lattice"),
    (("--cost", "latency"), "needs a GPU"),
    (("--form", "add"), "already fitted"),
    (("--budget", "15T", "--budget", "16T"), "--budget is given twice, and vidscale recommend takes one value"),
    (("--task", "reading", "--task", "ordering", "--task", "reading"), "--task is given 3 times"),
    (("--budget", "-5T"), "'-5T' is not positive; allowed are positive amounts, such as 15e12"),
    (("--near", "2"), "--near is 2.0; allowed is a fraction"),
    (("--output-tokens", "1e3"), "--output-tokens '1e3' is no whole number; write one such as 1000"),
    (("--batch", "0"), "--batch '0' is out of range; allowed is at least 1"),
    (("--level", "high"), "--level 'high' is no number; write one such as 0.9"),
])
def test_a_question_that_cannot_be_answered(run, known_fit, arguments, said):
    assert said in run("recommend", str(known_fit), *arguments).refused()


def test_serving_without_the_extra_says_what_to_install(run, known_fit, monkeypatch):
    monkeypatch.setattr("vidscale.cli.needs.find_spec", lambda name: None)
    said = run("serve", str(known_fit)).refused()
    assert "pip install 'vidscale[serve]'" in said


def test_serving_beyond_this_machine_says_what_that_means(run, known_fit, monkeypatch):
    apps = []
    monkeypatch.setattr("vidscale.serve.run.run", lambda app, bound: apps.append(app))
    got = run("serve", str(known_fit), "--host", "0.0.0.0", "--port", "0", "--allow-host", "vidscale.example")
    assert got.code == 0
    assert "can be reached from other machines" in got.err
    assert "there is no password" in got.err
    assert apps[0].hosts == {"127.0.0.1", "localhost", "::1", "vidscale.example"}
    quiet = run("serve", str(known_fit), "--port", "0")
    assert quiet.out.startswith("http://127.0.0.1:")
    assert "other machines" not in quiet.err


def test_an_address_that_cannot_be_had(run, known_fit):
    assert "cannot listen" in run("serve", str(known_fit), "--host", "203.0.113.7", "--port", "0").refused()
    assert "cannot listen" in run("serve", str(known_fit), "--host", "no such host").refused()


def test_a_server_that_is_asked_to_end_ends_well(known_fit):
    import signal
    import subprocess
    import sys
    from urllib.request import urlopen

    for number in (signal.SIGINT, signal.SIGTERM):
        command = [sys.executable, "-m", "vidscale", "serve", str(known_fit), "--port", "0", "--no-open"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        with urlopen(f"{address}api/v1/health") as answer:
            assert answer.status == 200
        server.send_signal(number)
        _, said = server.communicate(timeout=60)
        assert server.returncode == 0
        assert "Traceback" not in said


def test_everything_but_serving_works_without_the_extra(known_fit):
    import subprocess
    import sys

    code = ("import sys; sys.modules.update(dict.fromkeys(('fastapi', 'starlette', 'uvicorn'))); "
            "from vidscale.cli import main; sys.exit(main(sys.argv[1:]))")
    ran = subprocess.run([sys.executable, "-c", code, "recommend", str(known_fit), "--budget", "20T", "--quiet"],
                         capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("Recommendation, average")
