"""KServe's Python server: its V1 protocol, one process, two threads that predict."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import kserve

sys.path.insert(0, str(Path(__file__).parent))

from model import answer_of, files_of, load_model


class StyleModel(kserve.Model):
    """Files in, files out."""

    def __init__(self) -> None:
        super().__init__("style")
        self.threads = ThreadPoolExecutor(2)
        self.predict_files = load_model()
        self.ready = True

    async def predict(
        self, payload: dict[str, Any], headers: Any = None, response_headers: Any = None
    ) -> dict[str, Any]:
        """Run them in a thread, so that two requests are under way at a time."""
        del headers, response_headers
        return await asyncio.get_running_loop().run_in_executor(self.threads, self._answer, payload)

    def _answer(self, payload: dict[str, Any]) -> dict[str, Any]:
        return answer_of(self.predict_files(files_of(payload)))


if __name__ == "__main__":
    port = int(sys.argv[1])
    sys.argv = sys.argv[:1]
    kserve.ModelServer(http_port=port, enable_grpc=False, workers=1, access_log_format=None).start([StyleModel()])
