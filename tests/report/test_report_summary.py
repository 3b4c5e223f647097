"""summary.md: the answer, its uncertainty and its limits, in sentences that must not go missing."""

import re

import pytest

from vidscale.report import write_study
from vidscale.report.summary import summary


@pytest.fixture(scope="module")
def said(paper_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("summary")
    write_study(paper_study, folder)
    return (folder / "summary.md").read_text(encoding="utf-8")


def test_synthetic_is_said_first(said):
    assert said.startswith("# paper-design (synthetic)")
    assert "Synthetic data" in said.split("## ")[0] or "Synthetic data" in "".join(said.splitlines()[:4])
    assert "say nothing about real video models, nor about which form of the law is true" in " ".join(said.split())


def test_no_form_is_called_true(said):
    assert "does not show that it is the true form" in said
    for claim in ("proves", "confirms", "the true law is", "is the correct form"):
        assert claim not in said


def test_the_answer_comes_before_its_grounds(said):
    order = [said.index(f"## {head}") for head in (
        "Answer", "By task", "The law", "What more compute is worth", "Against naive policies",
        "How the optimum moves", "Notes and warnings", "Files", "Provenance")]
    assert order == sorted(order)


def test_recommendation_for_every_budget(paper_study, said):
    answer = said.split("## Answer")[1].split("\n## ")[0]
    table = [line for line in answer.splitlines() if line.startswith("| 2M |")]
    budgets = {p.budget for p in paper_study.frontier.points}
    assert len(table) == len(budgets)
    assert "90 % true mean" in answer
    assert "90 % new measurement" in answer
    assert "P(best)" in answer
    assert "near-ties" in answer


def test_form_certificate_and_policies(paper_study, said):
    assert f"Form **{paper_study.form}**: {paper_study.reason}" in said
    assert "of starts reached the best optimum" in said
    for policy in ("lm_params only", "fixed visual tokens", "largest LM", "ignore encoder"):
        assert policy in said
    assert "Making the encoder one per cent cheaper is worth" in said


def test_every_estimator_is_named(paper_study, said):
    for report in paper_study.elasticities:
        if report.target == paper_study.model.lead:
            assert report.estimator in said


def test_files_and_provenance(paper_study, said):
    assert paper_study.table.data_hash in said
    assert "seed 0" in said
    for name in ("fit.json", "study.json", "frontier.csv", "policies.csv", "elasticity.csv", "fitted.csv"):
        assert f"`{name}`" in said
    for image in re.findall(r"\]\((figures/[^)]+)\)", said):
        assert image.removeprefix("figures/") in said.split("`figures/`")[1]


def test_it_is_short(said):
    assert len(said.splitlines()) <= 180
    assert "\n\n\n" not in said
    assert "nan" not in said.lower().split()


def test_li2024(li_study):
    text = summary(li_study)
    assert "no elasticity: data_size does not vary" in text
    assert "synthetic" not in text.lower()
    assert "figures/" not in text
    assert "epsilon" in text or "| D |" in text


def test_current_bagged_and_awkward_names(plain_study):
    text = summary(plain_study)
    assert "## The configuration in use" in text
    assert "no convex optimum and no certificate" in text
    assert "## What more compute is worth" not in text
    assert "these zeros are a property of the form, not a finding" in " ".join(text.split())
    assert "a\\|b" in text
