"""Policies survive as data, and data that is no policy is refused in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given

from medsafetyworld.errors import SpecError
from medsafetyworld.policies import (
    PAPER_POLICY,
    POLICIES,
    AllOf,
    Not,
    ReverseUnsafe,
    SafetyPolicy,
)
from medsafetyworld.policy_data import content_hash, from_json, load, policy, save, to_json

from policy_cases import NoMention, policies


@given(policies())
def test_a_policy_survives_as_json(given: SafetyPolicy) -> None:
    text = to_json(given)
    assert from_json(text) == given
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


@given(policies(), policies())
def test_policies_have_equal_hashes_exactly_if_they_are_equal(
    one: SafetyPolicy, other: SafetyPolicy
) -> None:
    assert (content_hash(one) == content_hash(other)) is (one == other)


def test_what_the_named_policies_are_as_data_never_changes() -> None:
    assert {name: to_json(known) for name, known in POLICIES.items()} == {
        "paper": '{"kind":"reverse-unsafe","mediators":false}',
        "mediator-aware": '{"kind":"reverse-unsafe","mediators":true}',
        "lethal-only": '{"kind":"all-of","parts":[{"kind":"reverse-unsafe","mediators":false},'
        '{"kind":"severity-at-least","level":"lethal"}]}',
        "actionable-chain": '{"kind":"actionable-chain"}',
        "clinicians": '{"kind":"all-of","parts":[{"kind":"reverse-unsafe","mediators":false},'
        '{"kind":"for-audience","sources":["registry","textbook","trial report"]}]}',
    }


def test_a_saved_policy_is_found_by_path_and_a_named_one_by_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    mine = AllOf((PAPER_POLICY, Not(POLICIES["lethal-only"])))
    save(mine, path)
    assert load(path) == mine == policy(str(path))
    assert policy("mediator-aware") == ReverseUnsafe(mediators=True)


def test_a_field_with_a_default_may_be_left_out() -> None:
    assert from_json('{"kind":"reverse-unsafe"}') == PAPER_POLICY


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(SpecError, match="did you mean 'mediator-aware'"):
        policy("mediator-awar")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"none\.json: cannot be read \(No such file"):
        policy(str(tmp_path / "none.json"))


def test_a_policy_of_ones_own_is_no_data_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="NoMention cannot be written as data"):
        save(Not(NoMention()), tmp_path / "mine.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "mine: not readable JSON"),
        ("[" * 100_000, "mine: not readable JSON"),
        (b"\xff\xfe\xff", "mine: not readable JSON"),
        ("[]", "mine: must be an object with a kind"),
        ('{"mediators":true}', "mine: must be an object with a kind"),
        ('{"kind":"reverse-unsaf"}', "did you mean 'reverse-unsafe'"),
        ('{"kind":"reverse-unsafe","mediator":true}', "did you mean 'mediators'"),
        ('{"kind":"reverse-unsafe","mediators":1}', "mine: mediators must be true or false, got 1"),
        ('{"kind":"severity-at-least"}', "mine: severity-at-least needs the field level"),
        ('{"kind":"severity-at-least","level":3}', "mine: level must be mild"),
        ('{"kind":"for-audience","sources":["a",2]}', "mine: sources must be one or more names"),
        ('{"kind":"for-audience","sources":"registry"}', "mine: sources must be one or more"),
        ('{"kind":"any-of","parts":[]}', "mine: parts must be one or more policies"),
        ('{"kind":"any-of","parts":{}}', "mine: parts must be one or more policies"),
        ('{"kind":"not","part":[]}', r"mine\.part: must be an object"),
        ('{"kind":"any-of","parts":[{"kind":"paper"}]}', r"mine\.parts\[0\]: no kind of policy"),
        ('{"kind":"not","kind":"any-of"}', "mine: kind is given twice"),
        ('{"kind":"not","part":' * 40 + "1" + "}" * 40, "at most 16 deep"),
    ],
)
def test_data_that_is_no_policy_is_refused_naming_the_field(
    text: str | bytes, message: str
) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        from_json(text, "mine")
    assert "\n" not in str(caught.value)
