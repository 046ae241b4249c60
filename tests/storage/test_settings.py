import pickle
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from storage.settings import Settings
from tests.servers import S3_KEY, S3_SECRET


def test_settings_come_from_the_environment_and_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("OPENDLIGN_STORE=s3://bucket/x\nOPENDLIGN_S3_REGION=here\nOTHER=1\n")
    monkeypatch.setenv("OPENDLIGN_S3_REGION", "there")
    settings = Settings()
    assert (settings.store, settings.s3_region, settings.verify_reads) == ("s3://bucket/x", "there", True)


def test_credentials_do_not_show() -> None:
    settings = Settings(s3_key=SecretStr(S3_KEY), s3_secret=SecretStr(S3_SECRET))
    for text in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert S3_KEY not in text
        assert S3_SECRET not in text


def test_a_pickle_holds_no_credentials_and_finds_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(s3_key=SecretStr(S3_KEY), s3_secret=SecretStr(S3_SECRET), s3_endpoint="http://host:1")
    frozen = pickle.dumps(settings)
    assert S3_KEY.encode() not in frozen
    assert S3_SECRET.encode() not in frozen
    monkeypatch.setenv("OPENDLIGN_S3_KEY", "of-the-other-process")
    thawed = pickle.loads(frozen)
    assert thawed.s3_endpoint == "http://host:1"
    assert thawed.s3_key is not None
    assert thawed.s3_key.get_secret_value() == "of-the-other-process"


def test_an_endpoint_with_a_password_is_refused_without_repeating_it() -> None:
    with pytest.raises(ValidationError, match="holds no credentials") as caught:
        Settings(s3_endpoint="https://user:hunter2@host")
    assert "hunter2" not in str(caught.value)
