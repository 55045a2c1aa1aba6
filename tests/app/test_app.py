"""The ``App``: what is registered, with which options, and who answers a request."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from inspect import signature
from typing import Any

import pytest

from fasterapi import SAME_ORIGIN, App, Compression, Limits, aio, sync
from fasterapi.app import Match, RouteKind, Style
from fasterapi.app.options import SSEOptions, WebSocketOptions
from fasterapi.limits import DEFAULT_LIMITS
from fasterapi.protocol import Headers, Request, Response

UPGRADE = [
    ("Host", "here.example"),
    ("Connection", "Upgrade"),
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Version", "13"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
]
PAGE = "https://page.example"


async def socket(ws: Any) -> None: ...
def stream(sse: Any) -> None: ...
async def page() -> str:
    return "page"


def site() -> App:
    """Give an app with routes of every kind."""
    app = App()
    app.websocket("/ws")(socket)
    app.websocket("/both")(socket)
    app.get("/both")(page)
    app.sse("/events")(stream)
    app.sse("/events/{n:int}", methods=["POST"])(stream)
    app.route("/page", methods=["GET", "POST"])(page)
    app.put("/page")(page)
    app.get("/items/new")(page)
    app.delete("/items/{name}")(page)
    return app


def dispatch(method: str, target: str, headers: Any = (), app: App | None = None) -> Any:
    return (app or site()).dispatch(Request(method, target, headers))


def found(answer: Any) -> tuple[str, str]:
    assert isinstance(answer, Match)
    return answer.route.kind.name, answer.route.path


# --------------------------------------------------------------------------------- registration


def test_decorators_give_the_function_back_and_keep_the_order() -> None:
    app = App()

    @app.get("/")
    async def index() -> str:
        return "index"

    @app.sse("/events")
    def events(sse: Any) -> Iterator[str]:
        yield "x"

    app.websocket("/ws/{room}")(socket)
    assert asyncio.run(index()) == "index"
    assert [(r.kind, r.path, r.methods, r.handler.function) for r in app.routes] == [
        (RouteKind.HTTP, "/", ("GET", "HEAD"), index),
        (RouteKind.SSE, "/events", ("GET", "HEAD"), events),
        (RouteKind.WEBSOCKET, "/ws/{room}", ("GET",), socket),
    ]
    assert app.routes[1].handler.style is Style.GENERATOR


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_decorator_for_each_method(method: str) -> None:
    app = App()
    getattr(app, method)("/x")(page)
    assert app.routes[0].methods == (method.upper(),)
    assert dispatch(method.upper(), "/x", app=app).route is app.routes[0]
    assert dispatch("GET", "/x", app=app).status == 405


def test_one_function_may_have_several_routes() -> None:
    app = App()
    app.get("/")(app.get("/index.html")(page))
    assert [route.path for route in app.routes] == ["/index.html", "/"]


def test_a_websocket_has_the_apps_options_unless_it_has_its_own() -> None:
    limits = Limits(max_message_size=5)
    app = App(limits=limits, origins=[PAGE])
    app.websocket("/a")(socket)
    app.websocket("/b", origins=SAME_ORIGIN, subprotocols=["chat", "v2"])(socket)
    app.websocket("/c", origins=None, limits=DEFAULT_LIMITS)(socket)
    app.websocket("/d", ping_interval=None, ping_timeout=3)(socket)
    app.websocket("/e", ping_timeout=None, limits=Limits(ping_interval=7))(socket)
    a, b, c, d, e = (route.options for route in app.routes)
    assert a == WebSocketOptions(limits=limits, origins=(PAGE,), subprotocols=())
    assert b == WebSocketOptions(limits=limits, origins=SAME_ORIGIN, subprotocols=("chat", "v2"))
    assert c == WebSocketOptions(limits=DEFAULT_LIMITS, origins=None, subprotocols=())
    assert d.limits == replace(limits, ping_interval=None, ping_timeout=3)
    assert e.limits == Limits(ping_interval=7, ping_timeout=None)


def test_compression_is_the_apps_unless_a_route_has_its_own() -> None:
    small = Compression(window_bits=9)
    for app, theirs in (
        (App(), Compression()),
        (App(compression=True), Compression()),
        (App(compression=None), None),
        (App(compression=False), None),
        (App(compression=small), small),
    ):
        app.websocket("/app")(socket)
        app.websocket("/own", compression=Compression(level=1))(socket)
        app.websocket("/on", compression=True)(socket)
        app.websocket("/none", compression=None)(socket)
        app.websocket("/off", compression=False)(socket)
        found = [getattr(route.options, "compression", ...) for route in app.routes]
        assert found == [theirs, Compression(level=1), Compression(), None, None]


def test_compression_has_to_be_told_how() -> None:
    for wrong in (1, "deflate", 15):
        with pytest.raises(TypeError, match="compression has to be a Compression, True"):
            App(compression=wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="compression has to be a Compression, True"):
            App().websocket("/", compression=wrong)  # type: ignore[arg-type]


def test_the_default_policy_is_the_requests_own_origin() -> None:
    app = App()
    app.websocket("/")(socket)
    options = app.routes[0].options
    assert isinstance(options, WebSocketOptions)
    assert app.origins is options.origins is SAME_ORIGIN


def test_an_event_stream_has_the_limits_keepalive_unless_it_has_its_own() -> None:
    app = App(limits=Limits(sse_keepalive=4))
    app.sse("/a")(stream)
    app.sse("/b", keepalive=None, headers={"X-A": "1"})(stream)
    app.sse("/c", limits=Limits(sse_keepalive=9), origins=PAGE, credentials=True)(stream)
    app.sse("/d", keepalive=2, origins=["http://a.example", PAGE])(stream)
    a, b, c, d = (route.options for route in app.routes)
    assert a == SSEOptions(
        limits=app.limits, headers=Headers(), keepalive=4, origins=(), credentials=False
    )
    assert isinstance(b, SSEOptions)
    assert isinstance(c, SSEOptions)
    assert isinstance(d, SSEOptions)
    assert (b.keepalive, b.headers) == (None, (("X-A", "1"),))
    assert (c.keepalive, c.origins, c.credentials) == (9, (PAGE,), True)
    assert (d.keepalive, d.origins) == (2, ("http://a.example", PAGE))


Register = Callable[[App], Any]


@pytest.mark.parametrize(
    ("register", "message"),
    [
        (lambda app: app.websocket("/x", subprotocols=["a b"]), "a list of tokens, not ['a b']"),
        (lambda app: app.websocket("/x", origins=["page"]), "not an origin: 'page'"),
        (lambda app: app.websocket("/x", ping_interval=0), "ping_interval must be positive"),
        (lambda app: app.websocket("/x", ping_timeout=-1), "ping_timeout must be positive"),
        (lambda app: app.sse("/x", keepalive=-1), "keepalive has to be positive"),
        (lambda app: app.sse("/x", headers=[("A", "b\n")]), "header A has a forbidden character"),
        (lambda app: app.sse("/x", headers=[("A b", "c")]), "not a header name: 'A b'"),
        (lambda app: app.sse("/x", methods="GET"), "methods has to be a list"),
        (lambda app: app.sse("/x", origins="*", credentials=True), "credentials=True needs"),
        (lambda app: app.route("/x", methods=[]), "methods has to be a list"),
        (lambda app: app.get("/x/{")(page), "'/x/{': a brace without its partner"),
        (lambda app: app.get("/x/{a:b}"), "'/x/{a:b}': 'b' is none of"),
        (lambda app: (app.get("/x")(page), app.get("/x")(page)), "page() answers GET here already"),
    ],
)
def test_a_bad_option_is_refused_with_its_route(register: Register, message: str) -> None:
    app = App()
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        register(app)
    assert "/x" in str(raised.value)
    assert len(app.routes) == message.startswith("page()")


async def async_generator(ws: Any) -> AsyncIterator[str]:
    yield "x"


def generator(ws: Any) -> Iterator[str]:
    yield "x"


def nothing() -> None: ...
def two(a: Any, b: Any) -> None: ...


class Callback: ...


class Callbacks:
    def on_message(self, ws: Any, message: str) -> None: ...


@pytest.mark.parametrize(
    ("register", "message"),
    [
        (lambda app: app.websocket("/x")(generator), "generator() is a generator; only event"),
        (lambda app: app.websocket("/x")(async_generator), "only event streams may be"),
        (lambda app: app.get("/x")(generator), "generator() is a generator; only event"),
        (lambda app: app.get("/x")(async_generator), "only event streams may be"),
        (lambda app: app.websocket("/x")(nothing), "nothing() has no parameter for the WebSocket"),
        (lambda app: app.websocket("/x/{ws}")(socket), "has no parameter for the WebSocket"),
        (lambda app: app.sse("/x")(nothing), "nothing() has no parameter for the event stream"),
        (lambda app: app.get("/x")(two), "nothing fills the parameter 'b' of two()"),
        (lambda app: app.websocket("/x")(Callback), "Callback is a class"),
        (lambda app: app.sse("/x")(Callbacks), "is a class; only WebSocket handlers may be"),
        (lambda app: app.get("/x")(Callbacks), "is a class; only WebSocket handlers may be"),
    ],
)
def test_a_bad_handler_is_refused_with_its_route(register: Register, message: str) -> None:
    app = App()
    with pytest.raises(TypeError, match=re.escape(message)) as raised:
        register(app)
    assert str(raised.value).startswith("/x")
    assert app.routes == ()


def test_what_each_kind_may_do_without() -> None:
    app = App()

    async def ticks() -> AsyncIterator[int]:
        yield 1

    app.get("/a")(nothing)
    app.sse("/b")(ticks)
    app.sse("/c")(generator)
    assert len(app.routes) == 3


@pytest.mark.parametrize("origins", ["page.example", ["https://a.example/x"]])
def test_an_apps_bad_origins_are_refused(origins: Any) -> None:
    with pytest.raises(ValueError, match="not an origin"):
        App(origins=origins)


def test_signatures_say_where_a_default_comes_from() -> None:
    parameters = signature(App.websocket).parameters
    assert str(parameters["ping_interval"]).endswith(" = <the app's>")


def test_json_is_pluggable() -> None:
    app = App()
    assert app.dumps({"a": [1, "é"]}) == '{"a":[1,"é"]}'
    assert app.loads(b'{"a":1}') == {"a": 1}
    assert App(dumps=repr, loads=len).dumps("x") == "'x'"


# ------------------------------------------------------------------------------------- requests


@pytest.mark.parametrize(
    ("method", "target", "headers", "expected"),
    [
        ("GET", "/page", [], ("HTTP", "/page")),
        ("HEAD", "/page", [], ("HTTP", "/page")),
        ("PUT", "/page?x=/ws", [], ("HTTP", "/page")),
        ("GET", "/events", [], ("SSE", "/events")),
        ("HEAD", "/events", [], ("SSE", "/events")),
        ("POST", "/events/7", [], ("SSE", "/events/{n:int}")),
        # A WebSocket's route judges whatever asks for a WebSocket, and what nobody else answers.
        ("GET", "/ws", UPGRADE, ("WEBSOCKET", "/ws")),
        ("POST", "/ws", UPGRADE, ("WEBSOCKET", "/ws")),
        ("GET", "/ws", [("Upgrade", "h2c, WebSocket")], ("WEBSOCKET", "/ws")),
        ("GET", "/ws", [], ("WEBSOCKET", "/ws")),
        ("DELETE", "/ws", [], ("WEBSOCKET", "/ws")),
        ("OPTIONS", "/ws", [], ("WEBSOCKET", "/ws")),
        ("GET", "/both", UPGRADE, ("WEBSOCKET", "/both")),
        ("GET", "/both", [], ("HTTP", "/both")),
        ("GET", "/both", [("Upgrade", "h2c")], ("HTTP", "/both")),
        # Where there is no WebSocket, asking for one means nothing.
        ("GET", "/page", UPGRADE, ("HTTP", "/page")),
        ("GET", "/events", UPGRADE, ("SSE", "/events")),
        # The first route that has the method, not only the first that has the path.
        ("GET", "/items/new", [], ("HTTP", "/items/new")),
        ("DELETE", "/items/new", [], ("HTTP", "/items/{name}")),
    ],
)
def test_who_answers(
    method: str, target: str, headers: list[tuple[str, str]], expected: tuple[str, str]
) -> None:
    assert found(dispatch(method, target, headers)) == expected


def test_an_extended_connect_is_for_a_websocket() -> None:
    request = Request("CONNECT", "/both", http_version="2", protocol="websocket")
    assert found(site().dispatch(request)) == ("WEBSOCKET", "/both")


def test_parameters_come_with_the_match() -> None:
    assert dispatch("POST", "/events/7").params == {"n": 7}
    assert dispatch("DELETE", "/items/a%2Fb").params == {"name": "a/b"}
    assert dispatch("GET", "/page").params == {}


@pytest.mark.parametrize(
    "target", ["/nothing", "/page/", "/events/abc", "/items/", "/items/%", "/items/%ff", "//page"]
)
def test_an_unknown_path_is_404(target: str) -> None:
    for headers in ([], UPGRADE):
        response = dispatch("GET", target, headers)
        assert isinstance(response, Response)
        assert (response.status, response.body) == (404, b"Not Found\n")


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("DELETE", "/page", "GET, HEAD, POST, PUT, OPTIONS"),
        ("POST", "/events", "GET, HEAD, OPTIONS"),
        ("GET", "/events/7", "POST, OPTIONS"),
        ("POST", "/both", "GET, HEAD, OPTIONS"),
        ("POST", "/items/new", "GET, HEAD, DELETE, OPTIONS"),
        ("get", "/page", "GET, HEAD, POST, PUT, OPTIONS"),
    ],
)
def test_another_method_is_405_and_told_which_do(method: str, target: str, allow: str) -> None:
    response = dispatch(method, target)
    assert isinstance(response, Response)
    assert (response.status, response.headers["allow"]) == (405, allow)
    asked = dispatch("OPTIONS", target)
    assert (asked.status, asked.body, asked.headers) == (204, b"", (("Allow", allow),))


def test_a_route_may_answer_options_itself() -> None:
    app = App()
    app.route("/x", methods=["OPTIONS", "PUT"])(page)
    assert found(dispatch("OPTIONS", "/x", app=app)) == ("HTTP", "/x")
    assert dispatch("GET", "/x", app=app).headers["allow"] == "OPTIONS, PUT"


def test_options_of_the_whole_server() -> None:
    response = dispatch("OPTIONS", "*")
    assert (response.status, response.headers["allow"]) == (
        204,
        "GET, HEAD, POST, PUT, DELETE, OPTIONS",
    )
    assert dispatch("OPTIONS", "*", app=App()).headers["allow"] == "OPTIONS"


def test_a_preflight_is_answered_for_the_route_that_it_is_about() -> None:
    app = App()
    app.sse("/x", origins=[PAGE])(stream)
    app.sse("/x", methods=["POST"], origins="*")(stream)
    app.put("/x")(page)

    def ask(method: str, origin: str = PAGE) -> Headers:
        headers = [("Origin", origin), ("Access-Control-Request-Method", method)]
        response = dispatch("OPTIONS", "/x", headers, app)
        assert response.status == 204
        assert response.headers[0] == ("Allow", "GET, HEAD, POST, PUT, OPTIONS")
        return Headers(response.headers[1:])

    assert ask("GET") == (
        ("Vary", "Origin"),
        ("Access-Control-Allow-Origin", PAGE),
        ("Access-Control-Allow-Methods", "GET, HEAD"),
    )
    assert ask("GET", "https://other.example") == (("Vary", "Origin"),)
    assert ask("POST") == (
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", "POST"),
    )
    assert ask("PUT") == ask("DELETE") == ()


def test_a_body_over_the_routes_limit_is_413() -> None:
    app = App()
    app.route("/x", methods=["POST"], limits=Limits(max_body_size=3))(page)
    app.sse("/s", methods=["POST"], limits=Limits(max_body_size=3))(stream)
    for path in ("/x", "/s"):
        assert isinstance(app.dispatch(Request("POST", path, body=b"abc")), Match)
        response = app.dispatch(Request("POST", path, body=b"abcd"))
        assert isinstance(response, Response)
        assert response.status == 413
        assert response.body == b"over Limits.max_body_size (3 bytes)\n"


# -------------------------------------------------------------------------------------- include


def test_include_takes_routes_over_with_their_options() -> None:
    inner, outer = App(limits=Limits(max_message_size=5)), App()
    inner.websocket("/ws/{room}", subprotocols=["chat"])(socket)
    inner.get("/")(page)
    outer.include(inner, prefix="/chat")
    assert [route.path for route in outer.routes] == ["/chat/ws/{room}", "/chat/"]
    assert outer.routes[0].options is inner.routes[0].options
    assert outer.routes[0].handler is inner.routes[0].handler
    assert dispatch("GET", "/chat/ws/lobby", app=outer).params == {"room": "lobby"}
    assert [route.path for route in inner.routes] == ["/ws/{room}", "/"]


def test_include_leaves_what_is_answered_already() -> None:
    async def other() -> str:
        return "other"

    inner, outer = App(), App()
    outer.get("/x")(page)
    outer.websocket("/ws")(socket)
    inner.route("/x", methods=["GET", "POST"])(other)
    inner.get("/ws")(other)
    inner.websocket("/ws")(socket)
    outer.get("/z")(page)
    inner.sse("/z")(stream)
    outer.include(inner)
    assert dispatch("GET", "/x", app=outer).route.handler.function is page
    assert dispatch("HEAD", "/x", app=outer).route.handler.function is page
    assert dispatch("POST", "/x", app=outer).route.handler.function is other
    assert found(dispatch("GET", "/ws", app=outer)) == ("HTTP", "/ws")
    assert found(dispatch("GET", "/z", app=outer)) == ("HTTP", "/z")
    assert len(outer.routes) == 5
    outer.include(inner)
    outer.include(outer)
    assert len(outer.routes) == 5


def test_a_prefix_may_have_parameters() -> None:
    inner, outer = App(), App()
    inner.get("/items")(page)
    outer.include(inner, prefix="/{tenant}")
    assert dispatch("GET", "/acme/items", app=outer).params == {"tenant": "acme"}


@pytest.mark.parametrize("prefix", ["/", "/chat/", "chat"])
def test_a_prefix_without_sense_is_refused(prefix: str) -> None:
    inner = App()
    inner.get("/x")(page)
    with pytest.raises(ValueError, match=re.escape("'/'")):
        App().include(inner, prefix=prefix)


# ------------------------------------------------------------------------------------- lifespan


def logging_lifespan(name: str, log: list[str], fail: str = "") -> Any:
    @asynccontextmanager
    async def lifespan(app: App) -> AsyncIterator[None]:
        if fail == "start":
            raise OSError(name)
        log.append(f"{name} starts")
        app.state.name = name
        try:
            yield
        finally:
            log.append(f"{name} stops")

    return lifespan


async def enter(app: App, log: list[str]) -> None:
    async with app.lifespan_context():
        log.append("running")


def test_an_app_without_lifespan_just_runs() -> None:
    log: list[str] = []
    asyncio.run(enter(App(), log))
    assert log == ["running"]


def test_included_lifespans_are_entered_once_each_with_their_own_app() -> None:
    log: list[str] = []
    outer = App(lifespan=logging_lifespan("outer", log))
    inner = App(lifespan=logging_lifespan("inner", log))
    inmost = App(lifespan=logging_lifespan("inmost", log))
    inner.include(inmost)
    outer.include(inner, prefix="/v1")
    outer.include(inner, prefix="/v2")
    for _ in range(2):
        log.clear()
        asyncio.run(enter(outer, log))
        starts = ["outer starts", "inner starts", "inmost starts"]
        assert log == [*starts, "running", "inmost stops", "inner stops", "outer stops"]
    assert (outer.state.name, inner.state.name, inmost.state.name) == ("outer", "inner", "inmost")


def test_a_start_up_that_fails_takes_back_those_before_it() -> None:
    log: list[str] = []
    app = App(lifespan=logging_lifespan("outer", log))
    app.include(App(lifespan=logging_lifespan("inner", log, fail="start")))
    with pytest.raises(OSError, match="inner"):
        asyncio.run(enter(app, log))
    assert log == ["outer starts", "outer stops"]


def test_an_undecorated_lifespan_is_refused() -> None:
    async def lifespan(app: App) -> AsyncIterator[None]:
        yield

    def plain(app: App) -> Iterator[None]:
        yield

    given: Any
    for given, kind in (lifespan, "asynccontext"), (plain, "context"):
        with pytest.raises(TypeError, match=rf"decorate {given.__name__} with contextlib\.{kind}"):
            App(lifespan=given)


def test_a_plain_lifespan_serves_both_servers() -> None:
    log: list[str] = []

    @contextmanager
    def lifespan(app: App) -> Iterator[None]:
        log.append("starts")
        yield
        log.append("stops")

    app = App(lifespan=lifespan)
    asyncio.run(enter(app, log))
    with app.sync_lifespan_context():
        log.append("runs without a loop")
    assert log == ["starts", "running", "stops", "starts", "runs without a loop", "stops"]


def test_an_async_lifespan_needs_a_loop() -> None:
    log: list[str] = []
    app = App(lifespan=logging_lifespan("it", log))
    entering = app.sync_lifespan_context()
    with pytest.raises(TypeError, match=r"lifespan is async.*contextlib\.contextmanager"):
        entering.__enter__()
    assert log == []


@pytest.mark.parametrize("verb", ["websocket", "sse", "get", "post", "put", "patch", "delete"])
def test_a_decorator_without_parentheses_says_what_to_write(verb: str) -> None:
    async def handler(given: object) -> None: ...

    decorate: Any = getattr(App(), verb)
    complaint = rf"handler stands where the path belongs: write @app\.{verb}\('/path'\) above it"
    with pytest.raises(TypeError, match=complaint):
        decorate(handler)
    with pytest.raises(TypeError, match="a path is a text such as '/path', not 1"):
        decorate(1)


def test_route_without_parentheses_says_what_to_write() -> None:
    decorate: Any = App().route
    with pytest.raises(
        TypeError, match=r"App stands where .*: write @app\.get\('/path'\) above it"
    ):
        decorate(App)


# ------------------------------------------------------------------------------------------ run


def test_run_serves_with_the_asyncio_server(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(aio, "run", lambda app, **options: calls.append((app, options)))
    app = App()
    app.run()
    app.run("0.0.0.0", 80, loop="asyncio", grace=1)
    usual = {"host": "127.0.0.1", "port": 8000, "loop": "auto", "log_level": "info"}
    assert calls == [
        (app, usual),
        (app, {**usual, "host": "0.0.0.0", "port": 80, "loop": "asyncio", "grace": 1}),
    ]


@pytest.mark.parametrize("server", ["aio", "sync"])
def test_an_option_that_there_is_not_is_named_with_what_was_called(server: str) -> None:
    wrong: dict[str, Any] = {"bogus": 1}
    for verb, call in {
        "run": lambda: App().run(server=server, **wrong),
        "serve": lambda: {"aio": aio, "sync": sync}[server].serve(App(), **wrong),
    }.items():
        with pytest.raises(TypeError, match=rf"^{verb}\(\) has no option 'bogus'$"):
            call()
    with pytest.raises(TypeError, match=r"^run\(\) has no option 'bogus'$"):
        {"aio": aio, "sync": sync}[server].run(App(), **wrong)


def test_json_loads_is_the_standard_one() -> None:
    assert App().loads is json.loads
