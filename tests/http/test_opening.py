"""One attempt to get a response: redirects, and what they may take along."""

from __future__ import annotations

import httpx
import pytest

from fasterapi.errors import RedirectError
from fasterapi.http.opening import USER_AGENT, Opening, with_user_agent
from fasterapi.http.proxy import parse_proxy
from fasterapi.limits import Limits
from fasterapi.protocol import Headers, Request, Response
from fasterapi.protocol.uri import HTTP_SCHEMES, URI, basic_credentials

SECRETS = [("Authorization", "Bearer x"), ("cookie", "a=b"), ("Proxy-Authorization", "y")]


def make(uri: URI, headers: Headers) -> Request:
    own = [("Authorization", uri.authorization)] if uri.authorization else []
    return Request("GET", uri.target, [("Host", uri.authority), *own, *headers])


def opening(url: str = "ws://a/one", **options: object) -> Opening:
    return Opening(url, make, **options)  # type: ignore[arg-type]


def redirect(location: str, status: int = 302) -> Response:
    return Response(status, [("Location", location)])


@pytest.mark.parametrize(
    "response", [Response(101), Response(302), Response(304), redirect("/", 201)]
)
def test_what_is_no_redirect(response: Response) -> None:
    attempt = opening()
    assert not attempt.follow(response)
    assert (str(attempt.uri), attempt.response) == ("ws://a/one", None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(status: int) -> None:
    attempt = opening(headers=[("X", "y")])
    assert attempt.follow(redirect("/two?x", status))
    assert (str(attempt.uri), attempt.request.target) == ("ws://a/two?x", "/two?x")
    assert attempt.request.headers["x"] == "y"
    assert attempt.response is not None
    assert attempt.to_send().startswith(b"GET /two?x HTTP/1.1\r\nHost: a\r\n")


LOCATIONS = [
    "/two", "two", "../two", "?x=y", "//b/two", "/two?next=http://c/", "three#top", "./a/../b",
    "/a%20b",
]  # fmt: skip


@pytest.mark.parametrize("location", LOCATIONS)
@pytest.mark.parametrize("base", ["http://a:81/one/", "https://a/one"])
def test_locations_are_read_as_httpx_reads_them(base: str, location: str) -> None:
    attempt = opening(base, schemes=HTTP_SCHEMES)
    attempt.follow(redirect(location))
    theirs = httpx.URL(base).join(location)
    assert str(attempt.uri) == str(theirs.copy_with(fragment=None))


@pytest.mark.parametrize(
    ("base", "location", "url"),
    [
        ("ws://a/one", "wss://b/two", "wss://b/two"),
        ("ws://a/one", "https://b/two", "wss://b/two"),
        ("ws://a/one", "HTTP://b/two", "ws://b/two"),
        ("wss://a/one", "//b/two", "wss://b/two"),
        ("wss://a:81/one", "two#top", "wss://a:81/two"),
        ("ws://a/one", "wss://a/one", "wss://a/one"),
    ],
)
def test_a_websocket_is_redirected_to_one(base: str, location: str, url: str) -> None:
    attempt = opening(base)
    assert attempt.follow(redirect(location))
    assert str(attempt.uri) == url


@pytest.mark.parametrize(
    ("base", "location", "complaint"),
    [
        ("wss://a/", "ws://a/", "from TLS to plain text"),
        ("wss://a/", "http://a/", "from TLS to plain text"),
        ("https://a/", "http://a/", "from TLS to plain text"),
        ("ws://a/", "ftp://a/", "begins with ws:// or wss://, not 'ftp://a/'"),
        ("http://a/", "ws://a/", "begins with http:// or https://"),
        ("ws://a/", "javascript:alert(1)", "begins with ws://"),
        ("ws://a/", "ws:///x", "needs a host"),
        ("ws://a/", "/a b", "percent-encode"),
        ("ws://a/", "//a:port/", "[Pp]ort"),
    ],
)
def test_where_a_redirect_may_not_lead(base: str, location: str, complaint: str) -> None:
    attempt = opening(base, schemes=HTTP_SCHEMES if base.startswith("http") else ("ws", "wss"))
    with pytest.raises(RedirectError, match=complaint) as caught:
        attempt.follow(redirect(location, 307))
    assert caught.value.status == 307
    assert caught.value.url in str(caught.value)
    assert str(attempt.uri) == base  # nothing has changed


def test_secrets_stay_with_their_origin() -> None:
    attempt = opening("wss://user:pass@a/one", headers=[*SECRETS[1:], ("X", "y")])
    assert attempt.request.headers["authorization"].startswith("Basic")
    attempt.follow(redirect("/two"))
    assert attempt.request.headers["authorization"].startswith("Basic")
    assert attempt.request.headers["cookie"] == "a=b"
    attempt.follow(redirect("wss://b/three"))
    assert list(attempt.request.headers) == [("Host", "b"), ("X", "y")]
    attempt.follow(redirect("wss://a/one"))  # nor do they come back
    assert list(attempt.request.headers) == [("Host", "a"), ("X", "y")]


@pytest.mark.parametrize("location", ["wss://a/", "ws://a:81/", "ws://b/"])
def test_another_scheme_port_or_host_is_another_origin(location: str) -> None:
    attempt = opening(headers=SECRETS)
    attempt.follow(redirect(location))
    assert len(attempt.request.headers) == 1


def test_redirects_are_bounded() -> None:
    attempt = opening(limits=Limits(max_redirects=3))
    for number in range(3):
        assert attempt.follow(redirect(f"/{number}"))
    with pytest.raises(RedirectError, match=r"to ws://a/x: over Limits.max_redirects \(3\)"):
        attempt.follow(redirect("/x"))


def test_redirects_can_be_refused() -> None:
    with pytest.raises(RedirectError, match="max_redirects=0"):
        opening(max_redirects=0).follow(redirect("/x"))


def test_a_fixed_route_leads_to_one_server() -> None:
    attempt = opening(fixed="the unix socket /run/x")
    assert attempt.follow(redirect("/two"))
    with pytest.raises(RedirectError, match="the unix socket /run/x leads to one server"):
        attempt.follow(redirect("ws://b/"))


def test_a_proxy_that_forwards_is_told_the_whole_url() -> None:
    attempt = opening("http://a/one", schemes=HTTP_SCHEMES)
    assert attempt.to_send(parse_proxy("proxy")).startswith(b"GET http://a/one HTTP/1.1\r\n")


def test_the_user_agent_is_ours_unless_it_is_given() -> None:
    assert USER_AGENT.startswith("fasterapi/")
    assert with_user_agent(Headers(), "me/1") == [("User-Agent", "me/1")]
    assert with_user_agent(Headers([("user-agent", "x")]), "me/1") == [("user-agent", "x")]
    assert with_user_agent(Headers([("A", "b")]), None) == [("A", "b")]


@pytest.mark.parametrize(
    ("location", "sent"),
    [
        ("/two", "user"), ("ws://a/two", "user"), ("http://a:80/two", "user"),
        ("ws://other:x@a/two", "other"), ("ws://b/two", ""), ("wss://a/two", ""),
    ],
)  # fmt: skip
def test_who_asks_stays_the_same_within_an_origin(location: str, sent: str) -> None:
    attempt = opening("ws://user:x@a/one")
    attempt.follow(redirect(location))
    expected = basic_credentials(sent, "x") if sent else None
    assert attempt.request.headers.get("authorization") == expected
    attempt.follow(redirect("three"))
    assert attempt.request.headers.get("authorization") == expected


@pytest.mark.parametrize("location", ["/x", "/a b", "ftp://me:secret@b/", "ws://me:secret/@b/"])
def test_no_refused_redirect_tells_a_password(location: str) -> None:
    attempt = opening("ws://user:secret@a/", max_redirects=int(location != "/x"))
    with pytest.raises(RedirectError) as caught:
        attempt.follow(redirect(location))
    assert "secret" not in f"{caught.value} {caught.value.url}"


def test_a_location_that_could_steer_a_terminal() -> None:
    with pytest.raises(RedirectError) as caught:
        opening(max_redirects=0).follow(redirect("/\x9b31m"))
    assert str(caught.value).isprintable()


def test_there_are_no_less_than_no_redirects() -> None:
    with pytest.raises(ValueError, match="max_redirects is 0 or more, not -1"):
        opening(max_redirects=-1)
