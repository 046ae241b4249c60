"""`opendlign dlign`: CLIP embeddings of a preset's painted images, in the store and as Parquet files."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from opendlign.ask import Changes, Source, StoreUrl, ask, bring_up_to_date
from opendlign.show import console, print_outputs


def dlign(
    *,
    out: Annotated[Path | None, Parameter(help="Also write the embeddings as Parquet files into this folder")] = None,
    clip: Annotated[
        str, Parameter(help="model:tag of open_clip, package:NAME or a local folder; by default the preset's CLIP")
    ] = "",
    preset: str = "mini",
    store: StoreUrl = None,
    set_: Changes = None,
    source: Source = None,
) -> int:
    """Embed the painted images of a preset's objects with any CLIP, for point encoders to train on."""
    chosen = [*(set_ or []), *([f"dlign.clip={clip}"] if clip else [])]
    asked = ask(preset, store, chosen, source, until="dlign")
    statuses = bring_up_to_date(asked)
    print_outputs(asked.store, statuses)
    if out is not None:
        from storage.output import load_manifest
        from tasks.dlign import write_parquet

        embeddings = load_manifest(asked.store, "dlign", statuses[-1].identity.fingerprint)
        files = write_parquet(asked.store, embeddings, out)
        console.print(f"{len(files)} Parquet files in {out}", soft_wrap=True)
    return 0
