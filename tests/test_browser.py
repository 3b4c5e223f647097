"""The browser fixture itself: it sees errors, requests and accessibility findings."""

from browser import findings

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>t</title></head>
<body><main><h1>One</h1>{}</main></body></html>"""


def _file(tmp_path, body):
    path = tmp_path / "page.html"
    path.write_text(PAGE.format(body), encoding="utf-8")
    return path.as_uri()


def test_a_quiet_page_is_clean(open_page, tmp_path):
    seen = open_page(_file(tmp_path, "<p>text</p>"), colour="dark", width=360)
    seen.assert_clean()
    assert seen.requests[0].startswith("file:")
    assert seen.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert findings(seen.page) == []


def test_errors_and_requests_are_seen(open_page, tmp_path):
    seen = open_page(_file(tmp_path, "<img src='https://example.org/a.png' alt='a'><script>throw Error('no')</script>"))
    assert seen.outside == ["https://example.org/a.png"]
    assert any("no" in error for error in seen.errors)


def test_findings_are_seen(open_page, tmp_path):
    seen = open_page(_file(tmp_path, "<button></button><p style='color:#ccc;background:#fff'>pale</p>"))
    assert {line.split(" ")[0] for line in findings(seen.page)} >= {"button-name", "color-contrast"}
