"""What a server serves, asked with the standard library alone: no code of the package can be wrong in both places."""

from __future__ import annotations

import base64
import json
import urllib.request

from tests.support.candidates import MODEL_NAME


def available_versions(url: str, model_name: str = MODEL_NAME) -> list[int]:
    """Versions that are AVAILABLE, highest first."""
    with urllib.request.urlopen(f"{url}/v1/models/{model_name}", timeout=10) as answer:
        entries = json.load(answer)["model_version_status"]
    return [int(entry["version"]) for entry in entries if entry["state"] == "AVAILABLE"]


def predict(url: str, file: bytes, model_name: str = MODEL_NAME) -> bytes:
    """One picture through whatever version answers."""
    body = json.dumps({"instances": [{"b64": base64.b64encode(file).decode()}]}).encode()
    with urllib.request.urlopen(f"{url}/v1/models/{model_name}:predict", body, timeout=10) as answer:
        return base64.b64decode(json.load(answer)["predictions"][0]["b64"])
