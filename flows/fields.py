"""Groups of fields that people write, as recipes; what is wrong is named by the place where it stands."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from flows.reference import places_of
from opendlign_core.errors import BadInput

M = TypeVar("M", bound=BaseModel)


def group(place: str, given: Any) -> Mapping[str, Any]:
    """The fields at a place; raises `BadInput` where something else stands there."""
    if not isinstance(given, Mapping):
        raise BadInput(f"{place}: a group of fields, not {given!r}")
    return given


def validated(place: str, model: type[M], fields: Any) -> M:
    """The fields as a model; raises `BadInput` naming the first field that does not fit, and why."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        problem = error.errors()[0]
        steps = ".".join(str(step) for step in (place, *problem["loc"]))
        raise BadInput(f"{steps}: {_unknown_field(problem, place, model) or problem['msg']}") from error


def _unknown_field(problem: ErrorDetails, place: str, model: type[BaseModel]) -> str:
    """That there is no such field and what may have been meant; empty for any other problem."""
    if problem["type"] != "extra_forbidden":
        return ""
    name = str(problem["loc"][-1])
    alike = get_close_matches(name, model.model_fields) if len(problem["loc"]) == 1 else []
    meant = alike or places_of(name, place.removeprefix("execution.").partition(".")[0])
    return f"there is no such field; did you mean {meant[0]}?" if meant else "there is no such field"
