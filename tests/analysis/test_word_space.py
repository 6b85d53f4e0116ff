"""Words as points: closed forms on vectors that are chosen, so that every answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explorable.analysis import word_space as ws
from explorable.pipeline.encoded_text import EncodedText

POINTS = {"cat": (3.0, 0.0), "kitten": (3.0, 0.2), "dog": (2.0, 1.0), "car": (-3.0, 0.0), "truck": (-3.0, -0.3),
          "red": (0.0, -4.0)}
COMMON = np.array([50.0, 20.0])  # what all raw vectors share


def encode(texts):
    """An encoder of two layers that gives each word its point and the common vector; the first layer has a tenth."""
    found = []
    for text in texts:
        tokens = ("<start>", *text.split(), "<end>")
        rows = np.array([POINTS.get(token, (0.0, 0.0)) for token in tokens]) + COMMON
        found.append(EncodedText(tokens, ("embedding", "context"), np.stack([rows / 10, rows]).astype(np.float32)))
    return found


@pytest.fixture
def space() -> ws.WordSpace:
    return ws.word_space("test", encode, list(POINTS))


def test_the_common_vector_is_removed(space):
    expected = np.array(list(POINTS.values()))
    np.testing.assert_allclose(space.vectors[-1], expected - expected.mean(0), atol=1e-5)
    np.testing.assert_allclose(space.vectors.mean(1), 0, atol=1e-5)
    text = space.encode(["a cat"])[0]
    np.testing.assert_allclose(text.vectors[-1, ws.last_word(text)], space.vector("cat"), atol=1e-5)
    np.testing.assert_allclose(space.vector("zebra"), -expected.mean(0), atol=1e-5)  # a word outside of the vocabulary


def test_neighbours_are_those_at_the_smallest_angle(space):
    assert [word for word, _ in ws.neighbours(space, "cat", 2)] == ["kitten", "dog"]
    assert [word for word, _ in ws.neighbours(space, "car", 1)] == ["truck"]
    word, cosine = ws.neighbours(space, "dog", 1)[0]
    assert cosine == pytest.approx(ws.cosines(space.vector("dog")[None], space.vector(word)[None])[0, 0])


def test_cosines_of_known_angles():
    angles = np.radians([0, 45, 90, 180])
    circle = 7 * np.stack([np.cos(angles), np.sin(angles)], 1)
    np.testing.assert_allclose(ws.cosines(circle[:1], circle)[0], np.cos(angles), atol=1e-12)
    assert np.array_equal(ws.cosines(np.zeros((1, 2)), circle), np.zeros((1, 4)))


def test_synonyms_are_counted_in_both_directions(space):
    score = ws.synonym_score(space, [("cat", "kitten"), ("car", "red")], count=1)
    assert score.pairs == 4 and set(score.missed) == {("car", "red"), ("red", "car")} and score.share == 0.5


def test_pairs_in_order_and_among_all_pairs(space):
    assert ws.pair_order(space, ("cat", "kitten"), ("dog",), ("car", "truck")).all()
    assert not ws.pair_order(space, ("cat",), ("car",), ("dog",)).any()
    cosine, share = ws.percentile_of_pair(space, "cat", "kitten")
    others = [space.similarity[i, j] for i in range(6) for j in range(i)]
    assert cosine == pytest.approx(max(others), abs=1e-3) and share >= 13 / 15
    lowest = min(((a, b) for a in POINTS for b in POINTS if a < b), key=lambda p: ws.percentile_of_pair(space, *p)[0])
    assert ws.percentile_of_pair(space, *lowest)[1] == 0


# ---- maps ------------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 3))
def test_points_of_a_plane_are_shown_as_they_are(seed, dimensions):
    rng = np.random.default_rng(seed)
    flat = rng.normal(size=(20, dimensions)) * [5, 3, 1][:dimensions]
    turn = np.linalg.qr(rng.normal(size=(30, 30)))[0][:dimensions]
    found = ws.project(flat @ turn + rng.normal(size=30), dimensions)
    assert found.share.sum() == pytest.approx(1) and found.distance_error == pytest.approx(0, abs=1e-6)
    assert (np.diff(found.share) <= 1e-12).all()
    np.testing.assert_allclose(ws.cosines(found.positions, found.positions),
                               ws.cosines(flat - flat.mean(0), flat - flat.mean(0)), atol=1e-6)


def test_the_share_of_variance_is_that_of_the_components():
    corners = np.array([[3, 0, 0], [-3, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 1], [0, 0, -1]], float)
    found = ws.project(corners, 2)
    np.testing.assert_allclose(found.share, [9 / 14, 4 / 14])
    np.testing.assert_allclose(np.abs(found.positions[[0, 2]]), [[3, 0], [0, 2]], atol=1e-12)
    np.testing.assert_allclose(found.positions[4], 0, atol=1e-12)  # all of its distance from the middle is lost
    assert 0 < found.distance_error < 1


# ---- arithmetic ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "terms"), [
    ("cat", [(1, "cat")]), ("automobile - car + dog", [(1, "automobile"), (-1, "car"), (1, "dog")]),
    ("Day−night+sunset", [(1, "day"), (-1, "night"), (1, "sunset")]), ("- car + dog", [(-1, "car"), (1, "dog")]),
    ("car dog", None), ("", None), ("car +", None), ("car - - dog", None), ("+", None)])
def test_sums_are_read(text, terms):
    if terms is None:
        with pytest.raises(ValueError, match=r"automobile - car \+ dog|between any two words"):
            ws.parse_expression(text)
    else:
        assert list(ws.parse_expression(text)) == terms


def test_a_word_minus_itself_plus_another_is_the_other(space):
    ranks = ws.arithmetic_ranks(space, ws.parse_expression("car - car + cat"))
    assert ranks.word.values[0] == "cat" and float(ranks.cosine[0]) == pytest.approx(1)
    assert ranks.is_input.values.tolist()[0] and ranks.rank_without_inputs.values[0] == 0
    np.testing.assert_allclose(ws.combine(space, ws.parse_expression("cat - dog")),
                               space.vector("cat") - space.vector("dog"))


def test_ranks_without_inputs_leave_no_gap(space):
    ranks = ws.arithmetic_ranks(space, ws.parse_expression("cat + dog"))
    assert ranks["rank"].values.tolist() == list(range(1, 7)) and int(ranks.is_input.sum()) == 2
    assert ranks.rank_without_inputs.values[~ranks.is_input.values].tolist() == [1, 2, 3, 4]
    assert (np.diff(ranks.cosine) <= 0).all()


# ---- two encoders side by side ---------------------------------------------------------------------------------------


def test_both_encoders_count_as_much(space):
    def scaled(texts):
        return [EncodedText(t.tokens, t.layers, t.vectors[..., ::-1] * 1000) for t in encode(texts)]

    both = ws.join_spaces("both", [space, ws.word_space("scaled", scaled, list(POINTS))])
    assert both.vectors.shape == (2, 6, 4)
    np.testing.assert_allclose(both.vectors[..., :2], both.vectors[..., :1:-1], atol=1e-5)
    np.testing.assert_allclose(both.similarity, space.similarity, atol=1e-5)
    np.testing.assert_allclose(both.encode(["a dog"])[0].vectors[:, 2], both.vectors[:, 2], atol=1e-5)


def test_of_encoders_of_different_depth_the_ends_are_joined(space):
    def deep(texts):
        return [EncodedText(t.tokens, ("embedding", "layer 1", "context"), t.vectors[[0, 0, 1]]) for t in encode(texts)]

    both = ws.join_spaces("both", [ws.word_space("deep", deep, list(POINTS)), space])
    assert both.layers == ("embedding", "context") and both.vectors.shape == (2, 6, 4)
