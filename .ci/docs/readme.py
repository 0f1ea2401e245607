# ruff: noqa: INP001 - MkDocs loads this file by its path
"""The README as the site's first page, links that leave the site as plain text, and names that lead to the reference.

MkDocs calls `on_files` once it has listed the pages, `on_page_markdown` with the text of each, `on_page_content` with
what it became.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

__all__ = ["on_files", "on_page_content", "on_page_markdown"]

_HOME = "index.md"
_LINK = re.compile(r"(?<!!)\[(?P<text>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<path>[^)\s:#]*)(?P<anchor>#[^)\s]*)?\)")
_ENTRY = re.compile(r"^::: (?P<path>[\w.]+\.(?P<name>[A-Z]\w*))$", re.MULTILINE)
_NAME = re.compile(r"<(?P<kept>a|h\d|pre)\b.*?</(?P=kept)>|<code>(?P<name>[A-Z]\w*)</code>", re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the README as `index.md`, with links as seen from the folder of the pages."""
    readme = Path(config.docs_dir).parent / "README.md"
    text = re.sub(r"\]\(docs/", "](", readme.read_text(encoding="utf-8"))
    files.append(File.generated(config, _HOME, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - MkDocs passes all by name
    """Turn links to files of the checkout that are no part of the site into plain text: the site knows no host for them."""
    here = PurePosixPath(page.file.src_uri).parent

    def link(match: re.Match[str]) -> str:
        path = match["path"]
        if not path.startswith("../"):
            return match[0]
        target = _resolved(here / path)
        if target == "../README.md":
            up = "../" * len(here.parts)
            return f"[{match['text']}]({up}{_HOME}{match['anchor'] or ''})"
        return match["text"] if target.startswith("../") else match[0]

    return _LINK.sub(link, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - as above
    """Link each class named in running text to its entry in the reference, if there is one entry of that name."""
    entries = _entries(config.docs_dir)

    def link(match: re.Match[str]) -> str:
        paths = entries.get(match["name"] or "", ())
        if len(paths) != 1:
            return match[0]
        return f'<autoref identifier="{paths[0]}" optional>{match[0]}</autoref>'

    return _NAME.sub(link, html)


@cache
def _entries(docs: str) -> dict[str, list[str]]:
    entries: dict[str, list[str]] = {}
    for page in Path(docs, "reference").glob("*.md"):
        for entry in _ENTRY.finditer(page.read_text(encoding="utf-8")):
            entries.setdefault(entry["name"], []).append(entry["path"])
    return entries


def _resolved(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
