"""Patterns and the router: what fits, in which order, in which spelling."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, unquote, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fasterapi.app.handlers import Handler
from fasterapi.app.options import HTTPOptions, SSEOptions, WebSocketOptions
from fasterapi.app.routing import Pattern, Route, RouteKind, Router, canonical_path
from fasterapi.limits import DEFAULT_LIMITS
from fasterapi.protocol.headers import Headers

OPTIONS: dict[RouteKind, WebSocketOptions | SSEOptions | HTTPOptions] = {
    RouteKind.WEBSOCKET: WebSocketOptions(limits=DEFAULT_LIMITS, origins=None, subprotocols=()),
    RouteKind.SSE: SSEOptions(
        limits=DEFAULT_LIMITS, headers=Headers(), keepalive=None, origins=(), credentials=False
    ),
    RouteKind.HTTP: HTTPOptions(limits=DEFAULT_LIMITS),
}


def handler(request: object) -> None: ...


def make(path: str, kind: RouteKind = RouteKind.HTTP, methods: tuple[str, ...] = ("GET",)) -> Route:
    pattern = Pattern(path)
    return Route(
        kind=kind,
        pattern=pattern,
        methods=methods,
        handler=Handler(handler, path, pattern.params),
        options=OPTIONS[kind],
    )


def match(path: str, raw_path: str) -> dict[str, Any] | None:
    """Give what a router with one route makes of a path."""
    router = Router()
    router.add(make(path))
    found = router.match(raw_path)
    return found[0][1] if found else None


@pytest.mark.parametrize(
    ("path", "raw_path", "expected"),
    [
        ("/", "/", {}),
        ("/", "", None),
        ("/a/b", "/a/b", {}),
        ("/a/b", "/a/b/", None),
        ("/a/b/", "/a/b", None),
        ("/a/b", "/A/b", None),
        ("/a.b", "/axb", None),
        ("/a+(b)", "/a+(b)", {}),
        ("/ws/{room}", "/ws/lobby", {"room": "lobby"}),
        ("/ws/{room}", "/ws/", None),
        ("/ws/{room}", "/ws/a/b", None),
        ("/ws/{room}", "/ws/a/", None),
        ("/ws/{room}", "/ws/a\n", {"room": "a\n"}),
        ("/ws/{room:str}", "/ws/7", {"room": "7"}),
        ("/{a}/{b}", "/x/y", {"a": "x", "b": "y"}),
        ("/{n:int}", "/7", {"n": 7}),
        ("/{n:int}", "/-07", {"n": -7}),
        ("/{n:int}", "/999999999999999999", {"n": 999999999999999999}),
        ("/{n:int}", "/9999999999999999999", None),
        ("/{n:int}", "/", None),
        ("/{n:int}", "/abc", None),
        ("/{n:int}", "/+7", None),
        ("/{n:int}", "/7.0", None),
        ("/{n:int}", "/1_000", None),
        ("/{n:int}", "/%D9%A3", None),  # a digit three, but no ASCII one
        ("/{x:float}", "/2.5", {"x": 2.5}),
        ("/{x:float}", "/-2", {"x": -2.0}),
        ("/{x:float}", "/.5", None),
        ("/{x:float}", "/5.", None),
        ("/{x:float}", "/1e5", None),
        ("/{x:float}", "/nan", None),
        ("/{x:float}", "/inf", None),
        ("/files/{rest:path}", "/files/a/b.txt", {"rest": "a/b.txt"}),
        ("/files/{rest:path}", "/files/", {"rest": ""}),
        ("/files/{rest:path}", "/files", None),
        ("/files/{rest:path}", "/files//a/", {"rest": "/a/"}),
        ("/files/{rest:path}/info", "/files/a/b/info", {"rest": "a/b"}),
        ("/files/{rest:path}/info", "/files/info", None),
        ("/{user}/{rest:path}", "/ada/x/y", {"user": "ada", "rest": "x/y"}),
        ("/@{user}.json", "/@ada.json", {"user": "ada"}),
        ("/@{user}.json", "/@.json", None),
        ("/{y:int}-{m:int}-{d:int}", "/2024-02-29", {"y": 2024, "m": 2, "d": 29}),
        ("/{name}-{n:int}", "/a-b-7", {"name": "a-b", "n": 7}),
    ],
)
def test_a_path_fits_or_not(path: str, raw_path: str, expected: dict[str, Any] | None) -> None:
    found = match(path, raw_path)
    assert found == expected
    if expected is not None and found is not None:
        assert {k: type(v) for k, v in found.items()} == {k: type(v) for k, v in expected.items()}


@pytest.mark.parametrize(
    ("path", "raw_path", "expected"),
    [
        # A slash that was encoded is of its segment.
        ("/ws/{room}", "/ws/a%2Fb", {"room": "a/b"}),
        ("/ws/{room}", "/ws/a%2fb", {"room": "a/b"}),
        ("/a/b", "/a%2Fb", None),
        ("/files/{rest:path}", "/files/a%2Fb/c", {"rest": "a/b/c"}),
        # Decoded once, and as UTF-8 only.
        ("/{x}", "/%2541", {"x": "%41"}),
        ("/{x}", "/caf%C3%A9", {"x": "café"}),
        ("/{x}", "/caf%E9", None),
        ("/{x}", "/%ED%A0%80", None),
        ("/{x}", "/a+b", {"x": "a+b"}),
        ("/{n:int}", "/1%30", {"n": 10}),
        # Bad encodings fit nothing.
        ("/{x}", "/%", None),
        ("/{x}", "/%4", None),
        ("/{x}", "/%zz", None),
        ("/{x:path}", "/a/%4g", None),
        ("/{x}", "/\ud800", None),
        # One spelling is as good as another.
        ("/ws", "/%77%73", {}),
        ("/a b", "/a%20b", {}),
        ("/a%20b", "/a%20b", {}),
        ("/café", "/caf%c3%a9", {}),
        ("/caf%C3%A9", "/café", {}),
        ("/~x", "/%7Ex", {}),
        ("/a%2fb", "/a%2Fb", {}),
        ("/%7Bx%7D", "/%7bx%7d", {}),
        ("/a?b", "/a%3Fb", "refused"),
    ],
)
def test_percent_encoding(path: str, raw_path: str, expected: Any) -> None:
    if expected == "refused":
        with pytest.raises(ValueError, match=r"no '\?'"):
            Pattern(path)
    else:
        assert match(path, raw_path) == expected


@given(st.text(min_size=1, max_size=12), st.booleans())
def test_any_text_arrives_as_it_was_sent(text: str, everything: bool) -> None:
    try:
        octets = text.encode()
    except UnicodeEncodeError:
        return
    encoded = "".join(f"%{octet:02x}" for octet in octets) if everything else quote(text, safe="")
    assert match("/x/{value}/y", f"/x/{encoded}/y") == {"value": text}


@given(st.text(alphabet='aZ09-._~/%2fFé +;="<{', max_size=16))
def test_the_canonical_form_keeps_the_bytes_and_is_a_fixed_point(text: str) -> None:
    try:
        path = canonical_path(text)
    except ValueError:
        assert re.search(r"%(?![0-9a-fA-F]{2})", text)
        return
    assert canonical_path(path) == path
    segments, before = path.split("/"), text.split("/")
    assert [unquote_to_bytes(s) for s in segments] == [unquote_to_bytes(s) for s in before]
    assert path.isascii()
    assert unquote(path, errors="surrogateescape") == unquote(text, errors="surrogateescape")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "begins with '/'"),
        ("ws", "begins with '/'"),
        ("{x}", "begins with '/'"),
        ("/{x", "a brace without its partner"),
        ("/x}", "a brace without its partner"),
        ("/{a{b}}", "a brace without its partner"),
        ("/{}", "'' is no name"),
        ("/{a b}", "'a b' is no name"),
        ("/{1}", "'1' is no name"),
        ("/{x }", "'x ' is no name"),
        ("/{x}/{x}", "'x' stands twice"),
        ("/{x:uuid}", "'uuid' is none of str, int, float, path"),
        ("/{x:}", "'' is none of"),
        ("/a?b=1", "no '?'"),
        ("/a#b", "no '#'"),
        ("/100%", "a percent sign without"),
        ("/{a}{b}", "is not clear"),
        ("/{a}-{b}", "is not clear"),
        ("/x/{a}.{b:str}/y", "'{a}.{b:str}'"),
        ("/{a}-{b:path}", "is not clear"),
        ("/{a:path}/x/{b:path}", "only one parameter can be a path"),
    ],
)
def test_a_pattern_without_sense_is_refused_by_name(path: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as raised:
        Pattern(path)
    assert repr(path) in str(raised.value)


@pytest.mark.parametrize(
    ("path", "raw_path"),
    [
        ("/{a:path}/{b}/{c}/x", "/" + "a/" * 4000),
        ("/{a:path}-{b:int}/x", "/" + "a-1" * 2700),
        ("/{a}-{b:int}-{c:int}-{d:int}/x", "/" + "1-" * 4000),
        ("/{a:float}{b:float}{c:float}/x", "/" + "1" * 8000),
    ],
)
def test_no_path_takes_long_to_be_refused(path: str, raw_path: str) -> None:
    # The runner's time limit is far off from what this takes, unless it takes a power of it.
    assert match(path, raw_path) is None


def test_a_pattern_tells_its_parameters_and_its_shape() -> None:
    pattern = Pattern("/a b/{x}/{n:int}")
    assert (pattern.text, pattern.params, pattern.exact) == ("/a b/{x}/{n:int}", ("x", "n"), None)
    assert pattern.shape == Pattern("/a%20b/{y}/{m:int}").shape
    assert pattern.shape != Pattern("/a b/{x}/{n}").shape
    assert Pattern("/a b").exact == "/a%20b"


def test_a_route_has_its_patterns_path() -> None:
    assert make("/ws/{room}").path == "/ws/{room}"


# ---------------------------------------------------------------------------------- router


def paths(router: Router, raw_path: str) -> list[str]:
    return [route.path for route, _ in router.match(raw_path)]


@pytest.mark.parametrize(
    "order",
    [
        ["/users/me", "/users/{name}", "/{rest:path}"],
        ["/users/{name}", "/users/me", "/{rest:path}"],
        ["/{rest:path}", "/users/{name}", "/users/me"],
        ["/users/{name}", "/{rest:path}", "/users/me"],
    ],
)
def test_what_was_registered_first_comes_first(order: list[str]) -> None:
    router = Router()
    for path in order:
        router.add(make(path))
    assert paths(router, "/users/me") == order
    assert paths(router, "/users/%6De") == order
    assert paths(router, "/users/ada") == [path for path in order if path != "/users/me"]
    assert paths(router, "/") == ["/{rest:path}"]
    assert router.routes[0].path == order[0]


def test_routes_of_one_path_keep_their_order_and_their_own_parameters() -> None:
    router = Router()
    router.add(make("/x", RouteKind.WEBSOCKET))
    router.add(make("/{a}", methods=("POST",)))
    router.add(make("/x", RouteKind.SSE))
    router.add(make("/x", methods=("PUT",)))
    assert [(route.kind.name, params) for route, params in router.match("/x")] == [
        ("WEBSOCKET", {}),
        ("HTTP", {"a": "x"}),
        ("SSE", {}),
        ("HTTP", {}),
    ]
    assert router.match("/y/z") == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (make("/x"), make("/x")),
        (make("/x"), make("/%78")),
        (make("/x"), make("/x", RouteKind.SSE)),
        (make("/x", RouteKind.SSE), make("/x", methods=("POST", "GET"))),
        (make("/x", RouteKind.WEBSOCKET), make("/x", RouteKind.WEBSOCKET)),
        (make("/{a}/b"), make("/{c}/b")),
    ],
)
def test_a_second_route_for_the_same_is_refused(first: Route, second: Route) -> None:
    router = Router()
    router.add(first)
    with pytest.raises(ValueError, match=r"handler\(\) answers GET here already") as raised:
        router.add(second)
    assert str(raised.value).startswith(f"{second.path}: ")
    assert router.routes == [first]
    assert len(router.match(first.path)) == 1


@pytest.mark.parametrize(
    "second",
    [
        make("/x", methods=("POST",)),
        make("/x/"),
        make("/X"),
        make("/x", RouteKind.WEBSOCKET),
        make("/{a}"),
        make("/{a:int}"),
    ],
)
def test_a_route_for_something_else_is_taken(second: Route) -> None:
    router = Router()
    router.add(make("/x"))
    router.add(second)
    assert router.routes[1] is second


def test_rivals_are_told_by_method() -> None:
    router = Router()
    get, post = make("/{a}"), make("/{b}", methods=("POST", "PUT"))
    router.add(get)
    router.add(post)
    assert router.rivals(make("/{c}", methods=("GET", "PUT", "PATCH"))) == {"GET": get, "PUT": post}
    assert router.rivals(make("/{c}", RouteKind.WEBSOCKET)) == {}
