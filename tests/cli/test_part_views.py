"""Pictures of parts: each shows what its words say, alone or with the rest around it, and never a mask."""

import numpy as np
import pytest
from numpy.typing import NDArray

from opendlign.mini_corpus import MINI_PROJECTION, CorpusRecipe, build_corpus
from opendlign.mini_part_views import LEAST_PIXELS, PartPictures, PartView, part_views, picture_parts
from opendlign_core.ingestion.procedural import LABELS, category_parts, procedural_cloud

CHAIR = procedural_cloud(7, 0, 4096, ("chair",))


def views_of(seed: int = 0) -> list[PartView]:
    return part_views(CHAIR, MINI_PROJECTION, 5, np.random.default_rng(seed))


def brighten(maps: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A painter to look through: the nearer, the brighter."""
    return np.repeat(np.round(255 * (1 - maps))[..., None], 3, axis=-1).astype(np.uint8)


def test_every_part_is_chosen_from_views_that_show_it() -> None:
    views = views_of()
    assert list(dict.fromkeys(view.name for view in views)) == list(category_parts("chair"))
    assert all(view.mask.sum() >= LEAST_PIXELS for view in views)
    assert max(sum(view.name == name for view in views) for name in category_parts("chair")) == 5


def test_the_window_around_a_part_holds_all_of_it() -> None:
    for view in views_of():
        rows, columns = view.window
        assert view.mask[rows, columns].sum() == view.mask.sum()
        assert view.mask[rows, columns].shape[0] == view.mask[rows, columns].shape[1]


def test_alone_a_part_is_painted_without_the_rest() -> None:
    views = [view for view in views_of() if view.alone and view.window == (slice(None), slice(None))]
    depth = np.full((10, 64, 64), 0.5, np.float32)
    pictures = picture_parts(views, depth, brighten(depth), brighten)
    assert views
    for view, picture in zip(views, pictures, strict=True):
        assert ((picture[..., 0] > 0) == view.mask).all()


def test_with_its_surroundings_a_part_is_cut_out_of_the_painted_object() -> None:
    views = [view for view in views_of() if not view.alone]
    images = np.broadcast_to(np.arange(10, dtype=np.uint8)[:, None, None, None] * 20, (10, 64, 64, 3))
    pictures = picture_parts(views, np.ones((10, 64, 64), np.float32), images, brighten)
    assert views
    for view, picture in zip(views, pictures, strict=True):
        assert (picture == 20 * view.view).all()


def test_an_object_of_one_part_has_no_pictures_of_parts() -> None:
    assert part_views(procedural_cloud(7, 0, 4096, ("bowl",)), MINI_PROJECTION, 5, np.random.default_rng(0)) == []


def test_a_batch_shows_parts_of_few_categories_in_sentences_of_one_kind() -> None:
    labels = np.array(["chair", "table", "mug", "car"]).repeat(6)
    names = np.array([name for label in ("chair", "table", "mug", "car") for name in (category_parts(label) * 3)[:6]])
    pictures = PartPictures(np.zeros((24, 8, 8, 3), np.uint8), names, labels)
    places = pictures.of_categories(np.random.default_rng(0), 2, 10)
    assert len(set(labels[places])) == 2
    assert len(set(places)) == 10
    assert pictures.words(0, owned=True) == "back of a chair"
    assert pictures.words(0, owned=False) == "back"


@pytest.fixture
def two_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = [LABELS.index("chair"), LABELS.index("mug")]
    monkeypatch.setattr("opendlign.mini_corpus.corpus_indices", lambda recipe: chosen)


@pytest.mark.usefixtures("two_objects")
def test_a_corpus_draws_parts_as_often_as_its_recipe_says() -> None:
    corpus = build_corpus(CorpusRecipe(part_share=0.5, part_categories=2), workers=1)
    drawn = [corpus.draw(np.random.default_rng(seed), 4) for seed in range(200)]
    assert 0.35 < np.mean([pairs.by_patches for pairs in drawn]) < 0.65
    said = " ".join(caption for pairs in drawn if pairs.by_patches for caption in pairs.captions)
    assert all(word in said for word in ("seat of a chair", "leg", "handle of a mug"))
    whole = corpus.of_shapes()
    assert not any(whole.draw(np.random.default_rng(seed), 2).by_patches for seed in range(9))


@pytest.mark.usefixtures("two_objects")
def test_pictures_of_parts_change_nothing_about_whole_shapes() -> None:
    with_parts, without = build_corpus(CorpusRecipe(), 1), build_corpus(CorpusRecipe(part_share=0.0), 1)
    assert without.parts is None
    assert np.array_equal(with_parts.images, without.images)
    whole, same = (each.of_shapes().draw(np.random.default_rng(3), 2) for each in (with_parts, without))
    assert np.array_equal(whole.images, same.images)
    assert whole.captions == same.captions
