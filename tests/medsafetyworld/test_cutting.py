"""What is cut off stays what it was to the loss."""

from __future__ import annotations

from dataclasses import replace

import pytest
from planted import CORPUS, DEEP

from medsafetyworld.cutting import cut_back
from medsafetyworld.documents import LOSSES, full_stopped


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("words", [4, 8, 12])
def test_a_sentence_that_is_cut_off_counts_in_the_loss_as_before(loss: str, words: int) -> None:
    for index in range(0, len(CORPUS), 7):
        for each in CORPUS.document(index).sentences:
            text = full_stopped(each.text.split(" ")[:words])
            assert cut_back(DEEP, replace(each, text=text, loss=loss)).loss == loss
