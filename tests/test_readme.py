"""The README keeps what it shows: its Python runs, its verbs exist, its tree and links are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_python_runs(capsys):
    assert blocks("python")
    for code in blocks("python"):
        exec(compile(code, "README.md", "exec"), {})
    assert capsys.readouterr().out


def test_every_verb_and_option_exists():
    from typer.main import get_command

    from vidscale.cli.app import app

    group = get_command(app)
    shown = re.findall(r"vidscale ([a-z]+)([^`\n]*)", "\n".join(re.findall(r"`[^`\n]+`", README) + blocks("console")))
    verbs = [(verb, rest) for verb, rest in shown if verb in group.commands]
    assert {verb for verb, _ in verbs} >= {"study", "fit", "frontier", "predict", "compare", "elasticity", "cost"}
    for verb, rest in verbs:
        known = {option for parameter in group.commands[verb].params for option in parameter.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= known, (verb, rest)


def test_tree_and_links_exist():
    for folder in re.findall(r"^  (\w+)/ ", README, flags=re.MULTILINE):
        assert (ROOT / "src" / "vidscale" / folder / "__init__.py").is_file(), folder
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / link).exists(), link
