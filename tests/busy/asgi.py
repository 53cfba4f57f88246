"""For uvicorn: an `async` function that makes a blocking call, so that the event loop stands."""

import work


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    body = work.answer(f"{scope['path']}?{scope['query_string'].decode()}")
    length = str(len(body)).encode()
    headers = [(b"content-type", b"text/plain"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
