"""gevent's own WSGI server: ``python -m tests.contrib.gevent_server PORT [PEM]``."""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

if __name__ == "__main__":
    import sys

    from gevent.pywsgi import WSGIServer

    from tests.contrib.flask_app import app

    port, *pem = sys.argv[1:]
    tls = {"certfile": pem[0]} if pem else {}
    WSGIServer(("127.0.0.1", int(port)), app, **tls).serve_forever()
