"""What the runbook leans on says what the code says."""

from storage.settings import Settings
from tests.servers import ROOT


def test_the_example_lists_every_setting() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    for field in Settings.model_fields:
        assert f"OPENDLIGN_{field.upper()}=" in text
