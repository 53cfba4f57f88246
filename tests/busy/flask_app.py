"""Flask's development server with one thread. It prints the port that the system chose."""

import work
from flask import Flask, Response, request

app = Flask(__name__)


@app.route("/", defaults={"path": ""}, methods=["GET", "POST"])
@app.route("/<path:path>", methods=["GET", "POST"])
def serve(path):
    request.get_data()
    return Response(work.answer(request.full_path), mimetype="text/plain")


app.run(host="127.0.0.1", port=0, threaded=False, debug=False)
