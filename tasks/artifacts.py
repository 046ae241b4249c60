"""What a stage shows in the Prefect UI, under keys that stay the same from run to run."""

import base64
from collections.abc import Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from prefect.artifacts import (
    create_image_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactCollectionFilter, ArtifactCollectionFilterKey
from prefect.context import FlowRunContext

from storage.fingerprint import StageIdentity
from tasks.progress import ProgressState
from tasks.showcase import MOST_PICTURE_BYTES

# On every run, deployed or not, so that the UI can tell them from those of other products.
PRODUCT = "opendlign"


class Artifacts:
    """The board of one stage in the Prefect UI."""

    def __init__(self, stage: str) -> None:
        self._stage = stage

    def progress(self) -> Callable[[ProgressState], None]:
        """A sink for progress that creates the stage's progress artifact on first use and updates it afterwards."""
        known: list[UUID] = []

        def publish(state: ProgressState) -> None:
            # Work that tells its length only once it is under way has no total at first.
            percent = 100.0 * state.done / state.total if state.total else 0.0
            if known:
                update_progress_artifact(known[0], progress=percent, description=state.sentence())
                return
            created = create_progress_artifact(percent, key=self._key("progress"), description=state.sentence())
            known.append(UUID(str(created)))

        return publish

    def table(self, name: str, rows: Sequence[dict[str, Any]], about: str) -> None:
        create_table_artifact(key=self._key(name), table=list(rows), description=about)

    def markdown(self, name: str, text: str, about: str) -> None:
        create_markdown_artifact(key=self._key(name), markdown=text, description=about)

    def picture(self, name: str, image: bytes, about: str, media_type: str = "image/png") -> None:
        if len(image) > MOST_PICTURE_BYTES:
            raise ValueError(f"{self._key(name)}: a picture of {len(image)} bytes is more than {MOST_PICTURE_BYTES}")
        uri = f"data:{media_type};base64,{base64.b64encode(image).decode()}"
        create_image_artifact(image_url=uri, key=self._key(name), description=about)

    def _key(self, name: str) -> str:
        return f"{self._stage}-{name}"


def published_keys(keys: Iterable[str]) -> set[str]:
    """Those of the keys that the server has an artifact of, from whatever run."""
    wanted = ArtifactCollectionFilter(key=ArtifactCollectionFilterKey(any_=list(keys)))
    with get_client(sync_client=True) as client:
        return {str(found.key) for found in client.read_latest_artifacts(artifact_filter=wanted)}


def name_run(name: str, *tags: str) -> None:
    """Rename the running flow run, once its fingerprint is known, and add tags to those it has."""
    context = FlowRunContext.get()
    if context is not None and context.flow_run is not None:
        run = context.flow_run
        with get_client(sync_client=True) as client:
            client.update_flow_run(run.id, name=name, tags=sorted({PRODUCT, *run.tags, *tags}))


def name_stage_run(preset: str, identity: StageIdentity) -> None:
    """Name and tag the running flow run by preset (may be empty), stage and the first digits of the fingerprint."""
    words = [word for word in (preset, identity.stage) if word]
    name_run(" ".join([*words, identity.fingerprint[:8]]), *words)
