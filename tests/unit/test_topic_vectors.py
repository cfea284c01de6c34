"""Likeness of texts to topics by the nearest of what is said of each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triagedesk.classify.encoders import Embedded
from triagedesk.classify.topic_vectors import Group, nearest_of


def group(*sizes: int) -> Group:
    count = sum(sizes)
    texts = Embedded(
        parts={}, english=np.ones(count, np.float32), languages=np.array(["en"] * count, "<U2")
    )
    return Group(texts, sizes)


def test_a_topic_is_as_near_as_the_mean_of_its_nearest_texts() -> None:
    near = np.array([[0.1, 0.5, 0.3, 0.9]], np.float32)
    assert group(3, 1).nearest(near, 2) == pytest.approx(np.array([[0.4, 0.9]]))


def test_a_topic_that_nothing_is_said_of_takes_nothing_from_its_neighbours() -> None:
    near = np.array([[0.2, 0.4, 0.6]], np.float32)
    assert group(0, 2, 0, 1).nearest(near, 1) == pytest.approx(np.array([[0, 0.4, 0, 0.6]]))
    rows = near.T
    assert group(0, 2, 0, 1).best(rows)[:, 0] == pytest.approx([-1, 0.4, -1, 0.6])
    assert group(0, 2, 0, 1).mean(rows)[:, 0] == pytest.approx([0, 0.3, 0, 0.6])


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_two_languages_together_are_as_near_as_all_their_texts_at_once(
    seed: int, count: int
) -> None:
    random = np.random.default_rng(seed)
    sizes = random.integers(0, 4, (2, 3))
    ours, theirs = ([random.random((2, size)) for size in part] for part in sizes)
    apart = nearest_of(
        [
            group(*part).tops(np.hstack(near).astype(np.float32), count)
            for part, near in zip(sizes.tolist(), (ours, theirs), strict=True)
        ]
    )
    both = [np.hstack(pair) for pair in zip(ours, theirs, strict=True)]
    at_once = group(*sizes.sum(axis=0).tolist()).nearest(np.hstack(both).astype(np.float32), count)
    assert apart == pytest.approx(at_once, abs=1e-5)
