"""FastAPI: one process, two threads that predict, orjson for the bodies."""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import uvicorn
from fastapi import FastAPI, Request, Response

sys.path.insert(0, str(Path(__file__).parent))

from model import answer_of, files_of, load_model

app = FastAPI()
predict = load_model()
threads = ThreadPoolExecutor(2)


def _answer(body: bytes) -> bytes:
    return orjson.dumps(answer_of(predict(files_of(orjson.loads(body)))))


@app.post("/v1/models/style:predict")
async def predict_files(request: Request) -> Response:
    """Do all of it in a thread, so that two requests are under way at a time."""
    body = await request.body()
    content = await asyncio.get_running_loop().run_in_executor(threads, _answer, body)
    return Response(content, media_type="application/json")


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
