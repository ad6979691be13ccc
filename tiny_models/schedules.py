"""Learning rates as pure functions of the step, computed on the host in double precision.

`learning_rate` is the only one the trainer calls. Warm-up, stable and decay after Hu et al. 2024
(arXiv:2404.06395), section 4; cosine after Loshchilov & Hutter 2017 (arXiv:1608.03983).
"""

from __future__ import annotations

import math

from tiny_models.config import TrainConfig


def learning_rate(config: TrainConfig, step: int) -> float:
    """Learning rate of update number `step`, counted from 0.

    Warm-up is linear and reaches `peak_lr` at step `warmup_steps`; it never is 0, so no step is
    wasted.
    """
    return config.peak_lr * min(warmup(config, step), _AFTER_WARMUP[config.schedule](config, step))


def warmup(config: TrainConfig, step: int) -> float:
    """Fraction of the peak in `(0, 1]`, linear."""
    return min(1.0, (step + 1) / (config.warmup_steps + 1))


def constant(config: TrainConfig, step: int) -> float:
    """Always the peak."""
    return 1.0


def cosine(config: TrainConfig, step: int) -> float:
    """Half a cosine from 1 at the end of warm-up to `final_lr_fraction` at the last step."""
    done = _share(step - config.warmup_steps, config.steps - 1 - config.warmup_steps)
    low = config.final_lr_fraction
    return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * done))


def wsd(config: TrainConfig, step: int) -> float:
    """1 until the last `decay_fraction` of all steps, then linear to `final_lr_fraction`."""
    length = round(config.decay_fraction * config.steps)
    done = _share(step - (config.steps - 1 - length), length)
    return 1 - (1 - config.final_lr_fraction) * done


def _share(part: int, whole: int) -> float:
    if whole <= 0:
        return 0.0
    return min(1.0, max(0.0, part / whole))


_AFTER_WARMUP = {"cosine": cosine, "wsd": wsd, "constant": constant}
