"""Laws of the Hugging Face export: the same function, without torch, whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from tiny_models import ModelConfig, Params, export
from tiny_models.export import MarkTokens, export_hugging_face, llama_config, llama_tensors

ROOT = Path(__file__).resolve().parents[2]
MARKS = MarkTokens(start=1, end=1, pad=0)
FILES = {"config.json", "generation_config.json", "model.safetensors"}


def test_neither_torch_nor_transformers_is_needed(tmp_path: Path) -> None:
    code = f"""
import sys
for name in ("torch", "transformers", "tokenizers"):
    sys.modules[name] = None  # importing it is an ImportError from now on
from pathlib import Path
from tiny_models import MarkTokens, ModelConfig, export_hugging_face, init_params
model = ModelConfig(vocab_size=5, d_model=4, layers=1, heads=1, kv_heads=1, hidden=4, context=8)
export_hugging_face(Path({str(tmp_path / "model")!r}), init_params(model, 0), model,
                    MarkTokens(start=1, end=1, pad=0))
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    assert {path.name for path in (tmp_path / "model").iterdir()} == FILES


def test_the_same_model_gives_the_same_bytes(
    tmp_path: Path, params: Params, model: ModelConfig
) -> None:
    for name in ("a", "b"):
        export_hugging_face(tmp_path / name, params, model, MARKS, {"README.md": "Grüße"})
    files = {path.name for path in (tmp_path / "a").iterdir()}
    assert files == {*FILES, "README.md"}
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_the_tensors_are_ours_transposed_and_the_output_is_tied(
    tmp_path: Path, params: Params, model: ModelConfig
) -> None:
    export_hugging_face(tmp_path / "model", params, model, MARKS)
    with safe_open(tmp_path / "model" / "model.safetensors", framework="numpy") as file:
        assert file.metadata() == {"format": "pt"}
        stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert stored.keys() == llama_tensors(params, model).keys()
    assert "lm_head.weight" not in stored
    assert json.loads((tmp_path / "model" / "config.json").read_text())["tie_word_embeddings"]
    layer = params["layers"]["0"]
    key = stored["model.layers.0.self_attn.k_proj.weight"]
    assert key.shape == (model.kv_heads * model.head_dim, model.d_model)
    assert np.array_equal(key, np.asarray(layer["attention"]["k"]).T)
    assert np.array_equal(stored["model.embed_tokens.weight"], params["embedding"])


def test_a_target_that_holds_something_is_refused_and_left_alone(
    tmp_path: Path, params: Params, model: ModelConfig
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    for name in ("full", "file", "dangling"):
        with pytest.raises(FileExistsError, match=f"{name} already holds something"):
            export_hugging_face(tmp_path / name, params, model, MARKS)
    assert sorted(tmp_path.rglob("*")) == before
    (tmp_path / "empty").mkdir()
    export_hugging_face(tmp_path / "empty", params, model, MARKS)
    assert {path.name for path in (tmp_path / "empty").iterdir()} == FILES


@pytest.mark.parametrize("fails_at", range(4))
def test_a_full_disk_leaves_nothing_behind(
    tmp_path: Path,
    params: Params,
    model: ModelConfig,
    monkeypatch: pytest.MonkeyPatch,
    fails_at: int,
) -> None:
    write, written = export.write_atomically, []

    def until_full(path: Path, content: bytes) -> None:
        if len(written) == fails_at:
            raise OSError(28, "No space left on device")
        written.append(path)
        write(path, content)

    monkeypatch.setattr(export, "write_atomically", until_full)
    with pytest.raises(OSError, match="No space left"):
        export_hugging_face(tmp_path / "model", params, model, MARKS, {"README.md": "text"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["config.json", "../escaped", "deep/file", "", ".."])
def test_a_further_file_stays_inside_and_replaces_nothing(
    tmp_path: Path, params: Params, model: ModelConfig, name: str
) -> None:
    with pytest.raises(ValueError, match="must have a plain name other than"):
        export_hugging_face(tmp_path / "model", params, model, MARKS, {name: "text"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("mask", [0o077, 0o022])
def test_the_directory_is_open_to_whom_the_user_s_others_are(
    tmp_path: Path, params: Params, model: ModelConfig, mask: int
) -> None:
    before = os.umask(mask)
    try:
        export_hugging_face(tmp_path / "model", params, model, MARKS)
    finally:
        os.umask(before)
    assert (tmp_path / "model").stat().st_mode & 0o777 == 0o777 & ~mask


def test_the_name_of_the_directory_is_flushed_last(
    tmp_path: Path, params: Params, model: ModelConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Path, bool]] = []
    monkeypatch.setattr(
        export, "flush", lambda path: seen.append((path, (tmp_path / "model").exists()))
    )
    export_hugging_face(tmp_path / "model", params, model, MARKS)
    assert seen == [(tmp_path, True)]


@pytest.mark.parametrize("mark", ["start", "end", "pad"])
def test_a_mark_outside_the_vocabulary_is_refused(model: ModelConfig, mark: str) -> None:
    marks = MarkTokens(**{"start": 1, "end": 1, "pad": 0, mark: model.vocab_size})
    with pytest.raises(ValueError, match=f"the {mark} token must lie in"):
        llama_config(model, marks)
