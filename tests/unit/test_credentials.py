"""Credentials: where they come from, who gets to see them, and what never shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.credentials import Credentials, credentials_of_environment, origin_of
from tendies_ops.errors import UsageError
from tendies_ops.spec import LoginSettings

SECRET = "s3cret-token"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TENDIES_TOKEN", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


def read(**files: Path) -> Credentials:
    return credentials_of_environment().with_files(LoginSettings(**files))


def test_a_token_comes_from_a_file_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENDIES_TOKEN", "of-the-environment")
    assert read().headers == {"Authorization": "Bearer of-the-environment"}
    (tmp_path / "token").write_text(f"{SECRET}\n")
    assert read(token_file=tmp_path / "token").headers == {"Authorization": f"Bearer {SECRET}"}


def test_headers_come_from_lines_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "headers").write_text("X-Team: pictures\n\nX-Key:  a:b \n")
    assert read(header_file=tmp_path / "headers").headers == {"X-Team": "pictures", "X-Key": "a:b"}


@pytest.mark.parametrize(
    "text", [SECRET, f": {SECRET}", f"X-Key: {SECRET}\x00", f"X Key: {SECRET}", f"X: {SECRET}\xe9"]
)
def test_a_line_that_is_not_a_header_is_refused_without_showing_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "headers").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"Line 1 of .* is not a header") as refused:
        read(header_file=tmp_path / "headers")
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("token", [f"{SECRET}\nX-Evil: 1", f"{SECRET}\xe9"])
def test_a_token_that_no_header_can_hold_is_refused_without_showing_it(tmp_path: Path, token: str) -> None:
    (tmp_path / "token").write_text(token, encoding="utf-8")
    with pytest.raises(UsageError, match="'Authorization' cannot be sent") as refused:
        read(token_file=tmp_path / "token")
    assert SECRET not in str(refused.value)


def test_a_token_file_that_is_missing_or_empty_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"The file of the token, .*/nowhere, cannot be read"):
        read(token_file=tmp_path / "nowhere")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(UsageError, match=r"The file of the token, .*/empty, is empty"):
        read(token_file=tmp_path / "empty")


def test_a_client_key_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Give the client certificate as well"):
        read(client_key=tmp_path / "client.key")


def test_a_login_from_a_file_is_not_bound_to_the_servers_of_the_one_it_replaces(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(SECRET)
    bound = Credentials({"X-Key": "other"}).bound_to(["https://own.example"])
    replaced = bound.with_files(LoginSettings(token_file=tmp_path / "token"))
    assert replaced.headers_for("https://far.example") == {"Authorization": f"Bearer {SECRET}"}


def test_the_text_of_credentials_shows_no_secret() -> None:
    assert SECRET not in repr(Credentials({"Authorization": SECRET}))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8501", "http://localhost:8501", "http://[::1]:8501", "https://far.example"]
)
def test_a_token_is_sent_over_tls_and_to_this_machine(url: str) -> None:
    assert Credentials({"Authorization": SECRET}).headers_for(url) == {"Authorization": SECRET}


@pytest.mark.parametrize("url", ["http://far.example:8501", "http://10.0.0.1", "http://localhost.example"])
def test_a_token_is_never_sent_unencrypted_to_another_machine(url: str) -> None:
    with pytest.raises(UsageError, match="would be sent unencrypted") as refused:
        Credentials({"Authorization": SECRET}).headers_for(url)
    assert SECRET not in str(refused.value)


def test_a_bound_token_goes_to_its_own_servers_only() -> None:
    bound = Credentials({"Authorization": SECRET}).bound_to(["https://Own.example/path", "https://other.example:8443"])
    assert bound.headers_for("https://own.example:443/v1") == {"Authorization": SECRET}
    assert bound.headers_for("https://other.example:8443") == {"Authorization": SECRET}
    for stranger in ("https://own.example:444", "http://own.example", "https://own.example.evil"):
        assert bound.headers_for(stranger) == {}


def test_no_headers_need_no_encryption() -> None:
    assert Credentials().headers_for("http://far.example:8501") == {}


def test_an_origin_has_its_port_written_out() -> None:
    assert origin_of("https://A.example/x") == "https://a.example:443"
    assert origin_of("http://[::1]:8501") == "http://::1:8501"


@pytest.mark.parametrize("field", ["verify", "client_certificate"])
def test_a_tls_file_that_is_not_pem_is_named(tmp_path: Path, field: str) -> None:
    (tmp_path / "bad.pem").write_text("not PEM")
    credentials = Credentials(**{field: str(tmp_path / "bad.pem")})  # type: ignore[arg-type] # one of two such fields
    with pytest.raises(UsageError, match=r"bad\.pem.*cannot be used"):
        credentials.tls_context()


def test_the_bundle_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "absent.pem"))
    with pytest.raises(UsageError, match=r"absent\.pem"):
        Credentials().tls_context()
