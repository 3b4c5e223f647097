"""The page by keyboard, in narrow and wide windows, light and dark, for people who see differently or not at all."""

import pytest
from explorer_server import fields, plotted, serving, settle

from browser import findings

NOW = "/?cost=flops&budget=5e12&data_size=5e5&current=lm_params=7.5e9,frames=8,tokens_per_frame=196"


@pytest.fixture(scope="module")
def server(known_fit):
    with serving(known_fit) as running:
        yield running


@pytest.mark.parametrize("colour", ["light", "dark"])
@pytest.mark.parametrize("query", [NOW, "/?cost=latency&gpu=H200&budget=0.05&weight=reading=1&weight=ordering=2",
                                   "/?cost=flops&budget=1e3"], ids=["answer", "weights", "refusal"])
def test_axe_finds_nothing_grave(open_page, server, colour, query):
    seen = open_page(server.address + query, colour=colour, motion="reduce")
    settle(seen.page)
    if "1e3" not in query:
        plotted(seen.page)
        for closed in seen.page.locator("summary:visible").all():
            closed.click()
    assert findings(seen.page) == []


def test_axe_finds_nothing_grave_in_a_narrow_window(open_page, server):
    seen = open_page(server.address + NOW, width=360, height=700, motion="reduce")
    settle(seen.page)
    plotted(seen.page)
    assert findings(seen.page) == []


@pytest.mark.parametrize("width", [320, 360, 768, 1024, 1280, 2200])
def test_nothing_is_wider_than_the_window(open_page, server, width):
    seen = open_page(server.address + NOW, width=width)
    settle(seen.page)
    plotted(seen.page)
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    seen.assert_clean()


def test_a_table_that_scrolls_shows_it_and_has_a_name(open_page, server):
    page = open_page(server.address + NOW, width=320).page
    settle(page)
    boxes = page.evaluate("""() => [...document.querySelectorAll('.scroll')].map((box) => [box.ariaLabel, box.tabIndex,
        box.getAttribute('role'), getComputedStyle(box).backgroundImage.split('linear-gradient').length - 1])""")
    assert {"Configurations", "Cost"} <= {name for name, *_ in boxes}
    assert all(rest == [0, "region", 4] for _, *rest in boxes)


def test_costs_are_in_sight_in_a_narrow_window(open_page, server):
    page = open_page(server.address + NOW, width=400).page
    settle(page)
    for name in ("Configurations", "Cost"):
        assert page.get_by_role("region", name=name, exact=True).evaluate("(box) => box.scrollWidth <= box.clientWidth")
    assert page.get_by_role("columnheader", name="share of FLOPs").is_visible()


AT_ENDS = [NOW, "/?cost=flops&budget=1e14&current=lm_params=7.5e9,frames=32,tokens_per_frame=196", "/?cost=flops"]


@pytest.mark.parametrize("query", AT_ENDS)
def test_names_in_the_plot_hide_no_line_and_the_axis_ends_at_100(open_page, server, query):
    page = open_page(server.address + query).page
    settle(page)
    plotted(page)
    names, top = page.evaluate("""() => { const {annotations, yaxis} = document.querySelector('.plot.errors').layout;
        return [annotations.map((one) => [one.text, one.bgcolor ?? null]), yaxis.range[1]]; }""")
    assert ["chosen", None] in names
    assert all(ground is None for _, ground in names)
    assert top <= 100
    outside = page.evaluate("""() => { const plot = document.querySelector('.plot.errors').getBoundingClientRect();
        return [...document.querySelectorAll('.plot.errors .annotation-text')].filter((text) => {
            const at = text.getBoundingClientRect();
            return at.left < plot.left || at.right > plot.right || at.top < plot.top; }).length; }""")
    assert outside == 0


def test_the_axis_of_errors_ends_at_100(open_page, server):
    page = open_page(server.address + NOW).page
    settle(page)
    plotted(page)
    page.route("**/api/v1/staircase", _higher)
    page.locator("#data-size").fill("400")
    page.wait_for_function("() => document.querySelector('.plot.errors').layout.yaxis.range[1] === 100")


def _higher(route):
    """The frontier with three times the error, which goes beyond 100 %."""
    reply = route.fetch()
    found = reply.json()
    for step in found["steps"]:
        step["error"] = {key: 3 * value if key in ("value", "mean_low", "mean_high") else value
                         for key, value in step["error"].items()}
    route.fulfill(response=reply, json=found)


def test_the_answer_comes_first_in_a_narrow_window_and_stays_in_sight(open_page, server):
    page = open_page(server.address + NOW, width=360, height=700).page
    settle(page)
    places = {name: page.locator(name).bounding_box()["y"] for name in ("#choice", "#controls", "#why")}
    assert places["#choice"] < places["#controls"] < places["#why"]
    assert page.locator("#choice").bounding_box()["y"] < 300
    page.locator("#budget-slider").scroll_into_view_if_needed()
    page.locator("#commands").scroll_into_view_if_needed()
    page.locator("#brief").wait_for(state="visible")
    assert "frames" in page.locator("#brief").inner_text()


def test_dark_is_dark(open_page, server):
    brightness = {}
    for colour in ("light", "dark"):
        page = open_page(server.address + NOW, colour=colour).page
        settle(page)
        plotted(page)
        text, ground = page.evaluate("""() => {
            const at = getComputedStyle(document.body);
            return [at.color, at.backgroundColor].map((c) => c.match(/\\d+/g).slice(0, 3)
                .reduce((a, b) => a + Number(b), 0))
        }""")
        ticks = page.evaluate("""() => getComputedStyle(document.querySelector('.plot .xtick text')).fill
            .match(/\\d+/g).slice(0, 3).reduce((a, b) => a + Number(b), 0)""")
        brightness[colour] = (text, ground, ticks)
    assert brightness["light"][1] > 700 > 250 > brightness["dark"][1]
    assert brightness["dark"][0] > 600 > 200 > brightness["light"][0]
    assert brightness["dark"][2] > 500 > 200 > brightness["light"][2]


def test_keyboard_alone(open_page, server):
    seen = open_page(server.address + NOW)
    page = seen.page
    settle(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the controls"
    page.keyboard.press("Enter")
    order = []
    for _ in range(60):
        page.keyboard.press("Tab")
        at = page.evaluate("""() => { const a = document.activeElement; const s = getComputedStyle(a);
            const label = a.matches('.segments input') ? getComputedStyle(a.nextElementSibling) : s;
            return [a.id || a.textContent.slice(0, 30), label.outlineStyle, parseFloat(label.outlineWidth)] }""")
        order.append(at[0])
        assert at[1] != "none", f"no visible focus on {at[0]}"
        assert at[2] >= 1, f"no visible focus on {at[0]}"
        if at[0] == "now-tokens":
            break
    wanted = ["family-compute", "budget", "budget-slider", "cost", "gpu", "data-size", "data-size-slider", "task",
              "lm-0", "lm-1", "lm-2", "memory", "limit-ttft", "limit-latency", "compare", "now-lm", "now-frames",
              "now-tokens"]
    assert [name for name in order if name in wanted] == wanted


def test_arrows_move_sliders_and_the_answer(open_page, server):
    page = open_page(server.address + NOW).page
    settle(page)
    slider = page.locator("#budget-slider")
    slider.focus()
    start = float(fields(page)["error"][1]), page.url, slider.input_value()
    for key, more in (("ArrowRight", True), ("ArrowLeft", False), ("PageUp", True), ("End", True), ("Home", False)):
        before = int(slider.input_value())
        page.keyboard.press(key)
        assert (int(slider.input_value()) > before) == more, key
    page.keyboard.press("End")
    page.wait_for_timeout(400)
    settle(page)
    assert float(fields(page)["error"][1]) < start[0]
    assert page.url != start[1]
    assert "TFLOPs" in slider.get_attribute("aria-valuetext")


def test_the_family_of_costs_moves_by_arrow_keys(open_page, server):
    page = open_page(server.address + NOW).page
    settle(page)
    page.locator("#family-compute").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(400)
    settle(page)
    assert "cost=latency" in page.url
    assert "ms" in fields(page)["cost"][0]


def test_the_answer_is_spoken(open_page, server):
    page = open_page(server.address + NOW).page
    settle(page)
    page.wait_for_function("() => document.getElementById('spoken').textContent.includes('% error')")
    assert page.locator("#spoken").get_attribute("role") == "status"
    plotted(page)  # a plot gets its words when it is drawn, after the answer
    for plot in page.locator(".plot").all():
        assert plot.get_attribute("role") == "img"
        assert plot.get_attribute("aria-label")
