"""The real `openai` client through `servanda run`, before a scripted upstream.

    python tests/sdk/run.py [--bin PATH] [--pact FILE] [--only WORD] [--keep DIR]

Each check is one promise of the product as a client sees it. Prints a table and `N passed, N failed`;
exits 0 only when nothing failed. All traffic stays on loopback; keys are dummies.
"""

import argparse
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

import openai

from upstream import DONE, USAGE, Upstream, call_frames, completion, delta, frame, text_frames

KEY = "sk-harness-0000000000000000"
CARD = "4111 1111 1111 1111"
CARD_TEXT = f"Your card {CARD} is on file."
CARD_SAFE = "Your card [pii.payment_card] is on file."
INNOCENT = ("The parcel left the depot this morning", " and should arrive", " on Thursday.", " Anything else?")
SSN_TASK = "Please note my social security number is 536-22-4819, thanks."
LEGAL_TASK = (
    "Please interpret this contract clause for me: is the limitation of liability legally binding, "
    "can I sue them for breach of contract, and what are my legal rights under the statute?"
)
ASK = [{"role": "user", "content": "Where is my parcel?"}]
TOOLS = [{"type": "function", "function": {"name": "kb_search", "parameters": {"type": "object"}}}]
CALL_BAD = json.dumps({"q": "returns", "url": "https://collector.evil.example/drop?id=7"})
CALL_GOOD = json.dumps({"q": "returns policy"})
DEADLINE_S = 15.0


class Failure(Exception):
    pass


def expect(condition, message):
    if not condition:
        raise Failure(message)


def equal(got, wanted, what):
    expect(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


# ---- the sidecar ----------------------------------------------------------------------------------


class Sidecar:
    """`servanda run` in the short form: one upstream, one pact, a port of its own."""

    def __init__(self, binary, upstream, pact, folder, lane="model"):
        self.evidence = folder / "evidence"
        self.err = open(folder / "stderr.log", "w+b")
        self.out = open(folder / "stdout.log", "w+b")
        command = [binary, "run", "--upstream", upstream, "--pact", str(pact), "--listen", "127.0.0.1:0",
                   "--lane", lane, "--evidence", str(self.evidence), "--admin", "127.0.0.1:0"]
        env = {**os.environ, "NO_COLOR": "1"}
        env = {k: v for k, v in env.items() if not k.lower().endswith("_proxy") and not k.startswith("SERVANDA_")}
        self.process = subprocess.Popen(command, stdout=self.out, stderr=self.err, env=env, cwd=folder)
        self.port = self._port()

    def said(self):
        return b"".join(Path(f.name).read_bytes() for f in (self.out, self.err)).decode("utf-8", "replace")

    def _port(self):
        until = time.monotonic() + DEADLINE_S
        while time.monotonic() < until:
            found = re.search(r"listening.*?http://127\.0\.0\.1:(\d+)", self.said())
            if found:
                return int(found[1])
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise SystemExit(f"servanda run did not listen:\n{self.said()}")

    def client(self, attempts=None, **options):
        make = getattr(openai, "DefaultHttpx2Client", None) or openai.DefaultHttpxClient

        def count(request):
            if attempts is not None:
                attempts.append(request)

        http = make(event_hooks={"request": [count]}, trust_env=False)
        return openai.OpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{self.port}/v1", http_client=http,
                             timeout=DEADLINE_S, **options)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "did not end"


# ---- what a client reads --------------------------------------------------------------------------


class Read:
    """A stream as the SDK hands it out, gathered by choice."""

    def __init__(self, stream=None):
        self.text, self.refusal, self.finish, self.calls, self.usage = {}, {}, {}, [], None
        for chunk in stream or ():
            self.take(chunk)

    def take(self, chunk):
        self.usage = chunk.usage or self.usage
        for choice in chunk.choices:
            i, d = choice.index, choice.delta
            if d.content:
                self.text[i] = self.text.get(i, "") + d.content
            if d.refusal:
                self.refusal[i] = self.refusal.get(i, "") + d.refusal
            if d.tool_calls:
                self.calls += d.tool_calls
            if choice.finish_reason:
                self.finish[i] = choice.finish_reason


def raw_stream(client, model, **options):
    with client.chat.completions.with_streaming_response.create(model=model, messages=ASK, stream=True, **options) as r:
        return b"".join(r.iter_bytes()), r.headers


def stream(client, model, **options):
    with client.chat.completions.create(model=model, messages=options.pop("messages", ASK), stream=True, **options) as s:
        return Read(s)


def arguments_of(calls):
    return "".join(c.function.arguments or "" for c in calls if c.function)


# ---- the checks -----------------------------------------------------------------------------------

CHECKS = []


def check(name):
    def add(function):
        CHECKS.append((name, function))
        return function

    return add


class Bench:
    """What a check works with."""

    def __init__(self, upstream, sidecar, hold_back):
        self.upstream, self.sidecar, self.hold_back = upstream, sidecar, hold_back
        self.client = sidecar.client()


@check("innocent, plain: byte-identical")
def innocent_plain(b):
    body = completion("".join(INNOCENT) + " ünïcode \u2028 \"quoted\"")
    b.upstream.script("innocent", [body[:50], body[50:]], content_type="application/json")
    got = b.client.chat.completions.with_raw_response.create(model="innocent", messages=ASK)
    equal(got.content, body, "body")
    equal(got.headers.get("x-servanda-verdict"), "allow", "verdict header")
    expect(got.headers.get("x-servanda-record"), "no record header")


@check("innocent, streamed: byte-identical")
def innocent_stream(b):
    frames = text_frames(INNOCENT) + [frame([], usage=USAGE), b": keep-alive\n\n", DONE]
    b.upstream.script("innocent-stream", frames)
    got, headers = raw_stream(b.client, "innocent-stream")
    equal(got, b"".join(frames), "stream")
    expect("text/event-stream" in headers["content-type"], "content type")
    read = stream(b.client, "innocent-stream", stream_options={"include_usage": True})
    equal(read.text, {0: "".join(INNOCENT)}, "text")
    equal((read.finish, read.usage.total_tokens), ({0: "stop"}, 14), "finish and usage")


@check("the request reaches the upstream byte-identical, key and all")
def request_untouched(b):
    script = b.upstream.script("forwarded", [completion("ok")], content_type="application/json")
    b.client.chat.completions.create(model="forwarded", messages=ASK, extra_headers={"x-own": "7"})
    head, body = script.requests[0]
    expect(f"authorization: Bearer {KEY}".lower() in head.lower(), "authorization header changed")
    expect("x-own: 7" in head.lower(), "own header lost")
    equal(json.loads(body)["messages"], ASK, "messages")


@check("card, plain: redacted, all else as it was")
def card_plain(b):
    b.upstream.script("card", [completion(CARD_TEXT)], content_type="application/json")
    got = b.client.chat.completions.with_raw_response.create(model="card", messages=ASK)
    equal(got.content, completion(CARD_SAFE), "body")
    equal(got.headers.get("x-servanda-verdict"), "redact", "verdict header")


@check("card, streamed: redacted at every cut of the text")
def card_text_cuts(b):
    cuts = [[CARD_TEXT[:i], CARD_TEXT[i:]] for i in range(1, len(CARD_TEXT))]
    cuts += [[CARD_TEXT[:i], CARD_TEXT[i:j], CARD_TEXT[j:]] for i in range(10, 30) for j in range(i + 1, 30, 3)]
    cuts += [list(CARD_TEXT), [CARD_TEXT]]
    for pieces in cuts:
        b.upstream.script("card-stream", text_frames(pieces) + [DONE])
        raw, _ = raw_stream(b.client, "card-stream")
        no_card(raw, pieces)
        b.upstream.script("card-stream", text_frames(pieces) + [DONE])
        read = stream(b.client, "card-stream")
        equal((read.text, read.finish), ({0: CARD_SAFE}, {0: "stop"}), f"text, cut {pieces}")
    return f"{len(cuts)} cuts"


@check("card, streamed: redacted at every cut of the bytes")
def card_byte_cuts(b):
    whole = b"".join(text_frames([CARD_TEXT[:15], CARD_TEXT[15:20], CARD_TEXT[20:]]) + [DONE])
    for i in range(1, len(whole)):
        b.upstream.script("card-bytes", [whole[:i], 0.0005, whole[i:]])
        read = stream(b.client, "card-bytes")
        equal((read.text, read.finish), ({0: CARD_SAFE}, {0: "stop"}), f"text, cut at byte {i}")
    b.upstream.script("card-bytes", [whole[i:i + 1] for i in range(len(whole))])
    raw, _ = raw_stream(b.client, "card-bytes")
    no_card(raw, "byte by byte")
    return f"{len(whole)} cuts"


def no_card(raw, what):
    """No digit of the card reached the client, in whatever field: the frames' other digits are left out."""
    rest = raw.decode().replace('"index":0', "").replace('"created":1790000000', "").replace("x-servanda", "")
    digits = re.sub(r'"id":"[^"]*"', "", rest)
    expect(not re.search(r"[0-9]", digits), f"a digit of the card got through, cut {what}: {digits[:400]!r}")


@check("card, gzip and deflate bodies: judged as plain")
def card_coded(b):
    body = completion(CARD_TEXT)
    for coding, coded in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        b.upstream.script("coded", [coded], content_type="application/json", headers={"content-encoding": coding})
        got = b.client.chat.completions.create(model="coded", messages=ASK)
        equal(got.choices[0].message.content, CARD_SAFE, coding)


def refused(b, model, **request):
    script = b.upstream.script(model, [completion("never")], content_type="application/json")
    attempts = []
    try:
        b.sidecar.client(attempts).chat.completions.create(model=model, **request)
    except openai.BadRequestError as e:
        equal(len(attempts), 1, "attempts of the client")
        equal(script.attempts, 0, "calls of the upstream")
        equal((e.status_code, e.code, e.type), (400, "content_filter", "invalid_request_error"), "error")
        equal(e.response.headers.get("x-should-retry"), "false", "x-should-retry")
        equal(e.response.headers.get("x-servanda-verdict"), "block", "verdict header")
        return e
    raise Failure("the request was not refused")


@check("SSN in the request: BadRequestError, one attempt, no upstream call")
def ssn(b):
    e = refused(b, "ssn", messages=[{"role": "user", "content": SSN_TASK}])
    expect("536" not in str(e), "the error repeats the number")
    refused(b, "ssn", messages=[{"role": "user", "content": SSN_TASK}], stream=True)
    refused(b, "ssn", messages=[{"role": "user", "content": [{"type": "text", "text": SSN_TASK}]}])
    return f"predicate {e.response.headers.get('x-servanda-predicate')}"


@check("legal interpretation asked for: refused likewise")
def legal(b):
    e = refused(b, "legal", messages=[{"role": "user", "content": LEGAL_TASK}])
    refused(b, "legal", messages=[{"role": "user", "content": LEGAL_TASK}], stream=True)
    return f"predicate {e.response.headers.get('x-servanda-predicate')}"


@check("call with an unlisted host: never starts, the text before it has flowed")
def bad_call(b):
    words = "Let me look into the returns policy for you right away and see what it says about parcels. "
    text = words * (2 + 2 * b.hold_back // len(words))
    pieces = [text[i:i + 7] for i in range(0, len(text), 7)]
    go = threading.Event()
    frames = [delta(0, role="assistant", content="")] + [delta(0, content=p) for p in pieces]
    frames += [go] + call_frames("kb_search", CALL_BAD) + [delta(0, finish="tool_calls"), frame([], usage=USAGE), DONE]
    b.upstream.script("bad-call", frames)
    read, before = Read(), None
    with b.client.chat.completions.create(model="bad-call", messages=ASK, tools=TOOLS, stream=True,
                                          stream_options={"include_usage": True}) as s:
        late = threading.Timer(5.0, go.set)  # a gate that holds too much is a failure, not a hang
        late.start()
        for chunk in s:
            read.take(chunk)
            if not go.is_set() and len(read.text.get(0, "")) >= len(text) - b.hold_back:
                before = len(read.text[0])
                late.cancel()
                go.set()
    expect(before is not None, f"only {len(read.text.get(0, ''))} of {len(text)} bytes had been read, hold-back is {b.hold_back}")
    equal(read.calls, [], "tool calls that reached the client")
    expect(text.startswith(read.text[0]), "the text was changed")
    equal(read.finish, {0: "content_filter"}, "finish")
    expect(read.refusal.get(0), "no refusal text")
    expect("evil" not in read.refusal[0], "the refusal repeats the host")
    return f"{before} of {len(text)} bytes read before the call, hold-back {b.hold_back}"


@check("call with an unlisted host, plain: dropped")
def bad_call_plain(b):
    call = {"id": "call_0", "type": "function", "function": {"name": "kb_search", "arguments": CALL_BAD}}
    b.upstream.script("bad-call-plain", [completion(None, tool_calls=[call])], content_type="application/json")
    choice = b.client.chat.completions.create(model="bad-call-plain", messages=ASK, tools=TOOLS).choices[0]
    equal((choice.finish_reason, choice.message.tool_calls), ("content_filter", None), "finish and calls")
    expect(choice.message.refusal, "no refusal text")


@check("call that the pact allows: arrives whole and unchanged")
def good_call(b):
    frames = call_frames("kb_search", CALL_GOOD) + [delta(0, finish="tool_calls"), DONE]
    b.upstream.script("good-call", frames)
    got, _ = raw_stream(b.client, "good-call", tools=TOOLS)
    equal(got, b"".join(frames), "stream")
    read = stream(b.client, "good-call", tools=TOOLS)
    equal((arguments_of(read.calls), read.finish), (CALL_GOOD, {0: "tool_calls"}), "call")


@check("n=2: the second choice is guarded, the first untouched")
def two_choices(b):
    b.upstream.script("two", [completion("All is well.", CARD_TEXT)], content_type="application/json")
    got = b.client.chat.completions.create(model="two", messages=ASK, n=2)
    equal([c.message.content for c in got.choices], ["All is well.", CARD_SAFE], "plain")
    first = [delta(0, content=w) for w in ("All ", "is ", "well.")]
    second = [delta(1, content=CARD_TEXT[i:i + 5]) for i in range(0, len(CARD_TEXT), 5)]
    mixed = [f for pair in zip(first, second) for f in pair] + second[len(first):]
    b.upstream.script("two-stream", mixed + [delta(0, finish="stop"), delta(1, finish="stop"), DONE])
    read = stream(b.client, "two-stream", n=2)
    equal((read.text, read.finish), ({0: "All is well.", 1: CARD_SAFE}, {0: "stop", 1: "stop"}), "streamed")
    b.upstream.script("two-call", first + call_frames("kb_search", CALL_BAD, index=1)
                      + [delta(0, finish="stop"), delta(1, finish="tool_calls"), DONE])
    read = stream(b.client, "two-call", n=2, tools=TOOLS)
    equal((read.calls, read.text.get(0)), ([], "All is well."), "call in the second choice")


@check("a refusal and its usage pass; a card in a refusal does not")
def refusal(b):
    frames = [delta(0, role="assistant", refusal=""), delta(0, refusal="I cannot "), delta(0, refusal="do that."),
              delta(0, finish="stop"), frame([], usage=USAGE), DONE]
    b.upstream.script("refusal", frames)
    got, _ = raw_stream(b.client, "refusal")
    equal(got, b"".join(frames), "stream")
    b.upstream.script("refusal", [delta(0, refusal=CARD_TEXT[:20]), delta(0, refusal=CARD_TEXT[20:]), delta(0, finish="stop"), DONE])
    equal(stream(b.client, "refusal").refusal, {0: CARD_SAFE}, "refusal")


@check("a key twice in the request: refused before the upstream")
def duplicate_key(b):
    script = b.upstream.script("twice", [completion("never")], content_type="application/json")
    http = b.client._client
    got = http.post(f"http://127.0.0.1:{b.sidecar.port}/v1/chat/completions", headers={"content-type": "application/json"},
                    content=b'{"model":"twice","messages":[{"role":"user","content":"hi","content":"536-22-4819"}]}')
    equal((got.status_code, script.attempts), (400, 0), "status and upstream calls")


def evidence_holds(b, binary):
    """After the end: exit code 0, the log verifies offline, and holds neither the key nor what was redacted."""
    equal(b.sidecar.stop(), 0, "exit code on SIGTERM")
    done = subprocess.run([binary, "evidence", "verify", str(b.sidecar.evidence)], capture_output=True, text=True)
    equal(done.returncode, 0, f"evidence verify: {done.stdout}{done.stderr}; exit code")
    files = [p for p in b.sidecar.evidence.rglob("*") if p.is_file()]
    expect(files, "no evidence was written")
    for path in files:
        data = path.read_bytes()
        for secret in (KEY, CARD, "536-22-4819"):
            expect(secret.encode() not in data, f"{path.name} holds {secret[:6]}…")
    lines = [line for line in done.stdout.splitlines() if line.strip()]
    return lines[-1] if lines else ""


# ---- the run --------------------------------------------------------------------------------------


def hold_back_of(binary, pact):
    """The worst hold-back of a stream in bytes, as `check` prints it."""
    done = subprocess.run([binary, "check", "--json", str(pact)], capture_output=True, text=True)
    expect(done.returncode == 0, f"check: {done.stdout}{done.stderr}")
    report = json.loads(done.stdout)
    report = report[0] if isinstance(report, list) else report
    return int(report["coverage"]["hold_back_max"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.environ.get("SERVANDA_BIN", "target/release/servanda"))
    parser.add_argument("--pact", help="default: the customer-support template")
    parser.add_argument("--only", default="", help="checks whose name contains this")
    parser.add_argument("--keep", help="folder for pact, output and evidence; default: a temporary one")
    args = parser.parse_args()
    binary = str(Path(args.bin).resolve())
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(args.keep or scratch)
        folder.mkdir(parents=True, exist_ok=True)
        pact = Path(args.pact).resolve() if args.pact else folder / "support.pact.yaml"
        if not args.pact:
            subprocess.run([binary, "init", "--template", "customer-support", "-o", str(pact)], check=True, capture_output=True)
        upstream = Upstream()
        sidecar = Sidecar(binary, upstream.url, pact, folder)
        bench = Bench(upstream, sidecar, hold_back_of(binary, pact))
        passed = failed = 0
        checks = [(n, f) for n, f in CHECKS if args.only in n]
        checks.append(("the log: verified offline, free of keys and cards", lambda b: evidence_holds(b, binary)))
        print(f"openai {openai.__version__}, servanda on port {sidecar.port}, hold-back {bench.hold_back} bytes")
        try:
            for name, function in checks:
                start = time.monotonic()
                try:
                    note, ok = function(bench) or "", True
                except Exception as e:  # a check that breaks is a check that failed
                    note, ok = f"{type(e).__name__}: {e}"[:600] if not isinstance(e, Failure) else str(e)[:600], False
                passed, failed = passed + ok, failed + (not ok)
                print(f"{'ok  ' if ok else 'FAIL'} {time.monotonic() - start:6.2f} s  {name}{'  · ' + note if note else ''}", flush=True)
        finally:
            if sidecar.process.poll() is None:
                sidecar.stop()
            upstream.close()
        if failed:
            print(f"\n--- output of the sidecar (end)\n{sidecar.said()[-3000:]}")
        print(f"{passed} passed, {failed} failed")
        return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
