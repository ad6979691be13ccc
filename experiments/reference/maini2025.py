"""What Maini et al. 2025 (arXiv 2504.16980) print of SafeLM, by the arms of the study `safelm`.

Attack success in percent, on HarmBench and the like, of models of 1.7B parameters; one run per arm
and no interval. Their base models are asked by prompts to complete; `safelm`, as there, decodes
with SafeBeam.
"""

from __future__ import annotations

SOURCE = "Maini et al. 2025"

FINETUNED = {
    "baseline": 38.8,
    "score0": 43.8,
    "rephrase": 33.6,
    "refuse": 25.1,
    "moral": 23.0,
    "safelm": 8.3,
    "tags_sft_only": 30.0,
    "tags_no_rephrase": 10.0,
}
"""After benign fine-tuning; the last two are printed as "about"."""

BASE = {"baseline": 44.1, "moral": 28.8, "safelm": 11.6}
"""Of the pretrained models."""
