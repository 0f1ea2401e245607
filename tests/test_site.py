"""The documentation as a site: built strictly, every public name in it, every link leading somewhere, nothing from afar.

It is built where MkDocs is installed (`pip install '.[docs]'`), else skipped.
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

for _name in ("mkdocs", "material", "mkdocstrings_handlers.python"):
    pytest.importorskip(_name, reason="the extra docs is not installed")

ROOT = Path(__file__).parent.parent
# Where public names are; each name has an entry of its own in the reference.
DOORS = ("", ".types.chat", ".relay", ".bulk", ".server", ".testing", ".hooks")

pytestmark = pytest.mark.timeout(300)


class Page(HTMLParser):
    """What a page links to, loads, and can be linked to by."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loads: set[str] = set()
        self.ids: set[str] = set()
        self.classes: set[str] = set()
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note what a tag refers to."""
        named = dict(attrs)
        self.tags.add(tag)
        self.classes |= set((named.get("class") or "").split())
        self.ids |= {named[name] for name in ("id", "name") if named.get(name)}
        if tag == "a" and named.get("href"):
            self.links.add(named["href"])
        elif tag == "link" and named.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.loads.add(named["href"])
        elif tag in ("img", "script", "iframe", "video", "source") and named.get("src"):
            self.loads.add(named["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Every page of the site by its path, built as in CI."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", ".ci/docs/mkdocs.yml", "-d", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONWARNINGS": "default"}
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, {
        path.relative_to(folder).as_posix(): Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")
    }


@pytest.mark.parametrize("door", DOORS)
def test_every_public_name_has_an_entry(site, door):
    """What a public module lists can be looked up in the reference, by the name that it is imported by or as a type."""
    module = importlib.import_module(f"openai_async{door}")
    entries = {entry for path, page in site[1].items() if path.startswith("reference/") for entry in page.ids}
    places = (module.__name__, "openai_async.types.chat")

    assert [name for name in module.__all__ if entries.isdisjoint(f"{place}.{name}" for place in places)] == []


def test_every_local_link_leads_somewhere(site):
    """Pages, files and headings that a page refers to are in the site."""
    folder, pages = site
    checked = {path: page for path, page in pages.items() if path != "404.html"}  # its links begin at the host's root

    wrong = [
        (path, link)
        for path, page in checked.items()
        for link in page.links | page.loads
        if not leads_somewhere(folder, pages, path, link)
    ]

    assert wrong == []


def leads_somewhere(folder, pages, path, link):
    """Whether a page's link leaves the site, or its file is there, and has the heading."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True
    target = os.path.normpath(Path(path).parent / unquote(parts.path)) if parts.path else path
    if not (folder / target).is_file():
        return False
    return not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].ids


def test_nothing_is_loaded_from_elsewhere(site):
    """A reader without a network sees everything: no script, style, font or picture is another host's, nor any diagram."""
    folder, pages = site
    foreign = [(path, load) for path, page in pages.items() for load in page.loads if urlsplit(load).netloc]
    styles = [path.name for path in folder.rglob("*.css") if re.search(r"(@import|url\()\W*https?:", path.read_text())]

    assert foreign == []
    assert styles == []
    assert [path for path, page in pages.items() if "mermaid" in page.classes] == []


def test_the_readme_is_the_first_page(site):
    """What the README links to in the docs, the first page links to in the site."""
    linked = re.findall(r"\]\(docs/([\w./-]+)\.md(#[\w-]+)?\)", (ROOT / "README.md").read_text(encoding="utf-8"))

    assert linked
    assert {f"{page}.html{anchor}" for page, anchor in linked} <= site[1]["index.html"].links


def test_no_reference_is_left_open(site):
    """Each cross-reference of a docstring became a link or text, and no section of one was left as it was written."""
    folder, pages = site
    raw = re.compile(r"<p>(Args|Raises|Returns|Yields|Attributes):")

    assert [path for path, page in pages.items() if "autoref" in page.tags] == []
    assert [path for path in pages if raw.search((folder / path).read_text(encoding="utf-8"))] == []
