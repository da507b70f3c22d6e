# SPDX-License-Identifier: MIT
"""What the pages show is so: every snippet runs, in the order of its page."""

import doctest
import pathlib
import re
import sys
import types

import fault_server
import pytest
from redis_server import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGES = sorted(
    page
    for page in (ROOT / "docs").glob("**/*.md")
    if page.parent.name != "bench" and page.stem not in ("formats", "memoize", "memory")
)


def snippets(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def redis():
    server = Server()
    yield server
    server.close()


@pytest.fixture
def s3(monkeypatch):
    server = fault_server.Server().start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    yield server
    server.stop()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_snippets_of_a_page_do_what_it_says(page, monkeypatch, tmp_path, redis, s3):
    module = types.ModuleType("page")  # As if it stood in a file: names lead to what it defines.
    monkeypatch.setitem(sys.modules, "page", module)
    names = vars(module)
    failures = []
    for number, snippet in enumerate(snippets(page)):
        snippet = snippet.replace("/var/cache/", f"{tmp_path}/")  # Others run the same pages.
        snippet = snippet.replace('("localhost")', f'("127.0.0.1", {redis.port})')
        if ">>>" not in snippet:
            exec(compile(snippet, f"{page.name}[{number}]", "exec"), names)
            continue
        test = doctest.DocTestParser().get_doctest(snippet, names, page.name, page.name, number)
        test.globs = names  # Not a copy: what a page deletes is gone.
        runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
        runner.run(test, out=failures.append, clear_globs=False)
    assert not failures, "".join(failures)


def test_there_is_a_page_for_each_subject():
    assert {page.stem for page in PAGES} == {
        *("first-steps", "invalidate", "methods", "async", "same-call"),
        *("keys", "tiers", "errors", "values", "file", "redis", "s3", "write-a-backend"),
    }


def test_links_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
            assert (page.parent / link).exists(), (page.name, link)


def test_the_snippet_of_the_readme_runs():
    (snippet,) = snippets(ROOT / "README.md")
    names = {"fetch_quote": lambda stock: 101}
    exec(snippet, names)
    assert names["quote"]("ACME") == 101
