"""The application: the page, its assets, and the verbs of the library under /api/v1."""

import hashlib
from collections.abc import Callable, Collection
from importlib.resources import files
from threading import Lock
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from vidscale.errors import InputError
from vidscale.recommend import Recommendation, Staircase
from vidscale.recommend.answerer import Kept
from vidscale.report.plain import dumps
from vidscale.serve import verbs
from vidscale.serve.bodies import QuestionBody, QuestionQuery, one_line
from vidscale.serve.documents import document
from vidscale.serve.guard import LOOPBACK, Guard
from vidscale.serve.source import Served, StudySource
from vidscale.serve.study import StudyAnswer, describe

#: Answers that are kept as they were sent, about 20 kB each, and the most bytes that one may take with its question:
#: the longest answers are thousands of times longer, and as many of those would fill the memory.
KEPT_ANSWERS, KEPT_BYTES = 256, 2**18

_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}
#: Files of the explorer page beside its index.html.
PAGE_FILES = ("answer.js", "api.js", "budget.js", "cards.js", "commands.js", "controls.js", "dom.js", "doubts.js",
              "explorer.css", "explorer.js", "fields.js", "format.js", "icon.svg", "plot.css", "plots.js", "slider.js",
              "state.js", "study.js")
#: What may be fetched beside the API: address → (package, file in it, media type). Nothing else is ever read.
ASSETS: dict[str, tuple[str, str, str]] = {
    "/": ("vidscale.serve", "page/index.html", "text/html; charset=utf-8"),
    **{f"/assets/{name}": ("vidscale.serve", f"page/{name}", _TYPES[name.rpartition(".")[2]]) for name in PAGE_FILES},
    "/assets/tokens.css": ("vidscale.report", "assets/tokens.css", _TYPES["css"]),
    "/assets/plotly.js": ("vidscale.report", "assets/plotly-cartesian.min.js", _TYPES["js"]),
}


class Fault(BaseModel):
    """Why a request was refused."""

    model_config = ConfigDict(extra="forbid")

    error: Annotated[str, Field(description="One line: what was seen, what is allowed, the next step.")]


class Health(BaseModel):
    """Whether the server answers, and for which data."""

    model_config = ConfigDict(extra="forbid")

    status: Annotated[str, Field(description='"ok", or "stale" where a newer study file could not be read.')]
    data_hash: Annotated[str, Field(description="Hash of the measurements behind every answer.")]
    studies_read: Annotated[int, Field(description="How many versions of the study were read, from 1.")]
    problem: Annotated[str | None, Field(description="Why the newest study file could not be read.")] = None


FAULTS: dict[int | str, dict[str, Any]] = {
    status: {"model": Fault, "description": said} for status, said in (
        (400, "The question cannot be answered."), (403, "Another host or origin."),
        (408, "The body came too slowly."), (413, "The body is too large."), (415, "The body is no JSON."),
        (422, "A field is unknown, missing or out of range."))}


def create_app(source: StudySource, *, hosts: Collection[str] = LOOPBACK) -> Any:
    """The application that serves one study.

    Args:
        source: the study, and where a new version of it would come from.
        hosts: names that the Host header may have.

    Returns:
        An ASGI application; `vidscale serve` runs it with uvicorn.
    """
    app = FastAPI(title="vidscale", version=_version(), docs_url=None, redoc_url=None, redirect_slashes=False,
                  description="Which language-model size, frames and visual tokens per frame give a video "
                              "vision-language model the lowest error for an inference budget: the verbs of the "
                              "vidscale library. Costs, budgets and errors are in canonical units: FLOPs, seconds, "
                              "dollars per million videos, bytes, errors as fractions.")
    app.include_router(_api(source), prefix="/api/v1")
    for address, (package, name, kind) in ASSETS.items():
        app.add_api_route(address, _asset(package, name, kind), methods=["GET"], include_in_schema=False)
    app.add_exception_handler(InputError, _refused(400, str))
    app.add_exception_handler(RequestValidationError, _refused(422, lambda found: one_line(found.errors())))
    app.add_exception_handler(HTTPException, _http_fault)
    app.add_exception_handler(Exception, _refused(500, lambda found: f"internal error: {type(found).__name__}"))
    return Guard(app, hosts=hosts)


def _version() -> str:
    from vidscale import __version__

    return __version__


def _refused(status: int, line: Callable[[Any], str]) -> Any:
    async def handler(request: Request, problem: Exception) -> Response:
        return JSONResponse({"error": " ".join(line(problem).split())}, status_code=status)

    return handler


async def _http_fault(request: Request, problem: Any) -> Response:
    said = {404: "there is nothing at this address; the API is under /api/v1", 405: "this method is not allowed here"}
    line = said.get(problem.status_code, str(problem.detail))
    return JSONResponse({"error": line}, status_code=problem.status_code, headers=problem.headers)


def _asset(package: str, name: str, kind: str) -> Callable[..., Any]:
    """A file of the package, by a name that no request has a say in."""

    async def asset(request: Request) -> Response:
        content = await run_in_threadpool(files(package).joinpath(name).read_bytes)
        return _tagged(request, content, kind, "no-cache")

    return asset


def _tagged(request: Request, content: bytes, kind: str, caching: str) -> Response:
    """A response with an ETag; 304 where the client has it already."""
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {"etag": tag, "cache-control": caching}
    if tag in [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=kind, headers=headers)


class _Answers:
    """Answers as they were sent, for whoever asks the same again; a new study empties them."""

    def __init__(self) -> None:
        self.lock, self.kept, self.number = Lock(), Kept(KEPT_ANSWERS), 0

    def get(self, served: Served, key: str, make: Callable[[], bytes]) -> bytes:
        with self.lock:
            if served.number != self.number:
                self.kept, self.number = Kept(KEPT_ANSWERS), served.number
            found = self.kept.found.get(key)
        if found is not None:
            return found
        made = make()
        with self.lock:
            if served.number == self.number and len(key) + len(made) <= KEPT_BYTES:
                return self.kept.get(key, lambda: made)
        return made


def _api(source: StudySource) -> APIRouter:
    api, answers = APIRouter(responses=FAULTS), _Answers()

    def encoded(value: Any) -> bytes:
        return dumps(value, indent=None).encode()

    def answer_recommend(body: QuestionBody) -> Response:
        served = source.current()
        found = answers.get(served, f"recommend {body.model_dump_json()}", lambda: encoded(
            verbs.recommended(served.answerer, body.question(served.answerer.stored))))
        return Response(found, media_type="application/json", headers={"cache-control": "no-store"})

    @api.get("/health", response_model=Health, summary="Whether the server answers, and for which data")
    async def health() -> Response:
        served = await run_in_threadpool(source.current) if source.due() else source.served
        return JSONResponse({"status": "ok" if served.problem is None else "stale",
                             "data_hash": served.model.data_hash, "studies_read": served.number,
                             "problem": served.problem}, headers={"cache-control": "no-store"})

    @api.get("/study", response_model=document(StudyAnswer), summary="The study that is served",
             responses={304: {"description": "The client has this version already (If-None-Match)."}})
    def study(request: Request) -> Response:
        served = source.current()
        content = answers.get(served, "study", lambda: encoded(describe(served.answerer, served.number)))
        return _tagged(request, content, "application/json", "no-cache")

    @api.post("/recommend", response_model=document(Recommendation),
              summary="The configuration to deploy, how sure that is, and what would change it")
    def recommend_body(body: QuestionBody) -> Response:
        return answer_recommend(body)

    @api.get("/recommend", response_model=document(Recommendation),
             summary="The same with the question as query parameters")
    def recommend_query(query: Annotated[QuestionQuery, Query()]) -> Response:
        return answer_recommend(query.body())

    @api.post("/staircase", response_model=document(Staircase),
              summary="Every budget at which the choice changes, whatever the question's own budget")
    def staircase_body(body: QuestionBody) -> Response:
        served = source.current()
        asked = body.model_copy(update={"budget": None})
        found = answers.get(served, f"staircase {asked.model_dump_json()}", lambda: encoded(
            verbs.stairs(served.answerer, asked.question(served.answerer.stored))))
        return Response(found, media_type="application/json", headers={"cache-control": "no-store"})

    def verb(address: str, kind: type[BaseModel], work: Callable[..., Any], answer: type[BaseModel], summary: str
             ) -> None:
        def endpoint(body: Any) -> Response:
            served = source.current()
            found = answers.get(served, f"{address} {body.model_dump_json()}",
                                lambda: encoded(work(served.answerer, body)))
            return Response(found, media_type="application/json", headers={"cache-control": "no-store"})

        endpoint.__annotations__["body"] = kind
        endpoint.__name__ = address.strip("/")
        api.post(address, response_model=answer, summary=summary)(endpoint)

    verb("/predict", verbs.PredictBody, verbs.predict, verbs.PredictAnswer, "Predicted errors of configurations")
    verb("/frontier", verbs.FrontierBody, verbs.frontier, verbs.FrontierAnswer,
         "The best configuration for each target, data size and budget")
    verb("/elasticity", verbs.ElasticityBody, verbs.elasticity, verbs.ElasticityAnswer,
         "How the optimum of one task moves as finetuning data grows; takes seconds")
    verb("/cost", verbs.CostBody, verbs.cost, verbs.CostAnswer, "What configurations cost, by formula or in full")
    return api
