"""The report page in a real browser: opens from disk, quiet, readable, and shows the study's numbers in every state."""

import re

import pytest

from browser import findings
from vidscale.report.page import report_page
from vidscale.report.page.words import answer_table, task_table
from vidscale.report.sentences import largest_size_points
from vidscale.report.tables import frontier_table, study_label

STUDIES = ("paper", "li", "plain", "hostile", "many", "latency", "small")
_written: dict[str, str] = {}


@pytest.fixture
def opened(open_page, tmp_path_factory, request):
    """Opens a study's page from disk once all is drawn: `opened("paper", colour="dark")`."""
    def open_(name, **more):
        if name not in _written:
            path = tmp_path_factory.mktemp(name) / "report.html"
            path.write_text(report_page(request.getfixturevalue(f"{name}_study")), encoding="utf-8")
            _written[name] = path.as_uri()
        seen = open_page(_written[name], **more)
        seen.page.wait_for_selector("html[data-ready=all]")
        return seen
    return open_


def cells(page, key):
    """The text of a table's body, row by row."""
    return page.evaluate("""(key) => [...document.querySelectorAll(`#table-${key} tbody tr`)].map(
        (row) => [...row.children].map((cell) => cell.textContent))""", key)


def expected(table):
    return [[" ".join(cell.split()) if column.words else cell for cell, column in zip(row, table.columns, strict=True)]
            for row in table.rows]


@pytest.mark.parametrize("name", STUDIES)
def test_every_plot_is_drawn_and_has_its_numbers(opened, name):
    seen = opened(name)
    seen.assert_clean()
    assert [url.split(":")[0] for url in seen.requests].count("file") == 1
    for figure in seen.page.query_selector_all("figure[data-plot]"):
        key = figure.get_attribute("data-plot")
        canvases = figure.query_selector_all(".canvas")
        assert canvases, key
        for canvas in canvases:
            assert canvas.query_selector("svg.main-svg"), key
            assert "numbers are in the table" in canvas.get_attribute("aria-label")
        assert figure.query_selector_all(".numbers-table tbody tr"), key
    assert "which configuration for which budget" in seen.page.title()


@pytest.mark.parametrize("name", ["paper", "hostile", "small"])
@pytest.mark.parametrize("colour", ["light", "dark"])
def test_accessible(opened, name, colour):
    seen = opened(name, colour=colour)
    seen.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert findings(seen.page, leave_out=".canvas > *") == []


@pytest.mark.parametrize("name", STUDIES)
def test_nothing_sticks_out_at_any_width(opened, name):
    seen = opened(name, width=1920)
    for width in (1920, 800, 360) if name == "paper" else (360,):
        seen.page.set_viewport_size({"width": width, "height": 900})
        # A resize is answered when it has rested; one that never is ends in a timeout here.
        seen.page.wait_for_function("""() => [...document.querySelectorAll('.canvas')].every((canvas) => {
            const plot = canvas.querySelector('svg.main-svg').getBoundingClientRect();
            const own = canvas.getBoundingClientRect(), all = document.querySelector('main').getBoundingClientRect();
            return plot.right <= all.right + 1 && Math.abs(plot.width - own.width) <= 2; })""")
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    seen.assert_clean()


def test_studies_at_the_edges(open_page, odd_studies, tmp_path):
    for name, study in odd_studies.items():
        path = tmp_path / f"{name}.html"
        path.write_text(report_page(study), encoding="utf-8")
        seen = open_page(path.as_uri())
        seen.page.wait_for_selector("html[data-ready=all]")
        seen.assert_clean()
        lead = study.model.lead
        largest = largest_size_points(study)[0].data_size
        assert cells(seen.page, "answer") == expected(answer_table(study, lead, largest)), name
        words = seen.page.evaluate("document.querySelector('main').innerText")
        assert not re.search(r"\b(NaN|undefined|Infinity|null)\b", words), name
        if name == "all fixed":
            assert "No factor can be chosen" in words
        if name == "sizes":
            assert "lie outside what was measured" in words
            assert "going from 100k to 4M finetuning examples" in words
            names = seen.page.locator("[name=size] + span").all_inner_texts()
            assert names == ["100k", "1M", "4M"]


def test_every_task_and_size_shows_the_studys_numbers(opened, paper_study):
    page = opened("paper").page
    sizes = list(dict.fromkeys(p.data_size for p in paper_study.frontier.points))
    for t, target in enumerate(paper_study.model.targets):
        page.select_option("#target", str(t))
        for i, size in enumerate(sizes):
            page.check(f"input[name=size][value='{i}']", force=True)
            assert cells(page, "answer") == expected(answer_table(paper_study, target, size)), (target, size)
        table = frontier_table(paper_study.frontier, title=study_label(paper_study), target=target)
        assert cells(page, "frontier") == expected(table)
    budgets = [p.budget for p in largest_size_points(paper_study)]
    for b, budget in enumerate(budgets):
        page.select_option("#task-budget", str(b))
        assert cells(page, "tasks") == expected(task_table(paper_study, budget, sizes[-1]))


def test_tables_are_there_without_scripts(opened, paper_study):
    page = opened("paper").page
    still = page.context.browser.new_context(java_script_enabled=False)
    try:
        plain = still.new_page()
        plain.goto(page.url)
        rows = plain.locator("#table-answer tbody tr")
        table = answer_table(paper_study, "average", 2e6)
        assert rows.count() == len(table.rows)
        assert rows.nth(3).inner_text().split("\t") == list(table.rows[3])
        assert plain.locator("noscript").first.inner_text().startswith("The plots need JavaScript")
    finally:
        still.close()


def test_data_sizes_toggle_in_plots(opened):
    seen = opened("paper")
    lines = "document.querySelectorAll('#plot-error .scatterlayer .trace').length"
    before = seen.page.evaluate(lines)
    button = seen.page.locator("#plot-error .legend button").first
    button.click()
    assert seen.page.evaluate(lines) == before - 3
    assert button.get_attribute("aria-pressed") == "false"
    assert seen.page.locator("#plot-paths .legend button").first.get_attribute("aria-pressed") == "false"
    for k in (1, 2, 3):
        seen.page.locator("#plot-error .legend button").nth(k).click()
    assert seen.page.evaluate(lines) == 3  # the last one stays
    seen.assert_clean()


def test_path_and_contours_follow_their_controls(opened):
    seen = opened("paper")
    page = seen.page
    path = "document.querySelector('#plot-paths .scatterlayer').innerHTML"
    contour = "document.querySelector('#plot-contours .contourlayer').innerHTML"
    first, drawn = page.evaluate(path), page.evaluate(contour)
    page.check("input[name=path-kind][value=steps]", force=True)
    assert page.evaluate(path) != first
    page.select_option("#hold", "1")
    assert page.evaluate(contour) != drawn
    page.select_option("#target", "3")
    assert page.locator("#hold").input_value() == "0"
    seen.assert_clean()


def test_keyboard_alone(opened, paper_study):
    page = opened("paper").page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "target"
    page.keyboard.press("ArrowDown")
    target = list(paper_study.model.targets)[1]
    assert page.locator(".the-target").first.inner_text() == f"task {target}"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowLeft")
    assert cells(page, "answer") == expected(answer_table(paper_study, target, 1e6))
    button = page.locator("#plot-paths .legend button").nth(1)
    button.focus()
    page.keyboard.press("Space")
    assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "false"
    page.locator("#plot-paths summary").focus()
    page.keyboard.press("Enter")
    assert page.locator("#plot-paths .numbers-table").is_visible()


def test_theme_turns_the_page_and_its_plots(opened):
    seen = opened("li")
    page = seen.page
    back, ink = ("getComputedStyle(document.body).backgroundColor",
                 "getComputedStyle(document.querySelector('#plot-error .xtick text')).fill")
    light = page.evaluate(back), page.evaluate(ink)
    button = page.locator("#theme")
    button.click()
    button.click()
    assert button.inner_text() == "Theme: dark"
    dark = page.evaluate(back), page.evaluate(ink)
    assert dark[0] != light[0]
    assert dark[1] != light[1]
    button.click()
    assert (page.evaluate(back), page.evaluate(ink)) == light
    seen.assert_clean()


def test_hovering_shows_the_number_with_its_interval(opened, li_study):
    page = opened("li").page
    page.locator("#plot-error").scroll_into_view_if_needed()
    spot = page.locator("#plot-error .scatterlayer .trace:last-child .point").first.bounding_box()
    page.mouse.move(spot["x"] + spot["width"] / 2, spot["y"] + spot["height"] / 2)
    page.wait_for_selector("#plot-error .hovertext")
    text = page.locator("#plot-error .hovertext").first.text_content()
    row = answer_table(li_study, "vlm_average", None).rows[0]
    assert row[4] in text
    assert row[5] in text


def test_names_cannot_act(opened):
    seen = opened("hostile")
    page = seen.page
    for t in range(page.locator("#target option").count()):
        page.select_option("#target", str(t))
    assert "owned" not in page.title()[:6]
    assert page.locator("main img").count() == 0
    assert page.evaluate("""[...document.querySelectorAll('a')].every((a) =>
        (a.getAttribute('href') ?? a.getAttribute('xlink:href') ?? '#').startsWith('#'))""")
    labels = page.evaluate("[...document.querySelectorAll('#plot-elasticity .ytick text')].map((t) => t.textContent)")
    assert any(label.startswith("%{x}") for label in labels)
    assert any(label.startswith("<img src=x") for label in labels)
    seen.assert_clean()


@pytest.mark.parametrize("colour", ["light", "dark"])
def test_print_is_light_open_and_whole(opened, colour):
    seen = opened("paper", colour=colour)
    page = seen.page
    page.evaluate("""addEventListener('beforeprint', () => { window.seen = {
        closed: document.querySelectorAll('details:not([open])').length,
        theme: document.documentElement.dataset.theme,
        widest: Math.max(...[...document.querySelectorAll('.canvas svg.main-svg')].map((s) => s.clientWidth)),
        ink: getComputedStyle(document.querySelector('#plot-error .xtick text')).fill}; })""")
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf[:5] == b"%PDF-"
    printed = page.evaluate("window.seen")
    assert printed["closed"] == 0
    assert printed["theme"] == "light"
    assert 300 < printed["widest"] <= 680
    assert printed["ink"] == "rgb(27, 31, 36)"
    page.wait_for_selector("html:not(.printing)")
    assert page.evaluate("document.documentElement.dataset.theme ?? null") is None
    assert page.locator("details[open]").count() == 0
    seen.assert_clean()


def test_the_answer_is_whole_in_a_narrow_window(opened, paper_study):
    page = opened("paper", width=400).page
    page.check("input[name=size][value='0']", force=True)  # drawn by the script, as before by Python
    for key in ("answer", "tasks"):
        inside = page.evaluate("""(key) => [...document.querySelectorAll(`#table-${key} tbody tr > *`)].map((cell) => {
            const at = cell.getBoundingClientRect();
            const head = getComputedStyle(cell, '::before').content;
            return at.left >= 0 && at.right <= innerWidth && head === JSON.stringify(cell.dataset.head); })""", key)
        assert inside, key
        assert all(inside), key
    heads = page.locator("#table-answer tbody tr").first.locator("[data-head]")
    assert [each.get_attribute("data-head") for each in heads.all()] == \
        page.locator("#table-answer thead th").all_text_contents()
    assert cells(page, "answer") == expected(answer_table(paper_study, "average", 2.5e5))
    assert findings(page, leave_out=".canvas > *") == []


def test_a_table_that_scrolls_shows_it_and_has_a_name(opened):
    page = opened("paper", width=400).page
    scrolling = page.evaluate("""() => [...document.querySelectorAll('.scroll')]
        .filter((box) => box.scrollWidth > box.clientWidth + 1)
        .map((box) => [box.ariaLabel, box.tabIndex, box.getAttribute('role'),
                       getComputedStyle(box).backgroundImage.split('linear-gradient').length - 1])""")
    assert "Naive policies against the frontier" in [name for name, *_ in scrolling]
    for name, place, role, shades in scrolling:
        assert name
        assert (place, role, shades) == (0, "region", 4), name


def test_planning_by_flops_shows_all_its_columns(opened):
    page = opened("latency", width=1400).page
    box = page.locator("#table-regret .scroll")
    assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth + 1")
    assert box.locator("thead th").last.inner_text().startswith("more")


def test_names_of_forms_stay_on_one_line(opened):
    page = opened("paper", width=1400).page
    rows = page.locator("#table-comparison tbody th bdi")
    assert rows.count() == 2
    heights = rows.evaluate_all("(all) => all.map((each) => each.getClientRects().length)")
    assert heights == [1, 1]
    labels = page.locator("#plot-forms .annotation rect.bg")
    assert labels.count() >= 2
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert all(label.evaluate("(rect) => getComputedStyle(rect).fill") == ground for label in labels.all())


def test_no_axis_of_errors_goes_above_100(opened):
    page = opened("high").page
    title, top = page.evaluate("""() => { const {yaxis} = document.querySelector('#plot-error .canvas').layout;
        return [yaxis.title.text, yaxis.range[1]]; }""")
    assert "error" in title
    assert top == 100
