"""LitServe: two worker processes, as a worker runs one request at a time."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import litserve

sys.path.insert(0, str(Path(__file__).parent))

from model import answer_of, files_of, load_model


class StyleAPI(litserve.LitAPI):
    """Files in, files out."""

    def setup(self, device: str) -> None:
        """Load the model in the worker."""
        del device
        self.predict_files = load_model()

    def decode_request(self, request):  # type: ignore[no-untyped-def]  # LitServe reads a type here as a query's
        """Take the files out."""
        return files_of(request)

    def predict(self, x: list[bytes]) -> list[bytes]:
        """Run them."""
        return self.predict_files(x)

    def encode_response(self, output: list[bytes]) -> dict[str, Any]:
        """Put them into the answer."""
        return answer_of(output)


if __name__ == "__main__":
    server = litserve.LitServer(
        StyleAPI(api_path="/v1/models/style:predict"), accelerator="cpu", workers_per_device=2, timeout=120
    )
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
