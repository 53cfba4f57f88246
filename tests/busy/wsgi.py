"""For gunicorn."""

import work


def app(environ, start_response):
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    body = work.answer(f"{environ['PATH_INFO']}?{environ['QUERY_STRING']}")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
