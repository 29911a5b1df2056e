"""Every link of a built site leads to a file of it, and to a place on that page: links.py SITE

Links to other hosts are not followed; a page that loads anything from one is an error.
"""

import sys
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADS = {"script", "img", "iframe", "link", "source", "video", "audio", "embed", "object"}


class Page(HTMLParser):
    """What a page links to, and the places on it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []
        self.places = {"", "top"}
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "data") and value is not None:
                self.links.append((tag, value))
            elif name in ("id", "name") and value:
                self.places.add(value)


page = cache(Page)
site = Path(sys.argv[1]).resolve()
wrong: set[str] = set()
pages = sorted(site.rglob("*.html"))
for path in pages:
    for tag, link in page(path).links:
        parts = urlsplit(link)
        where = f"{path.relative_to(site)}: {link}"
        if parts.scheme or parts.netloc:
            if tag in LOADS and parts.scheme != "data":
                wrong.add(f"{where} is loaded from elsewhere")
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        target = target / "index.html" if target.is_dir() else target
        if not target.is_file() or site not in target.parents:
            wrong.add(f"{where} is no file")
        elif target.suffix == ".html" and unquote(parts.fragment) not in page(target).places:
            wrong.add(f"{where} is no place on that page")
print(*sorted(wrong), sep="\n")
print(f"{len(pages)} pages, {sum(len(page(p).links) for p in pages)} links, {len(wrong)} wrong")
sys.exit(bool(wrong))
