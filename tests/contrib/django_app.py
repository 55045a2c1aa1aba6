"""A Django project of one file, with an event stream."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path

from fasterapi import ServerSentEvent
from fasterapi.contrib.wsgi import sse_response

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="for tests")

closed: list[str] = []


def events(request: HttpRequest) -> Any:
    """Count to two, from a request's query."""

    def count() -> Iterator[Any]:
        try:
            for number in range(int(request.GET["count"])):
                yield ServerSentEvent(str(number), id=str(number))
        finally:
            closed.append("closed")

    return sse_response(count(), headers={"X-Name": "value"}, response_class=StreamingHttpResponse)


urlpatterns = [path("events", events)]
application = get_wsgi_application()
