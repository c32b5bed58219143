"""TLS as it is on the wire: real certificates, real servers on the loopback, nothing but files and the environment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tendies_ops.client import ModelServerClient
from tendies_ops.credentials import Credentials
from tendies_ops.errors import ModelServerError, ServerUnreachableError, UsageError
from tendies_ops.spec import LoginSettings
from tests.support.canned_server import Answer, CannedServer, Request
from tests.support.certificates import Authority

SECRET = "s3cret-token"
STATUS = {"model_version_status": [{"version": "3", "state": "AVAILABLE", "status": {"error_code": "OK"}}]}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TENDIES_TOKEN", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def answering(seen: list[Request]) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        seen.append(request)
        return Answer(body=json.dumps(STATUS).encode())

    return answer


def asked(server: CannedServer, credentials: Credentials) -> int:
    with ModelServerClient(server.url, timeout_s=20.0, credentials=credentials) as client:
        return client.serving_version("m")


def test_a_certificate_of_an_unknown_authority_is_refused_and_gets_no_token(authority: Authority) -> None:
    seen: list[Request] = []
    with (
        CannedServer(answering(seen), tls=authority.server_side()) as server,
        pytest.raises(ServerUnreachableError, match=r"no trusted connection .*certificate verify failed") as failed,
    ):
        asked(server, Credentials({"Authorization": SECRET}))
    assert seen == []
    assert SECRET not in str(failed.value)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_trust_store_of_the_system_and_of_the_environment_counts(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, str(authority.file))
    seen: list[Request] = []
    with CannedServer(answering(seen), tls=authority.server_side()) as server:
        assert asked(server, Credentials({"Authorization": SECRET})) == 3
    assert [request.headers["authorization"] for request in seen] == [SECRET]


def test_a_ca_file_takes_the_place_of_the_environment_s(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Authority(tmp_path, "another").file))
    with CannedServer(answering([]), tls=authority.server_side()) as server:
        assert asked(server, Credentials().with_files(LoginSettings(ca_file=authority.file))) == 3
        with pytest.raises(ServerUnreachableError, match="no trusted connection"):
            asked(server, Credentials())


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_the_certificate_must_name_the_host_unless_it_is_not_checked(authority: Authority) -> None:
    with CannedServer(answering([]), tls=authority.server_side(host="far.example")) as server:
        with pytest.raises(ServerUnreachableError, match=r"no trusted connection .*127\.0\.0\.1"):
            asked(server, Credentials(verify=str(authority.file)))
        assert asked(server, Credentials().with_files(LoginSettings(verify_tls=False))) == 3


def test_a_server_that_asks_for_a_client_certificate_gets_it(authority: Authority, tmp_path: Path) -> None:
    mine, strange = authority.issue("client"), Authority(tmp_path, "strange").issue("stranger")

    def login(certificate: Path | None, key: Path | None) -> Credentials:
        return Credentials().with_files(
            LoginSettings(ca_file=authority.file, client_certificate=certificate, client_key=key)
        )

    seen: list[Request] = []
    with CannedServer(answering(seen), tls=authority.server_side(asks_clients=True)) as server:
        for refused in (login(None, None), login(strange.certificate, strange.key)):
            with pytest.raises(ModelServerError):
                asked(server, refused)
        assert seen == []
        assert asked(server, login(mine.certificate, mine.key)) == 3
        together = tmp_path / "both.pem"
        together.write_bytes(mine.certificate.read_bytes() + mine.key.read_bytes())
        assert asked(server, login(together, None)) == 3


def test_a_key_with_a_passphrase_is_refused_and_not_asked_for(authority: Authority) -> None:
    locked = authority.issue("locked", passphrase=b"secret")
    credentials = Credentials(client_certificate=str(locked.certificate), client_key=str(locked.key))
    with pytest.raises(UsageError, match=r"locked\.key\) cannot be used.*without a passphrase"):
        ModelServerClient("https://127.0.0.1:1", credentials=credentials)


def test_a_redirect_is_not_followed_and_takes_the_token_nowhere(authority: Authority) -> None:
    elsewhere: list[Request] = []
    with (
        CannedServer(answering(elsewhere)) as other,
        CannedServer(lambda _: Answer(302, headers={"Location": other.url}), tls=authority.server_side()) as server,
        pytest.raises(ModelServerError, match="302"),
    ):
        asked(server, Credentials({"Authorization": SECRET}, verify=str(authority.file)))
    assert elsewhere == []
