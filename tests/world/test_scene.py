"""Scenes: validation, held-out pairs, and reproducible seeds."""

from __future__ import annotations

import itertools
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import LESSON, rngs, scenes, seeds

from explorable.world import COLOURS, KINDS, PLACES, Group, Scene, complete, held_out, parse, sample_scene
from explorable.world.scene import HELD_OUT_COLOURS, HELD_OUT_PLACES, HELD_OUT_THINGS, NATURAL

ROOT = Path(__file__).parents[2]

TABLES = {
    "colours": (HELD_OUT_COLOURS, set(itertools.product(KINDS, COLOURS))),
    "places": (HELD_OUT_PLACES, set(itertools.product(KINDS, PLACES))),
    "things": (HELD_OUT_THINGS, set(itertools.combinations(sorted(KINDS), 2))),
}


@pytest.mark.parametrize("table", TABLES)
def test_a_tenth_of_all_pairs_is_held_out(table):
    held_out_pairs, pairs = TABLES[table]
    assert held_out_pairs <= pairs
    assert len(held_out_pairs) == round(len(pairs) / 10)


def pairs_of(scene: Scene) -> dict[str, set]:
    return {
        "colours": {(g.kind, g.colour) for g in scene.groups},
        "places": {(g.kind, scene.place) for g in scene.groups},
        "things": set(itertools.combinations(sorted(g.kind for g in scene.groups), 2)),
    }


@given(scenes())
def test_a_scene_is_held_out_exactly_if_one_of_its_pairs_is(scene):
    assert held_out(scene) == any(pairs & TABLES[name][0] for name, pairs in pairs_of(scene).items())


@given(rngs)
def test_sampling_never_gives_a_held_out_pair(rng):
    for _ in range(50):
        scene = sample_scene(rng)
        assert not any(pairs & TABLES[name][0] for name, pairs in pairs_of(scene).items())


def test_sampling_gives_every_other_pair():
    """All pairs that are not held out occur, and with allow_held_out the held-out ones do too."""
    rng = random.Random(0)
    for allowed in (False, True):
        seen: dict[str, set] = {name: set() for name in TABLES}
        for _ in range(20_000):
            for name, pairs in pairs_of(sample_scene(rng, allow_held_out=allowed)).items():
                seen[name] |= pairs
        for name, (held_out_pairs, pairs) in TABLES.items():
            assert seen[name] == (pairs if allowed else pairs - held_out_pairs)


def test_natural_colours_are_never_held_out():
    assert not HELD_OUT_COLOURS & {(kind, colour) for kind, colours in NATURAL.items() for colour in colours}


@pytest.mark.parametrize("prompt", LESSON)
@given(seed=seeds)
def test_the_prompts_of_the_lesson_are_not_held_out(prompt, seed):
    scene = parse(prompt).scene
    assert not held_out(scene)
    full = complete(Scene(scene.groups, scene.relation, scene.place, scene.time, scene.mood, seed))
    assert all((g.kind, g.colour) not in HELD_OUT_COLOURS for g in full.groups)


@given(seeds)
def test_the_same_seed_gives_the_same_scene(seed):
    assert sample_scene(random.Random(seed)) == sample_scene(random.Random(seed))


PRINT_SCENES = """
import hashlib, random
from explorable.world import VOCABULARY, complete, draw, parse, sample_scene, write_caption, word_masks
from explorable.world.scene import HELD_OUT_COLOURS, HELD_OUT_PLACES, HELD_OUT_THINGS
print(VOCABULARY)
print(*map(sorted, (HELD_OUT_COLOURS, HELD_OUT_PLACES, HELD_OUT_THINGS)))
rng = random.Random("a world")
for n in range(200):
    scene = sample_scene(rng)
    caption = write_caption(scene, rng)
    print(scene, caption, parse(caption), complete(parse(caption).scene))
    if n < 12:
        drawing = draw(scene)
        print(list(drawing.masks), [word for word, _ in word_masks(drawing, caption)])
        for array in (drawing.image, *drawing.masks.values(), *(mask for _, mask in word_masks(drawing, caption))):
            print(hashlib.sha256(array.tobytes()).hexdigest())
"""


def test_a_seed_gives_the_same_scenes_in_every_process():
    """Scenes, captions, drawings and masks, printed by processes with different string hash seeds."""

    def printed(hash_seed: str) -> str:
        env = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        return subprocess.check_output([sys.executable, "-c", PRINT_SCENES], env=env, text=True)

    first, *others = (printed(hash_seed) for hash_seed in ("0", "1", "4242"))
    assert len(first.splitlines()) > 300
    assert all(other == first for other in others)


def test_no_global_random_generator_is_used():
    """Neither Python's global generator nor numpy's is read or advanced."""
    import numpy as np

    from explorable.world import draw, write_caption

    def everything() -> tuple:
        rng = random.Random(5)
        scene = sample_scene(rng)
        return scene, write_caption(scene, rng), draw(scene).image.tobytes()

    random.seed(1), np.random.seed(1)
    first = everything()
    after = random.random(), np.random.random()
    random.seed(1), np.random.seed(1)
    assert (random.random(), np.random.random()) == after
    assert everything() == first


@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("thing", lambda bad: Group(bad)),
        ("colour", lambda bad: Group("car", bad)),
        ("size", lambda bad: Group("car", size=bad)),
        ("count", lambda bad: Group("car", count=bad)),
        ("side", lambda bad: Group("car", side=bad)),
        ("relation", lambda bad: Scene((Group("car"), Group("cat")), relation=bad)),
        ("place", lambda bad: Scene(place=bad)),
        ("time", lambda bad: Scene(time=bad)),
        ("mood", lambda bad: Scene(mood=bad)),
    ],
)
@pytest.mark.parametrize("bad", ["nonsense", 0, 4, -1, "", "Red "])
def test_a_bad_value_is_refused_by_the_name_of_its_field(field, make, bad):
    with pytest.raises(ValueError, match=rf"^{field} {bad!r}: choose one of \w+"):
        make(bad)


@given(st.lists(st.sampled_from(KINDS), min_size=3, max_size=4, unique=True))
def test_more_than_two_groups_are_refused(kinds):
    with pytest.raises(ValueError, match="number of groups"):
        Scene(tuple(map(Group, kinds)))


@given(st.sampled_from(KINDS))
def test_two_groups_of_one_kind_are_refused(kind):
    with pytest.raises(ValueError, match="two groups of one kind"):
        Scene((Group(kind, "red"), Group(kind, "blue")))


@given(st.sampled_from(KINDS))
def test_a_relation_needs_two(kind):
    with pytest.raises(ValueError, match=r"relation 'behind' needs two"):
        Scene((Group(kind),), "behind")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Scene((Group("cat", count=2, side="left"),)),
        lambda: Scene((Group("cat", count=3, side="right"),), place="lake"),
        lambda: Scene((Group("cat", side="right"), Group("dog")), "left of"),
        lambda: Scene((Group("cat"), Group("dog", side="centre"))),
    ],
)
def test_a_side_that_cannot_be_drawn_is_refused(make):
    with pytest.raises(ValueError, match="side"):
        make()


@given(st.sampled_from(KINDS), st.sampled_from((1, 2, 3)), st.sampled_from((None, "centre")))
def test_several_things_may_stand_in_the_centre(kind, count, side):
    assert complete(Scene((Group(kind, count=count, side=side),))).groups[0].side == "centre"
