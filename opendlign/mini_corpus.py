"""The (image, caption) pairs the mini CLIP learns from: procedural shapes, projected, painted and put into words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from opendlign.mini_part_views import PartPictures, joined, part_views, picture_parts
from opendlign_core.clip.vocabulary import split_words
from opendlign_core.evaluation.templates import fill, named_templates
from opendlign_core.ingestion.cloud import PointCloud
from opendlign_core.ingestion.procedural import LABELS, SPLIT_ROUNDS, build_object, procedural_cloud, procedural_entry
from opendlign_core.ingestion.procedural.words import PART_WORDS
from opendlign_core.projection import RECIPES, ProjectionRecipe, project
from opendlign_core.projection.recipe import Bilateral, WindowMax
from opendlign_core.recipe import Recipe
from opendlign_core.streams import mapped
from opendlign_core.synthesis import SynthesisExecution, SynthesisRecipe, load_synthesizer
from opendlign_core.synthesis.seeds import image_seed
from opendlign_core.synthesis.synthesizer import Synthesizer
from opendlign_core.training.pretraining.run import Pairs

# At 64 pixels the published windows, made for 224, would melt legs and wheels together.
MINI_PROJECTION = RECIPES["opendlign"].replace(
    size=64, densify=WindowMax(window=(1, 3, 3), padding=(0, 1, 1)), smooth=Bilateral(window=(1, 3, 3))
)
FRAMES = ("{}", "a photo of {}", "a picture of {}", "an image of {}", "a rendering of {}", "a 3D model of {}")
"""What may stand around a whole caption, which brings its own article."""
BARE = ("{}", "a {}", "the {}")
_OBJECTS_AT_ONCE = 16

T = TypeVar("T")


class CorpusRecipe(Recipe):
    """Which shapes become pairs, and how often each kind of caption is told."""

    seed: int = 7_000_000
    """Of the shapes. The mini preset's own shapes have another, so that it judges shapes nobody trained on."""
    rounds: int = Field(default=60, ge=1, description="shapes per category, those of other splits included")
    split: str = "train"
    points: int = Field(default=4096, ge=1)
    projection: ProjectionRecipe = MINI_PROJECTION
    synthesis: SynthesisRecipe = SynthesisRecipe()
    label_share: float = Field(default=0.7, ge=0, le=1, description="batches told by category alone")
    colour_share: float = Field(default=0.15, ge=0, le=1, description="batches told by colour and category")
    flip: float = Field(default=0.5, ge=0, le=1, description="chance that an image is mirrored")
    part_share: float = Field(default=0.6, ge=0, le=1, description="batches of pictures of single parts")
    part_views: int = Field(default=5, ge=1, description="pictures of each part of an object")
    part_categories: int = Field(default=6, ge=1, description="categories whose parts are shown in one batch")
    owned_share: float = Field(default=0.7, ge=0, le=1, description='batches of parts that say "of a chair"')


@dataclass(frozen=True)
class Words:
    """What can be said about one object."""

    label: str
    colour: str
    caption: str


@dataclass(frozen=True)
class Corpus:
    """Painted objects and their words; an endless source of batches."""

    recipe: CorpusRecipe
    depth: NDArray[np.float32]  # [N, V, H, W]
    images: NDArray[np.uint8]  # [N, V, H, W, 3]
    words: tuple[Words, ...]
    parts: PartPictures | None = None

    def of_shapes(self) -> "Corpus":
        """The same corpus without its pictures of parts."""
        return replace(self, parts=None)

    def draw(self, generator: np.random.Generator, count: int) -> Pairs:
        """Images [count, H, W, 3] and their captions: one view each of different objects, or pictures of parts."""
        if self.parts is not None and generator.random() < self.recipe.part_share:
            return self._draw_parts(generator, self.parts, count)
        objects = generator.choice(len(self.images), size=min(count, len(self.images)), replace=False)
        views = generator.integers(self.images.shape[1], size=len(objects))
        return Pairs(self._mirrored(generator, self.images[objects, views]), self.captions(generator, objects))

    def _draw_parts(self, generator: np.random.Generator, parts: PartPictures, count: int) -> Pairs:
        """Parts of a few categories, all sentences of one kind: "a seat" is no wrong name for the seat of a chair."""
        places = parts.of_categories(generator, self.recipe.part_categories, count)
        template = _pick(generator, _pick(generator, template_families()))
        owned = bool(generator.random() < self.recipe.owned_share)
        captions = [fill(template, parts.words(place, owned)) for place in places]
        return Pairs(self._mirrored(generator, parts.images[places]), captions, by_patches=True)

    def _mirrored(self, generator: np.random.Generator, batch: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Some of a batch's own copies of images [B, H, W, 3] mirrored, in place."""
        chosen = generator.random(len(batch)) < self.recipe.flip
        batch[chosen] = batch[chosen, :, ::-1]
        return batch

    def captions(self, generator: np.random.Generator, objects: NDArray[np.int64]) -> list[str]:
        """One sentence for each object, all of one kind and one turn of phrase.

        "A red mug" is also "a mug": sentences of different kinds in one batch would be taken for contradictions,
        while two equal sentences count as right for both images.
        """
        kind = generator.random()
        template = _pick(generator, _pick(generator, template_families()))
        frame = _pick(generator, FRAMES)
        chosen = [self.words[index] for index in objects]
        if kind < self.recipe.label_share:
            return [fill(template, word.label) for word in chosen]
        if kind < self.recipe.label_share + self.recipe.colour_share:
            return [fill(template, f"{word.colour} {word.label}") for word in chosen]
        return [fill(frame, word.caption) for word in chosen]


def build_corpus(
    recipe: CorpusRecipe, workers: int = 2, on_progress: Callable[[int, int], None] | None = None
) -> Corpus:
    """Make every object of the recipe's split: shape, depth maps, images, words, and pictures of its parts."""
    indices = corpus_indices(recipe)
    depth: list[NDArray[np.float32]] = []
    images: list[NDArray[np.uint8]] = []
    parts: list[PartPictures] = []
    painter = load_synthesizer(recipe.synthesis, SynthesisExecution(workers=workers))
    for first in range(0, len(indices), _OBJECTS_AT_ONCE):
        chunk = indices[first : first + _OBJECTS_AT_ONCE]
        clouds = list(mapped(lambda index: procedural_cloud(recipe.seed, index, recipe.points), chunk, workers))
        depth.append(project(np.stack([cloud.points for cloud in clouds]), recipe.projection).numpy())
        prompts, seeds = _orders(recipe, chunk, depth[-1].shape[1])
        flat = painter.generate(depth[-1].reshape(-1, *depth[-1].shape[2:]), prompts, seeds)
        images.append(flat.reshape(*depth[-1].shape, 3))
        if recipe.part_share:
            seen = zip(chunk, clouds, depth[-1], images[-1], strict=True)
            parts += [_part_pictures(recipe, index, cloud, maps, views, painter) for index, cloud, maps, views in seen]
        if on_progress is not None:
            on_progress(first + len(chunk), len(indices))
    words = words_of(recipe, indices)
    return Corpus(recipe, np.concatenate(depth), np.concatenate(images), words, joined(parts) if parts else None)


def corpus_indices(recipe: CorpusRecipe) -> list[int]:
    """Indices of the procedural objects of the recipe's split."""
    rounds = [turn for turn in range(recipe.rounds) if SPLIT_ROUNDS[turn % len(SPLIT_ROUNDS)] == recipe.split]
    return [turn * len(LABELS) + category for turn in rounds for category in range(len(LABELS))]


def words_of(recipe: CorpusRecipe, indices: Sequence[int]) -> tuple[Words, ...]:
    """The words of these objects."""
    built = (build_object(recipe.seed, index) for index in indices)
    return tuple(Words(shape.label, shape.colour, shape.caption) for shape in built)


def words_read(recipe: CorpusRecipe, parts: bool) -> tuple[str, ...]:
    """Every word of the captions that the recipe's batches are drawn from, sorted; with those of parts if asked."""
    told = words_of(recipe, corpus_indices(recipe))
    phrases = {phrase for word in told for phrase in (word.label, word.colour, word.caption)}
    phrases |= {frame for family in (FRAMES, *template_families()) for frame in family}
    phrases |= {f"{part} of a an" for part in PART_WORDS} if parts else {"a an"}
    return tuple(sorted({word for phrase in phrases for word in split_words(phrase)}))


def _part_pictures(
    recipe: CorpusRecipe,
    index: int,
    cloud: PointCloud,
    depth: NDArray[np.float32],
    images: NDArray[np.uint8],
    painter: Synthesizer,
) -> PartPictures:
    """Pictures of the parts of one object, which has depth maps [V, H, W] and images [V, H, W, 3]."""
    entry = procedural_entry(recipe.seed, index)
    prompt = recipe.synthesis.prompt.prompt(entry.caption)

    def paint(maps: NDArray[np.float32]) -> NDArray[np.uint8]:
        seeds = [image_seed(recipe.synthesis.seed, f"{entry.object_id}/part", place, 0) for place in range(len(maps))]
        return painter.generate(maps, [prompt] * len(maps), seeds)

    views = part_views(cloud, recipe.projection, recipe.part_views, np.random.default_rng((recipe.seed, index)))
    names = np.array([view.name for view in views], dtype=np.str_)
    return PartPictures(picture_parts(views, depth, images, paint), names, np.full(len(views), entry.label))


def _orders(recipe: CorpusRecipe, indices: Sequence[int], views: int) -> tuple[list[str], list[int]]:
    """Prompt and seed of every view of these objects, as the synthesize stage would give them."""
    entries = [procedural_entry(recipe.seed, index) for index in indices]
    prompts = [recipe.synthesis.prompt.prompt(entry.caption) for entry in entries for _ in range(views)]
    seeds = [image_seed(recipe.synthesis.seed, entry.object_id, view, 0) for entry in entries for view in range(views)]
    return prompts, seeds


@cache
def template_families() -> tuple[tuple[str, ...], ...]:
    """Turns of phrase around a category: the word itself, and the sentences that zero-shot classifiers ask with.

    Each family is as frequent as the others: the long sentences outnumber the word, which is learned first.
    """
    return BARE, named_templates("imagenet"), (*named_templates("depth"), *named_templates("sentence"))


def _pick(generator: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(generator.integers(len(options)))]
