"""Commands in, answers and events out, as JSON lines over stdin and stdout.

A driver runs until it is told to quit or its stdin closes, so none outlives the test that made it.
"""

import json
import sys
import threading
import traceback

_printing = threading.Lock()


def emit(event, **fields):
    """Prints one event."""
    _print({"event": event, **fields})


def _print(line):
    with _printing:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def serve(commands):
    """Answers `{"id": n, "do": name, ...}` from stdin with what `commands[name](...)` returns."""
    for line in sys.stdin:
        request = json.loads(line)
        number, name = request.pop("id"), request.pop("do")
        if name == "quit":
            return
        try:
            _print({"id": number, "ok": commands[name](**request)})
        except Exception as error:  # whatever went wrong belongs to the test that asked
            traceback.print_exc()
            _print({"id": number, "error": f"{name}: {error}"})
