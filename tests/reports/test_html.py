"""index.html: whole, safe, small, and asking no network."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import PIL.Image
import pytest

VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """Every element with its attributes, and whether all are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements, self.open, self.words = [], [], {}
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.setdefault(self.open[-1] if self.open else "", []).append(data)

    def all(self, tag: str) -> list[Any]:
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def file(files: Any) -> Path:
    return files("html")["index.html"]


@pytest.fixture(scope="module")
def text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_the_page_is_well_formed(page: Page) -> None:
    assert page.open == []


def test_the_page_is_at_most_ten_megabytes(file: Path) -> None:
    assert file.stat().st_size <= 10 * 2**20


def test_nothing_is_loaded_from_anywhere(page: Page, text: str) -> None:
    for _, attrs in page.elements:
        assert not any(name.startswith("on") for name in attrs)
        for name in ("src", "href", "data", "action"):
            assert re.match(r"data:image/(png|webp);base64,|#", attrs.get(name, "#"))
    assert "@import" not in text and "url(" not in text and "fetch(" not in text
    assert any("default-src 'none'" in (a.get("content") or "") for a in page.all("meta"))


def test_what_comes_from_outside_is_escaped(page: Page, text: str) -> None:
    assert len(page.all("script")) == 1
    assert "<b>bold</b>" not in text and "&lt;b&gt;bold&lt;/b&gt;" in text
    assert "</script><script>alert(1)" not in text
    assert page.words["h1"] == ["fake <run>"]


def test_all_pictures_decode_and_have_a_description(page: Page) -> None:
    pictures = page.all("img")
    assert len(pictures) > 200
    for picture in pictures:
        assert picture["alt"]
        data = base64.b64decode(picture["src"].partition(",")[2])
        with PIL.Image.open(io.BytesIO(data)) as image:
            image.verify()


def test_identifiers_are_unique_and_links_lead_to_them(page: Page) -> None:
    names = [attrs["id"] for _, attrs in page.elements if "id" in attrs]
    assert len(names) == len(set(names))
    for link in page.all("a"):
        assert link["href"].removeprefix("#") in names


def test_columns_sort_by_buttons_and_cells_carry_the_order(page: Page) -> None:
    scores = [table for table in page.all("table") if table.get("class") == "scores"]
    buttons = [button for button in page.all("button") if button.get("type") == "button"]
    assert len(scores) == 2 and len(buttons) == 2 * 30
    orders = [cell["data-order"] for cell in page.all("td") if "data-order" in cell]
    assert len(orders) > 300 and "inf" in orders
    assert all(map(float, orders))


def test_tables_scroll_within_the_page_and_can_be_reached_by_keyboard(page: Page) -> None:
    regions = [box for box in page.all("div") if "scroll" in (box.get("class") or "")]
    assert regions and all(box["tabindex"] == "0" and box["aria-label"] for box in regions)


def test_marks_are_shown(page: Page, text: str) -> None:
    assert "SH regular + normals‡" in text and "† n/N" in text and "Bold:" in text
    assert "35/36" in page.words["span"]
    assert "LPIPS has no AlexNet weights; run `bench fetch lpips` &lt;once&gt;" in text


def test_light_and_dark_are_both_provided(text: str) -> None:
    assert "prefers-color-scheme: dark" in text


def test_missing_data_leaves_a_message_and_the_tables(
    fake: Any, write: Any, tmp_path: Path
) -> None:
    parts = (fake.Part("vases", "mini", 3, 1),)
    run = fake.FakeRun(parts=parts, missing_data=frozenset({"vases"}))
    text = write("html", run, tmp_path)["index.html"].read_text(encoding="utf-8")
    assert "no such image file" in text and 'class="scores"' in text


def test_a_run_without_any_outcome_still_makes_a_page(
    fake: Any, write: Any, tmp_path: Path
) -> None:
    text = write("html", fake.FakeRun(listed=[]), tmp_path)["index.html"].read_text("utf-8")
    assert Page(text).open == []
