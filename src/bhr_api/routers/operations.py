"""What the one who runs the server asks: /health/live, /health/ready and /metrics."""

from collections.abc import Callable

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from bhr_api.errors import RefusalError
from bhr_api.store.database import Database


def operations_router(
    database: Callable[[], Database], is_stopping: Callable[[], bool], metrics: Callable[[], tuple[bytes, str]]
) -> APIRouter:
    """The router; `is_stopping` takes readiness away while the server finishes what is in flight."""
    router = APIRouter(tags=["operations"])

    @router.get("/health/live", summary="The process runs")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/health/ready", summary="The server can answer: the database does")
    async def ready(response: Response) -> dict[str, str]:
        response.headers["Cache-Control"] = "no-store"
        if is_stopping():
            response.status_code = 503
            return {"status": "stopping"}
        try:
            async with database().acquire() as connection:
                await connection.fetchval("SELECT 1")
        except RefusalError:
            response.status_code = 503
            return {"status": "the database does not answer"}
        return {"status": "ready"}

    @router.get("/metrics", summary="Metrics in Prometheus's text format", response_class=PlainTextResponse)
    async def show_metrics() -> Response:
        body, media_type = metrics()
        return Response(body, media_type=media_type)

    return router
