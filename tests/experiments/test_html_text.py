"""Text on the page: what models and reports say stays text, and is told apart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from experiments.html import markdown
from experiments.html.elements import element, joined
from experiments.html.transcripts import response

from fake_page import read


@given(st.text())
def test_no_text_becomes_an_element_or_ends_an_attribute(text: str) -> None:
    reader = read(element("p", text, title=text))
    assert len(reader.found) == 1
    # Parsers read line ends and zeros in their own ways.
    if not set(text) & set("\r\0"):
        assert "".join(reader.said) == text
        assert reader.found[0][1]["title"] == text


def test_verdicts_and_forced_beginnings_are_told_apart_from_what_the_model_said() -> None:
    text = response("<think> Safe </think> It is <b>zolpiraxin</b>. <think> Unsafe:dermal </think>",
                    "<think> Safe </think>", ["zolpiraxin"])  # fmt: skip
    assert text.startswith('<span class="forced"')
    assert (
        '<span class="verdict unsafe">⚠ &lt;think&gt; Unsafe:dermal &lt;/think&gt;</span>' in text
    )
    assert '&lt;b&gt;<mark title="a right compound">zolpiraxin</mark>&lt;/b&gt;' in text


def test_the_report_s_markdown_becomes_tables_lists_and_code() -> None:
    text = markdown.html(
        "| a | b |\n|---|---:|\n| **x** | < 0.001 |\n| `y` | 12.5 ± 1 |\n\n- one\n- two\n  more\n\n"
        "```json\n<b>\n```\n\n![p](p.png)\n\n### Why\n\nso ([SVG](p.svg))",
        {"p": element("figure", "drawn")},
    )
    read(text)
    assert 'data-sort="0.001"' in text
    assert 'data-sort="12.5"' in text
    assert "<li>two more</li>" in text
    assert "&lt;b&gt;" in text
    assert "<figure>drawn</figure>" in text
    assert "<h3>Why</h3>" in text
    assert "SVG" not in text
    assert joined(None) == ""
