"""Every control moves the answer and the address; an address restores the state; back and forward walk the states."""

from urllib.parse import parse_qs, urlsplit

import pytest
from explorer_server import fields, plotted, serving, settle

from known_study import known_rows
from vidscale.measurements import observations, read_measurements
from vidscale.study import StudySettings, bootstrap_model, choose_form
from vidscale.study.store import save_model

CHANGES = {
    # control → (what is done to it, parameter of the address that has to appear or change)
    "budget field": (lambda p: p.locator("#budget").fill("9"), "budget"),
    "budget slider": (lambda p: p.locator("#budget-slider").fill("60"), "budget"),
    "time": (lambda p: p.locator("label[for=family-time]").click(), "cost"),
    "money": (lambda p: p.locator("label[for=family-money]").click(), "cost"),
    "kind of FLOPs": (lambda p: p.locator("#cost").select_option("flops-exact"), "cost"),
    "GPU": (lambda p: p.locator("#gpu").select_option("L4"), "gpu"),
    "data field": (lambda p: p.locator("#data-size").fill("400"), "data_size"),
    "data slider": (lambda p: p.locator("#data-size-slider").fill("30"), "data_size"),
    "task": (lambda p: p.locator("#task").select_option("reading"), "task"),
    "mix of tasks": (lambda p: p.locator("#task").select_option(label="a mix of my own …"), "weight"),
    "language model": (lambda p: p.locator("#lm-2").uncheck(), "lm_params"),
    "memory": (lambda p: p.locator("#memory").fill("12"), "memory_limit_bytes"),
    "first token": (lambda p: p.locator("#limit-ttft").fill("60"), "limit"),
    "whole answer": (lambda p: p.locator("#limit-latency").fill("80"), "limit"),
    "compare": (lambda p: p.locator("#compare").check(), "current"),
}


@pytest.fixture(scope="module")
def server(known_fit):
    with serving(known_fit) as running:
        yield running


def query(page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_it_loads_with_an_answer_plots_and_a_whole_address(open_page, server):
    seen = open_page(server.address)
    settle(seen.page)
    plotted(seen.page)
    shown = fields(seen.page)
    assert set(shown) >= {"lm_params", "frames", "tokens_per_frame", "error", "mean_low", "mean_high", "new_low",
                          "new_high", "cost", "probability_best", "bottleneck"}
    assert {"cost", "budget", "data_size", "task"} <= set(query(seen.page))
    assert seen.page.locator(".plot .main-svg").count() > 0
    assert seen.page.locator("#commands pre").count() >= 2
    assert seen.page.title().endswith("vidscale")
    seen.assert_clean()


@pytest.mark.parametrize("control", CHANGES)
def test_each_control_moves_the_address_and_the_answer_follows(open_page, server, control):
    seen = open_page(server.address)
    page = seen.page
    settle(page)
    before = query(page)
    move, name = CHANGES[control]
    move(page)
    page.wait_for_timeout(300)
    settle(page)
    assert query(page).get(name) != before.get(name)
    assert page.locator("#answer").get_attribute("data-state") == "answered"
    seen.assert_clean()


def test_a_mix_of_tasks_and_the_request(open_page, server):
    seen = open_page(server.address + "/?cost=latency&gpu=H200&budget=0.06&data_size=1e6&weight=reading=2"
                     "&weight=ordering=2")
    page = seen.page
    settle(page)
    page.get_by_label("ordering").fill("6")
    page.locator("summary", has_text="A request").click()
    page.locator("#output-tokens").fill("4")
    page.locator("#batch").fill("2")
    page.wait_for_timeout(400)
    settle(page)
    found = query(page)
    assert found["output_tokens"] == ["4"]
    assert found["batch"] == ["2"]
    assert sorted(found["weight"]) == ["long <b>video</b>=0", "ordering=6", "reading=2"]
    seen.assert_clean()


def test_the_last_language_model_stays_allowed(open_page, server):
    page = open_page(server.address).page
    settle(page)
    for k in range(3):
        page.locator(f"#lm-{k}").uncheck() if k < 2 else page.locator(f"#lm-{k}").click()
    page.wait_for_timeout(400)
    settle(page)
    assert page.locator("#lm-2").is_checked()
    assert "has to stay allowed" in page.locator("#controls").inner_text()
    assert query(page)["lm_params"] == ["7.5e9"]


STATE = ("/?cost=latency&budget=0.071&gpu=H200&data_size=6e5&batch=1&output_tokens=4&text_tokens=20"
         "&memory_limit_bytes=3e10&level=0.8&model=llava-llama3&lm_params=2.8e9&lm_params=7.5e9&weight=ordering=1"
         "&weight=reading=3&limit=ttft<=0.09s&current=lm_params=1e9,frames=8,tokens_per_frame=49")


def test_a_shared_address_restores_the_state_exactly(open_page, server):
    first = open_page(server.address + STATE)
    settle(first.page)
    assert query(first.page) == parse_qs(STATE[2:])
    page = first.page
    assert page.locator("#budget").input_value() == "71"
    assert page.locator("#gpu").input_value() == "H200"
    assert page.locator("#data-size").input_value() == "600"
    assert [page.locator(f"#lm-{k}").is_checked() for k in range(3)] == [False, True, True]
    assert page.locator("#memory").input_value() == "30"
    assert page.locator("#limit-ttft").input_value() == "90"
    assert page.locator("#now-frames").input_value() == "8"
    assert page.locator("#level").input_value() == "0.8"
    second = open_page(page.url)
    settle(second.page)
    assert second.page.url == page.url
    assert fields(second.page) == fields(page)
    page.reload()
    settle(page)
    assert page.url == second.page.url
    assert fields(page) == fields(second.page)
    first.assert_clean()


def test_back_and_forward_walk_the_states(open_page, server):
    seen = open_page(server.address)
    page = seen.page
    settle(page)
    states = [(page.url, fields(page))]
    for step in (lambda: page.locator("#budget").fill("7"), lambda: page.locator("#task").select_option("ordering"),
                 lambda: page.locator("#compare").check()):
        step()
        page.wait_for_timeout(400)
        settle(page)
        states.append((page.url, fields(page)))
    assert len({url for url, _ in states}) == 4
    for url, shown in states[-2::-1]:
        page.go_back()
        settle(page)
        assert (page.url, fields(page)) == (url, shown)
    for url, shown in states[1:]:
        page.go_forward()
        settle(page)
        assert (page.url, fields(page)) == (url, shown)
    seen.assert_clean()


def test_one_drag_is_one_step_back(open_page, server):
    page = open_page(server.address).page
    settle(page)
    depth = page.evaluate("history.length")
    # From inside the page: calls from outside come so slowly on a busy machine that they are several drags.
    page.evaluate("""() => {
        const slider = document.getElementById("budget-slider");
        for (let step = 100; step < 130; step += 2) {
            slider.value = step;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
        }
    }""")
    page.wait_for_timeout(400)
    settle(page)
    assert page.evaluate("history.length") == depth + 1


def test_cards_set_the_next_budget_and_twice_the_data(open_page, server):
    page = open_page(server.address + "/?cost=flops&budget=5e12&data_size=5e5").page
    settle(page)
    promised = fields(page)["next_budget_error"]
    page.get_by_role("button", name="Try this budget").click()
    page.wait_for_timeout(400)
    settle(page)
    assert float(fields(page)["error"][1]) == pytest.approx(float(promised[1]), rel=1e-12)
    page.get_by_role("button", name="Try this much data").click()
    page.wait_for_timeout(400)
    settle(page)
    assert query(page)["data_size"] == ["1e6"]


def test_copy_buttons_copy(open_page, server):
    seen = open_page(server.address, permissions=["clipboard-read", "clipboard-write"])
    page = seen.page
    settle(page)
    page.locator("#share").click()
    page.get_by_text("Copied", exact=True).wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    terminal = page.locator(".command", has_text="in a terminal")
    terminal.get_by_role("button").click()
    assert page.evaluate("navigator.clipboard.readText()") == terminal.locator("pre").inner_text()
    seen.assert_clean()


def test_what_a_link_asks_that_the_study_lacks_is_said(open_page, server):
    page = open_page(server.address + "/?cost=flops&budget=5e12&task=singing&data_size=lots&gpu=abacus").page
    settle(page)
    said = page.locator("#notice").inner_text()
    assert page.locator("#notice").get_attribute("role") == "status"
    assert page.locator("#answer").get_attribute("data-state") == "answered"
    for control, what, shown in (("task", "task “singing”", "all tasks alike"), ("gpu", "GPU “abacus”", "any GPU"),
                                 ("data-size", "data size “lots”", "1M examples")):
        line = f"Not understood: {what}. Shown instead: {shown}."
        assert line in said
        assert page.locator(f"#doubt-{control}").inner_text() == line
        assert page.locator(f"#{control}").get_attribute("aria-describedby") == f"doubt-{control}"
    page.locator("#task").select_option("reading")
    page.wait_for_timeout(400)
    settle(page)
    assert page.locator(".doubt").count() == 2
    assert page.locator("#task").get_attribute("aria-describedby") is None


@pytest.mark.parametrize("budget", ["abc", "-5", "0"])
def test_a_budget_of_a_link_that_is_none_is_said_beside_the_budget(open_page, server, budget):
    page = open_page(f"{server.address}/?cost=flops&budget={budget}").page
    settle(page)
    line = page.locator("#doubt-budget").inner_text()
    assert line.startswith(f"Not understood: budget “{budget}”. Shown instead: ")
    assert line.endswith(f"{page.locator('#budget').input_value()} TFLOPs.")
    assert line in page.locator("#notice").inner_text()


@pytest.mark.parametrize(("control", "typed", "kept", "line"), [
    ("budget", "-5", "5", "Budget: “-5” is not a number above 0. Shown instead: 5 TFLOPs."),
    ("budget", "", "5", "Budget: no number was typed. Shown instead: 5 TFLOPs."),
    ("memory", "-3", "", "Memory at most: “-3” is not a number above 0. Shown instead: no limit."),
    ("limit-ttft", "0", "90", "First token within: “0” is not a number above 0. Shown instead: 90 ms."),
    ("now-frames", "0", "8", "Frames per video: “0” is not a whole number above 0. Shown instead: 8."),
])
def test_what_was_typed_and_is_no_value_is_said_and_taken_back(open_page, server, control, typed, kept, line):
    seen = open_page(server.address + "/?cost=flops&budget=5e12&data_size=5e5&gpu=H200&limit=ttft<=0.09s"
                     "&current=lm_params=7.5e9,frames=8,tokens_per_frame=196")
    page = seen.page
    settle(page)
    before = page.url
    page.locator(f"#{control}").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type(typed) if typed else page.keyboard.press("Delete")
    page.keyboard.press("Tab")
    page.locator(f"#doubt-{control}").wait_for()
    assert page.locator(f"#doubt-{control}").inner_text() == line
    page.wait_for_function("(line) => document.getElementById('spoken').textContent === line", arg=line)
    assert page.locator(f"#{control}").input_value() == kept
    if control == "budget":
        settle(page)
        assert page.url == before
    page.locator(f"#{control}").fill("60")
    page.wait_for_timeout(400)
    settle(page)
    assert page.locator(".doubt").count() == 0
    seen.assert_clean()


def test_what_a_link_holds_beside_the_controls_is_shown_and_can_be_lifted(open_page, server):
    page = open_page(server.address + "/?cost=flops&budget=5e12&frames=8&frames=16&limit=flops-exact<=9e12").page
    settle(page)
    assert "8, 16 frames" in page.locator("#only").inner_text()
    assert "flops-exact" in page.locator("#other-limits").inner_text()
    page.locator("#only button").click()
    page.locator("#other-limits button").click()
    page.wait_for_timeout(400)
    settle(page)
    assert not {"frames", "limit"} & set(query(page))


def test_how_it_is_predicted_and_chosen(open_page, server):
    page = open_page(server.address + "/?cost=latency&gpu=H200&budget=0.05").page
    settle(page)
    page.locator("summary", has_text="How it is predicted").click()
    page.locator("#predictor").select_option("bagged")
    page.locator("#level").select_option("0.95")
    page.locator("#near").fill("3")
    page.locator("#lattice").select_option("published")
    page.locator("summary", has_text="A request").click()
    page.locator("#model").select_option("qwen2.5-vl")
    page.wait_for_timeout(400)
    settle(page)
    found = query(page)
    assert found["predictor"] == ["bagged"]
    assert found["level"] == ["0.95"]
    assert found["tolerance"] == ["0.03"]
    assert found["lattice"] == ["published"]
    assert found["model"] == ["qwen2.5-vl"]
    assert page.locator("#answer").get_attribute("data-state") == "answered"


def test_a_study_without_frames_asks_for_them_first(open_page, tmp_path):
    table = read_measurements(known_rows().query("frames == 8").drop(columns="frames"), name="frameless")
    settings = StudySettings(forms=("add",), form="add", draws=8, starts=4, folds=3)
    obs = observations(table)
    save_model(bootstrap_model(table, obs, choose_form(table, obs, settings)[3], settings), tmp_path / "fit.json")
    with serving(tmp_path / "fit.json") as frameless:
        page = open_page(frameless.address).page
        settle(page)
        assert "do not say frames" in page.locator("#refusal").inner_text()
        page.get_by_role("button", name="Type it").click()
        page.keyboard.type("8")
        page.locator("#choice").wait_for()
        page.wait_for_timeout(400)
        settle(page)
        assert query(page)["frames"] == ["8"]
        assert fields(page)["frames"] == ("8", "8")
