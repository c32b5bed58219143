"""Ray Serve: its HTTP proxy, and two replicas, as one replica shares one interpreter lock."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import orjson
import ray
from ray import serve
from starlette.requests import Request
from starlette.responses import Response

PEERS = Path(__file__).parent
sys.path.insert(0, str(PEERS))

REPLICAS = 2


@serve.deployment(num_replicas=REPLICAS, max_ongoing_requests=2, ray_actor_options={"num_cpus": 1})
class Style:
    """Files in, files out."""

    def __init__(self) -> None:
        from model import load_model

        self.predict_files = load_model()

    async def __call__(self, request: Request) -> Response:
        """Run them. The other replica works in the meantime."""
        from model import answer_of, files_of

        files = self.predict_files(files_of(orjson.loads(await request.body())))
        return Response(orjson.dumps(answer_of(files)), media_type="application/json")


def main() -> None:
    """Serve on the port given until SIGTERM."""
    environment = {"PYTHONPATH": str(PEERS), "BENCH_SAVED_MODEL": os.environ["BENCH_SAVED_MODEL"]}
    ray.init(
        num_cpus=REPLICAS,
        include_dashboard=False,
        object_store_memory=200_000_000,
        configure_logging=False,
        runtime_env={"env_vars": environment},
    )
    serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1]), "access_log": False})
    style = Style.bind()  # type: ignore[attr-defined]  # the decorator makes it a deployment
    serve.run(style, route_prefix="/v1/models/style:predict", logging_config={"enable_access_log": False})
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()


if __name__ == "__main__":
    main()
