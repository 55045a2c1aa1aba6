from threads import app

from fasterapi.sync import connect, serve


def main() -> None:
    with serve(app, port=0, grace=10) as server:
        print(f"listening on {server.url}")
        with connect(f"ws://127.0.0.1:{server.port}/echo") as ws:
            ws.send("hello")
            print(ws.receive())


if __name__ == "__main__":
    main()
