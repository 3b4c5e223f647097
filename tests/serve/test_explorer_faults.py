"""What the page does when a question, the network, the server or the study is not as it was."""

from dataclasses import replace

import pytest
from explorer_server import fields, serving, settle

from vidscale.study.store import load_model, save_model

ASKED = "/?cost=flops&budget=5e12&data_size=5e5"


@pytest.fixture(scope="module")
def server(known_fit):
    with serving(known_fit) as running:
        yield running


def test_a_budget_that_buys_nothing_is_one_plain_line(open_page, server):
    page = open_page(server.address + ASKED).page
    settle(page)
    page.locator("#budget").fill("0.001")
    page.locator("#refusal").wait_for()
    settle(page)
    assert "buys nothing" in page.locator("#refusal").inner_text()
    assert page.locator("#more").is_hidden()
    assert fields(page) == {}
    page.get_by_role("button", name="Choose a budget for me").click()
    page.locator("#choice").wait_for()
    settle(page)
    assert page.locator("#answer").get_attribute("data-state") == "answered"


@pytest.mark.parametrize("reply", [{"status": 500, "body": "<html>oops</html>"}, {"status": 200, "body": "not json"},
                                   None], ids=["500", "no JSON", "aborted"])
def test_a_failing_api_leaves_the_last_answer_and_recovers(open_page, server, reply):
    page = open_page(server.address + ASKED).page
    settle(page)
    before = fields(page)
    page.route("**/api/v1/recommend", lambda route: route.abort() if reply is None else route.fulfill(**reply))
    page.locator("#budget").fill("9")
    page.locator("#notice.bad").wait_for()
    said = page.locator("#notice").inner_text()
    assert "No connection" in said
    assert "last answer" in said
    assert fields(page) == before
    page.unroute("**/api/v1/recommend")
    page.locator("#notice.good").wait_for()
    settle(page)
    assert "budget=9e12" in page.url
    assert page.locator("#answer-title").inner_text().startswith("Best configuration for 9 TFLOPs")


WATCH = """() => {
    const answer = document.getElementById('answer');
    window.flips = [];
    new MutationObserver(() => window.flips.push(answer.ariaBusy))
        .observe(answer, { attributes: true, attributeFilter: ['aria-busy'] });
}"""
#: Answers take 0.6 s longer, unless they are given up for a newer question.
SLOW = """() => {
    const real = window.fetch;
    window.asked = 0;
    window.fetch = async (url, options) => {
        if (String(url).endsWith('recommend')) {
            window.asked += 1;
            await new Promise((done, failed) => {
                setTimeout(done, 600);
                options.signal.addEventListener('abort', () => failed(options.signal.reason));
            });
        }
        return real(url, options);
    };
}"""
#: An answer that came once comes at once.
KEPT = """() => {
    const real = window.fetch;
    const kept = new Map();
    window.fetch = async (url, options) => {
        if (!String(url).endsWith('recommend')) return real(url, options);
        if (!kept.has(options.body)) kept.set(options.body, await (await real(url, options)).text());
        return new Response(kept.get(options.body), { headers: { 'Content-Type': 'application/json' } });
    };
}"""


def test_a_slow_api_dims_the_last_answer_and_the_newest_question_wins(open_page, server):
    page = open_page(server.address + ASKED).page
    settle(page)
    page.evaluate(WATCH)
    page.evaluate(SLOW)
    page.evaluate("""async () => {
        const field = document.getElementById('budget');
        for (const budget of ['6', '7', '8', '9']) {
            field.value = budget;
            field.dispatchEvent(new Event('input'));
            await new Promise((done) => setTimeout(done, 20));
        }
    }""")
    page.wait_for_function("() => document.getElementById('answer').ariaBusy === 'true'")
    assert page.locator("#choice").is_visible()
    settle(page)
    assert page.locator("#answer-title").inner_text().startswith("Best configuration for 9 TFLOPs")
    assert page.evaluate("window.asked") <= 3  # the first, and the newest; never a queue of all
    flips = page.evaluate("window.flips")
    assert [one for k, one in enumerate(flips) if k == 0 or one != flips[k - 1]] == ["true", "false"]


def test_fast_answers_never_flicker(open_page, server):
    page = open_page(server.address + ASKED).page
    settle(page)
    page.evaluate(WATCH)
    page.evaluate(KEPT)
    steps = [100, 104, 108]
    for step in steps:  # computed once, so that the second round is as fast as a page can be
        page.locator("#budget-slider").fill(str(step))
        page.wait_for_timeout(300)
        settle(page)
    page.evaluate("window.flips.length = 0")
    for step in steps[::-1]:
        page.locator("#budget-slider").fill(str(step))
        settle(page)
    assert "true" not in page.evaluate("window.flips")


def test_a_restarted_server_is_said_and_found_again(open_page, known_fit):
    with serving(known_fit) as server:
        page = open_page(server.address + ASKED).page
        settle(page)
        before = fields(page)
        server.stop()
        page.locator("#notice.bad").wait_for()
        assert "the server does not answer" in page.locator("#notice").inner_text()
        assert fields(page) == before
        page.locator("#budget").fill("9")
        server.start()
        page.locator("#notice.good").wait_for(timeout=60000)
        settle(page)
        assert page.locator("#answer-title").inner_text().startswith("Best configuration for 9 TFLOPs")
        assert page.locator("body").get_attribute("data-server") is None


def test_a_replaced_study_is_said_and_shown(open_page, known_fit, tmp_path):
    path = tmp_path / "fit.json"
    first = load_model(known_fit)
    save_model(first, path)
    with serving(path) as server:
        page = open_page(server.address + ASKED + "&task=reading").page
        settle(page)
        kept = {name: law for name, law in first.targets.items() if name == "ordering"}
        save_model(replace(first, table="second <i>study</i>", data_hash="ab" * 32, targets=kept), path)
        page.locator("#notice.warn").wait_for(timeout=60000)
        said = page.locator("#notice").inner_text()
        assert "second <i>study</i>" in said
        assert "reading" in said
        settle(page)
        assert page.locator("#study-name").inner_text() == "second <i>study</i>"
        assert page.locator("#answer-title").inner_text().endswith("ordering")


def test_the_same_data_fitted_again_and_a_file_that_cannot_be_read(open_page, known_fit, tmp_path):
    path = tmp_path / "fit.json"
    first = load_model(known_fit)
    save_model(first, path)
    with serving(path) as server:
        page = open_page(server.address + ASKED).page
        settle(page)
        path.write_text("{")
        page.locator("#notice.warn").wait_for(timeout=60000)
        assert "could not be read" in page.locator("#notice").inner_text()
        assert page.locator("#answer").get_attribute("data-state") == "answered"
        kept = {name: law for name, law in first.targets.items() if name != "reading"}
        save_model(replace(first, targets=kept), path)
        page.get_by_text("The study known was updated").wait_for(timeout=60000)
        assert "reading" not in page.locator("#task").inner_text()


HOSTILE = "</script><img src=x onerror=alert(1)><b>\"'&amp;"


def test_hostile_names_are_text(open_page, known_fit, tmp_path):
    first = load_model(known_fit)
    names = [f"{HOSTILE} {k}" for k in range(len(first.targets) - 1)]
    lead, *rest = first.targets
    targets = {lead: first.targets[lead], **{name: first.targets[old] for name, old in zip(names, rest, strict=True)}}
    path = tmp_path / "fit.json"
    save_model(replace(first, table=HOSTILE, targets=targets), path)
    with serving(path) as server:
        seen = open_page(server.address + ASKED)
        page = seen.page
        page.on("dialog", lambda dialog: pytest.fail(f"a name ran: {dialog.message}"))
        settle(page)
        assert page.locator("#study-name").inner_text() == HOSTILE
        for choice in (names[0], "a mix of my own …"):
            page.locator("#task").select_option(label=choice)
            page.wait_for_timeout(400)
            settle(page)
            assert page.locator("#answer").get_attribute("data-state") == "answered"
        assert page.locator("img").count() == 0
        assert page.locator("#weights label").first.inner_text() == names[0]
        assert HOSTILE in page.locator("#commands").inner_text().replace("'\\''", "'")
        page.reload()
        settle(page)
        seen.assert_clean()
