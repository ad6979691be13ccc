"""Worlds from files: what was saved, or nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from medsafetyworld.errors import SpecError
from medsafetyworld.graph import FORMAT, World
from medsafetyworld.semantics import edge
from medsafetyworld.spec import WorldSpec, from_json


def load_world(path: str | Path) -> World:
    """Reads a saved world. Raises `SpecError` naming the file if it is missing or not as saved."""
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8")
        body = json.loads(text)
        held, document = body["sha256"], body["world"]
        if document["format"] != FORMAT:
            raise SpecError(f"{path}: format is {document['format']!r}, this code reads {FORMAT!r}")
        world = _from_document(document, str(path))
    except SpecError as error:
        named = str(error).startswith(f"{path}: ")
        raise SpecError(str(error) if named else f"{path}: {error}") from None
    except (OSError, ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
        raise SpecError(f"{path}: not a saved world ({type(error).__name__}: {error})") from None
    if world.content_hash != held or world.sealed() != text:
        raise SpecError(f"{path}: the file is not as it was saved")
    return world


def _from_document(document: dict[str, Any], where: str) -> World:
    return World(
        spec=from_json(WorldSpec, json.dumps(document["spec"]), where),
        morphemes=tuple((str(o), str(c), str(e)) for o, c, e in document["compounds"]),
        mediators=tuple(tuple(str(name) for name in names) for names in document["mediators"]),
        outcomes=tuple(document["outcomes"]),
        systems=tuple(document["systems"]),
        severity=tuple(int(level) for level in document["severity"]),
        edges=tuple(
            edge(tuple(int(part) for part in row[1:-1]), int(row[-1]), int(row[0]))
            for row in document["edges"]
        ),
    )
