"""What the cells have in common: the list they stand in, and what they say and expect."""

import json
from importlib.metadata import version

from run import CARD, DEADLINE_S, Failure, equal, expect

SAID = f"Your card {CARD} is on file."
SAFE = "Your card [pii.payment_card] is on file."
HUMAN = "Hello there. I am a human being, not a bot."
GOOD, BAD = {"q": "returns policy"}, {"q": "returns", "url": "https://collector.evil.example/drop?id=7"}
CELLS = []
NOT_APPLICABLE = []
PACKAGES = {}


def cell(client, outcome):
    def add(function):
        CELLS.append((client, outcome, function))
        return function

    return add


def python(client, package):
    """Names the package that a client of Python is."""
    PACKAGES[client] = f"{package} {version(package)}"


def skip(client, outcome, why):
    """Names a cell that does not apply."""
    NOT_APPLICABLE.append((client, outcome, why))


class Attempts:
    """Counts what a client really sends."""

    def __init__(self, library):
        self.count = 0
        make = getattr(library, "DefaultHttpx2Client", None) or library.DefaultHttpxClient
        self.http = make(event_hooks={"request": [self._one]}, trust_env=False, timeout=DEADLINE_S)

    def _one(self, _):
        self.count += 1


def cut(text, size=7):
    return [text[i:i + size] for i in range(0, len(text), size)]


def sse(events):
    return [f"event: {e['type']}\ndata: {json.dumps(e, ensure_ascii=False)}\n\n".encode() for e in events]


def raised(kind, call):
    try:
        call()
    except kind as e:
        return e
    raise Failure(f"no {kind.__name__}")
