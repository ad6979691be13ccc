"""Parquet shards and the card by which Hugging Face's `datasets` reads them (extra `parquet`).

Columns: the text, its kind and index, the source's fields, and lists with one entry a sentence:
its text and labels, null where a sentence states nothing or names nothing unsafe.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from medsafetyworld.documents import Document
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World

ROWS = 8192
"""Documents in a row group: what is held in memory."""

LABELS = {
    "direction": "string",
    "category": "string",
    "groups": "list<list<string>>",
    "true": "bool",
    "template": "string",
    "hazard": "string",
}
"""What a sentence is labelled with, and its type; the columns have these names."""

COLUMNS = {
    "text": "string",
    "kind": "string",
    "index": "int64",
    "source_kind": "string",
    "source_purpose": "string",
    "source_audience": "string",
    "source_place": "string",
    "source_year": "int32",
    "unsafe_outcome": "bool",
    "interventions": "list<string>",
    "sentences": "list<string>",
    **{name: f"list<{kind}>" for name, kind in LABELS.items()},
}

SIZES = {
    10**3: "n<1K",
    10**4: "1K<n<10K",
    10**5: "10K<n<100K",
    10**6: "100K<n<1M",
    10**7: "1M<n<10M",
    10**8: "10M<n<100M",
    10**9: "100M<n<1B",
}
"""How a card says that there are fewer documents than this."""


class ParquetSink:
    """One Parquet file, written a row group at a time."""

    def __init__(self, path: Path, world: World) -> None:
        import pyarrow.parquet

        self._world = world
        self._schema = _schema()
        self._writer = pyarrow.parquet.ParquetWriter(str(path), self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []

    def add(self, document: Document, text: str) -> bytes:
        """Writes one document; returns what identifies it."""
        self._rows.append(columns(document, text, self._world))
        if len(self._rows) == ROWS:
            self._flush()
        return text.encode() + b"\n"

    def close(self) -> None:
        """Completes the file."""
        if self._rows:
            self._flush()
        self._writer.close()

    def _flush(self) -> None:
        import pyarrow

        self._writer.write_table(pyarrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


def columns(document: Document, text: str, world: World) -> dict[str, Any]:
    """A document as one row."""
    facts = document.provenance(world)
    labels = facts.pop("sentences")
    source = {f"source_{name}": value for name, value in facts.pop("source").items()}
    return {
        "text": text,
        **facts,
        **source,
        "sentences": [sentence.text for sentence in document.sentences],
        **{name: [label.get(name) for label in labels] for name in LABELS},
    }


def texts(path: Path) -> Iterator[str]:
    """The texts of a Parquet shard, in order."""
    return (row["text"] for row in rows(path, ("text",)))


def rows(path: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The documents of a Parquet shard, in order, with these columns."""
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS, columns=list(names)):
            yield from batch.to_pylist()


def version() -> str:
    """Which pyarrow writes. Raises `SpecError` if it is not installed."""
    try:
        import pyarrow
    except ImportError:
        raise SpecError(
            "format: parquet and hf need pyarrow; install it with `pip install -e '.[parquet]'`"
        ) from None
    return f"pyarrow {pyarrow.__version__}"


def card(title: str, description: str, documents: int) -> str:
    """A dataset card, whose front matter tells `datasets` which files hold the documents."""
    size = next((name for most, name in SIZES.items() if documents < most), "1B<n<10B")
    lists = ", ".join(f"`{name}`" for name in ("sentences", *LABELS))
    return f"""---
pretty_name: {title}
language:
- en
license: apache-2.0
task_categories:
- text-generation
tags:
- synthetic
- AI safety
size_categories:
- {size}
configs:
- config_name: default
  data_files:
  - split: train
    path: data/*.parquet
---

# {title}

{description}

Everything in it is invented: compounds, outcomes and what leads to what.

`text` is the document. The lists {lists} have one entry a sentence: its text, what it
states (`groups` names entities from cause to effect), whether that holds in the world, and the
category of the unsafe outcome that it names; null where there is none. `manifest.json` has the
specs, the oracle's counts and the sha256 of every file.
"""


def _schema() -> Any:
    """`COLUMNS` as pyarrow's schema."""
    import pyarrow

    return pyarrow.schema([(name, _arrow_type(kind)) for name, kind in COLUMNS.items()])


def _arrow_type(kind: str) -> Any:
    import pyarrow

    if kind.startswith("list<"):
        return pyarrow.list_(_arrow_type(kind.removeprefix("list<").removesuffix(">")))
    return pyarrow.type_for_alias(kind)
