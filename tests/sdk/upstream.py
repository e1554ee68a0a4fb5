"""A scripted upstream. Standard library only, loopback only, a port of its own.

The request's `model` names the script that answers it: in its body, in its path (`/models/NAME:…`, `/model/NAME/…`), or
as the context of a message between agents or the thread of a run (`/threads/NAME/…`). A script is a list of steps:

    bytes          written to the wire as they are, in one write, flushed
    a function     called with the request's body; what it gives is written
    Event          waited for (bounded); lets the client decide when the upstream goes on
    float          a pause in seconds, for what no signal can show

The body goes out with chunked framing, one chunk a step, so that a test owns every cut.
"""

import json
import re
import socket
import socketserver
import threading
import time
from dataclasses import dataclass, field

WAIT_S = 20.0


@dataclass
class Script:
    """What to answer, and what was asked."""

    steps: list
    content_type: str = "text/event-stream"
    status: int = 200
    headers: dict = field(default_factory=dict)
    requests: list = field(default_factory=list)  # (head, body) of each attempt
    cut_off: bool = False  # the reader left before the end

    @property
    def attempts(self):
        return len(self.requests)


class Upstream:
    def __init__(self):
        self.scripts = {}
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                try:
                    while outer._exchange(self.request):
                        pass
                except (ConnectionError, TimeoutError):
                    pass

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def script(self, name, steps, **options):
        self.scripts[name] = Script(steps, **options)
        return self.scripts[name]

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def _exchange(self, sock):
        head, body = read_request(sock)
        if head is None:
            return False
        model = named(head, body)
        script = self.scripts.get(model)
        if script is None:
            answer = json.dumps({"error": {"message": f"no script {model!r}", "type": "t", "code": "c"}}).encode()
            sock.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\n"
                         b"content-length: %d\r\n\r\n%s" % (len(answer), answer))
            return True
        script.requests.append((head, body))
        lines = [f"HTTP/1.1 {script.status} OK", f"content-type: {script.content_type}", "transfer-encoding: chunked"]
        lines += [f"{k}: {v}" for k, v in script.headers.items()]
        try:
            sock.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            for step in script.steps:
                if isinstance(step, threading.Event):
                    step.wait(WAIT_S)
                    continue
                if isinstance(step, float):
                    time.sleep(step)
                    continue
                step = step(json.loads(body)) if callable(step) else step
                if step:
                    sock.sendall(b"%x\r\n%s\r\n" % (len(step), step))
            sock.sendall(b"0\r\n\r\n")
        except OSError:
            script.cut_off = True
            return False
        return True


def named(head, body):
    """The name of the script that a request asks for."""
    found = re.search(r"/(?:models?|threads)/([^/:?]+)", head.partition("\r\n")[0])
    if found:
        return found[1]
    try:
        body = json.loads(body)
        said = body.get("params", body)
        said = said.get("message", said.get("request", {}))
        return body.get("model") or said.get("contextId") or said.get("context_id") or body.get("threadId")
    except (ValueError, AttributeError):
        return None


def read_request(sock):
    """The head as text and the body as bytes of one HTTP/1.1 request; (None, b"") at the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        got = sock.recv(65536)
        if not got:
            return None, b""
        data += got
    head, _, body = data.partition(b"\r\n\r\n")
    head = head.decode("latin-1")
    fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head.split("\r\n")[1:])}

    def more():
        got = sock.recv(65536)
        if not got:
            raise ConnectionError("request cut short")
        return got

    if "chunked" in fields.get("transfer-encoding", ""):
        out = b""
        while True:
            while b"\r\n" not in body:
                body += more()
            size, _, body = body.partition(b"\r\n")
            size = int(size.split(b";")[0], 16)
            while len(body) < size + 2:
                body += more()
            out += body[:size]
            body = body[size + 2:]
            if size == 0:
                return head, out
    length = int(fields.get("content-length", "0"))
    while len(body) < length:
        body += more()
    return head, body


# ---- the shapes of the protocol -------------------------------------------------------------------

HEAD = {"id": "chatcmpl-Qx", "object": "chat.completion.chunk", "created": 1790000000, "model": "scripted"}


def frame(choices, **more):
    """One SSE frame of a stream."""
    return b"data: " + json.dumps({**HEAD, "choices": choices, **more}, separators=(",", ":")).encode() + b"\n\n"


def delta(index=0, finish=None, **fields):
    return frame([{"index": index, "delta": fields, "logprobs": None, "finish_reason": finish}])


def text_frames(pieces, index=0):
    """Role, one frame a piece, finish."""
    return [delta(index, role="assistant", content="")] + [delta(index, content=p) for p in pieces] + [delta(index, finish="stop")]


def call_frames(name, arguments, pieces=4, index=0, call=0):
    """A tool call in pieces: id and name first, then the arguments cut up."""
    size = max(1, -(-len(arguments) // pieces))
    cuts = [arguments[i:i + size] for i in range(0, len(arguments), size)]
    first = {"index": call, "id": f"call_{call}", "type": "function", "function": {"name": name, "arguments": ""}}
    return [delta(index, tool_calls=[first])] + [
        delta(index, tool_calls=[{"index": call, "function": {"arguments": cut}}]) for cut in cuts
    ]


USAGE = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
DONE = b"data: [DONE]\n\n"


def completion(*texts, **message):
    """A whole answer with one choice a text, spaced as no serialiser of ours would, so that a rewrite shows."""
    choices = [
        {"index": i, "message": {"role": "assistant", "content": t, "refusal": None, **message}, "logprobs": None, "finish_reason": "stop"}
        for i, t in enumerate(texts)
    ]
    body = {**HEAD, "object": "chat.completion", "choices": choices, "usage": USAGE, "system_fingerprint": None}
    return (json.dumps(body, indent=1, ensure_ascii=False) + "\n").encode()
