"""Real clients of every protocol through `servanda run`: one cell a client and outcome.

    python tests/sdk/cells.py [--bin PATH] [--only WORD] [--docs FILE]

Cells: allow, redact, block before, block plain, block mid-stream, call blocked, call allowed; each names the
typed result that the application gets. Prints a table and `N passed, N failed`; exits 0 only when nothing
failed. `--docs` writes the table. All traffic stays on loopback; keys are dummies.
"""

import argparse
import asyncio
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import anthropic
import openai
import uvicorn
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

from bench import (BAD, CELLS, GOOD, HUMAN, NOT_APPLICABLE, PACKAGES, SAFE, SAID, Attempts, cell, cut, equal, expect,
                   python, raised, skip, sse)
from run import DEADLINE_S, KEY, SSN_TASK, Failure, Sidecar
from upstream import Upstream

# Run as a script it is the module that others import, and its cells stand in the list once.
sys.modules.setdefault("cells", sys.modules[__name__])

python("anthropic", "anthropic")
python("openai responses", "openai")
python("mcp", "mcp")


# ---- Anthropic Messages ---------------------------------------------------------------------------


class Messages:
    ask = [{"role": "user", "content": "Where is my parcel?"}]

    @staticmethod
    def client(b):
        tries = Attempts(anthropic)
        return anthropic.Anthropic(api_key=KEY, base_url=f"http://127.0.0.1:{b.model.port}", http_client=tries.http), tries

    @staticmethod
    def whole(*content, reason="end_turn"):
        return json.dumps({"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": list(content),
                           "stop_reason": reason, "stop_sequence": None, "usage": {"input_tokens": 9, "output_tokens": 5}}).encode()

    @staticmethod
    def text(text):
        return {"type": "text", "text": text}

    @staticmethod
    def call(arguments):
        return {"type": "tool_use", "id": "toolu_1", "name": "kb_search", "input": arguments}

    @classmethod
    def stream(cls, *blocks, reason="end_turn"):
        start = json.loads(cls.whole(reason=None))
        out = [{"type": "message_start", "message": start}]
        for i, block in enumerate(blocks):
            if block["type"] == "text":
                begin, deltas = cls.text(""), [{"type": "text_delta", "text": p} for p in cut(block["text"])]
            else:
                begin = {**block, "input": {}}
                deltas = [{"type": "input_json_delta", "partial_json": p} for p in cut(json.dumps(block["input"]))]
            out.append({"type": "content_block_start", "index": i, "content_block": begin})
            out += [{"type": "content_block_delta", "index": i, "delta": d} for d in deltas]
            out.append({"type": "content_block_stop", "index": i})
        out.append({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": {"output_tokens": 5}})
        return sse(out + [{"type": "message_stop"}])

    @classmethod
    def plain(cls, b, name, body, **options):
        b.upstream.script(name, [body], content_type="application/json")
        client, tries = cls.client(b)
        got = client.messages.create(model=name, max_tokens=64, messages=options.pop("messages", cls.ask), **options)
        equal(tries.count, 1, "attempts")
        return got

    @classmethod
    def streamed(cls, b, name, frames):
        b.upstream.script(name, frames)
        client, tries = cls.client(b)
        with client.messages.stream(model=name, max_tokens=64, messages=cls.ask) as s:
            text = "".join(s.text_stream)
            final = s.get_final_message()
        equal(tries.count, 1, "attempts")
        return text, final


@cell("anthropic", "allow")
def anthropic_allow(b):
    M = Messages
    equal(M.plain(b, "a1", M.whole(M.text("All is well."))).content[0].text, "All is well.", "plain")
    text, final = M.streamed(b, "a2", M.stream(M.text("All is well."), M.text("Bye.")))
    equal((text, final.stop_reason, final.usage.output_tokens), ("All is well.Bye.", "end_turn", 5), "streamed")
    return "Message"


@cell("anthropic", "redact")
def anthropic_redact(b):
    M = Messages
    equal(M.plain(b, "a3", M.whole(M.text(SAID))).content[0].text, SAFE, "plain")
    text, final = M.streamed(b, "a4", M.stream(M.text(SAID), M.text(SAID)))
    equal((text, final.content[1].text), (SAFE + SAFE, SAFE), "streamed")
    return "Message, text replaced"


@cell("anthropic", "block before")
def anthropic_before(b):
    script = b.upstream.script("a5", [b"{}"], content_type="application/json")
    for options in ({}, {"stream": True}):
        client, tries = Messages.client(b)
        e = raised(anthropic.BadRequestError, lambda: client.messages.create(
            model="a5", max_tokens=9, messages=[{"role": "user", "content": SSN_TASK}], **options))
        equal((tries.count, script.attempts, e.status_code), (1, 0, 400), "attempts, upstream calls, status")
        equal((e.body["type"], e.body["error"]["type"]), ("error", "invalid_request_error"), "envelope")
        equal(e.body["error"]["details"]["error_code"], "content_filter", "code")
        expect("536" not in str(e), "the error repeats the number")
    return "BadRequestError"


@cell("anthropic", "block plain")
def anthropic_plain(b):
    got = Messages.plain(b, "a6", Messages.whole(Messages.text(HUMAN)))
    equal((got.content, got.stop_reason), ([], "refusal"), "content and reason")
    expect("rule" in got.stop_details.explanation, "no explanation")
    return "Message, stop_reason refusal"


@cell("anthropic", "block mid-stream")
def anthropic_mid(b):
    text, final = Messages.streamed(b, "a7", Messages.stream(Messages.text(HUMAN), Messages.text("more")))
    expect(HUMAN.startswith(text) and "human" not in text, f"text {text!r}")
    equal(final.stop_reason, "refusal", "reason")
    return "Message, stop_reason refusal"


@cell("anthropic", "call blocked")
def anthropic_bad_call(b):
    M = Messages
    got = M.plain(b, "a8", M.whole(M.text("Look."), M.call(BAD), reason="tool_use"))
    equal((got.content, got.stop_reason), ([], "refusal"), "plain")
    text, final = M.streamed(b, "a9", M.stream(M.text("Look."), M.call(BAD), reason="tool_use"))
    equal((text, [c.type for c in final.content], final.stop_reason), ("Look.", ["text"], "refusal"), "streamed")
    return "no tool_use, stop_reason refusal"


@cell("anthropic", "call allowed")
def anthropic_good_call(b):
    M = Messages
    got = M.plain(b, "b1", M.whole(M.call(GOOD), reason="tool_use"))
    equal((got.content[0].input, got.stop_reason), (GOOD, "tool_use"), "plain")
    _, final = M.streamed(b, "b2", M.stream(M.text("Look."), M.call(GOOD), reason="tool_use"))
    equal((final.content[1].input, final.stop_reason), (GOOD, "tool_use"), "streamed")
    return "tool_use, whole"


# ---- OpenAI Responses -----------------------------------------------------------------------------


class Responses:
    @staticmethod
    def client(b):
        tries = Attempts(openai)
        return openai.OpenAI(api_key=KEY, base_url=f"http://127.0.0.1:{b.model.port}/v1", http_client=tries.http), tries

    @staticmethod
    def message(text):
        part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
        return {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}

    @staticmethod
    def call(arguments):
        return {"id": "fc_1", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "kb_search",
                "arguments": json.dumps(arguments)}

    @staticmethod
    def response(output, status="completed"):
        return {"id": "resp_1", "object": "response", "created_at": 1790000000, "status": status, "model": "m", "output": output,
                "error": None, "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True,
                "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
                "usage": {"input_tokens": 9, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5,
                          "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 14}}

    @classmethod
    def stream(cls, *items):
        out = [{"type": "response.created", "response": cls.response([], "in_progress")}]
        for i, item in enumerate(items):
            at = {"item_id": item["id"], "output_index": i}
            if item["type"] == "message":
                part, at = item["content"][0], {**at, "content_index": 0}
                out.append({"type": "response.output_item.added", "output_index": i, "item": {**item, "status": "in_progress", "content": []}})
                out.append({"type": "response.content_part.added", **at, "part": {**part, "text": ""}})
                out += [{"type": "response.output_text.delta", **at, "delta": p, "logprobs": []} for p in cut(part["text"])]
                out.append({"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []})
                out.append({"type": "response.content_part.done", **at, "part": part})
            else:
                out.append({"type": "response.output_item.added", "output_index": i, "item": {**item, "status": "in_progress", "arguments": ""}})
                out += [{"type": "response.function_call_arguments.delta", **at, "delta": p} for p in cut(item["arguments"])]
                out.append({"type": "response.function_call_arguments.done", **at, "name": item["name"], "arguments": item["arguments"]})
            out.append({"type": "response.output_item.done", "output_index": i, "item": item})
        out.append({"type": "response.completed", "response": cls.response(list(items))})
        return sse([{**e, "sequence_number": n} for n, e in enumerate(out)])

    @classmethod
    def plain(cls, b, name, *items):
        b.upstream.script(name, [json.dumps(cls.response(list(items))).encode()], content_type="application/json")
        client, tries = cls.client(b)
        got = client.responses.create(model=name, input="Where is my parcel?")
        equal(tries.count, 1, "attempts")
        return got

    @classmethod
    def streamed(cls, b, name, *items):
        """The deltas' text, the final response of the helper, and the events of a plain stream."""
        b.upstream.script(name, cls.stream(*items))
        client, tries = cls.client(b)
        with client.responses.stream(model=name, input="x") as s:
            text = "".join(e.delta for e in s if e.type == "response.output_text.delta")
            final = s.get_final_response()
        equal(tries.count, 1, "attempts")
        b.upstream.script(name, cls.stream(*items))
        events = list(cls.client(b)[0].responses.create(model=name, input="x", stream=True))
        equal([e.sequence_number for e in events], list(range(len(events))), "sequence numbers")
        return text, final, events


@cell("openai responses", "allow")
def responses_allow(b):
    equal(Responses.plain(b, "c1", Responses.message("All is well.")).output_text, "All is well.", "plain")
    text, final, _ = Responses.streamed(b, "c2", Responses.message("All is well."))
    equal((text, final.output_text, final.usage.total_tokens), ("All is well.", "All is well.", 14), "streamed")
    return "Response"


@cell("openai responses", "redact")
def responses_redact(b):
    equal(Responses.plain(b, "c3", Responses.message(SAID)).output_text, SAFE, "plain")
    text, final, events = Responses.streamed(b, "c4", Responses.message(SAID))
    equal((text, final.output_text), (SAFE, SAFE), "streamed")
    expect("4111" not in repr(events) and "1111" not in repr(events), "a copy still has the card")
    return "Response, every copy replaced"


@cell("openai responses", "block before")
def responses_before(b):
    script = b.upstream.script("c5", [b"{}"], content_type="application/json")
    for options in ({}, {"stream": True}):
        client, tries = Responses.client(b)
        e = raised(openai.BadRequestError, lambda: client.responses.create(model="c5", input=SSN_TASK, **options))
        equal((tries.count, script.attempts, e.status_code, e.code), (1, 0, 400, "content_filter"), "error")
        expect("536" not in str(e), "the error repeats the number")
    return "BadRequestError, code content_filter"


@cell("openai responses", "block plain")
def responses_plain(b):
    got = Responses.plain(b, "c6", Responses.message(HUMAN))
    equal((got.status, got.output[0].content[0].type, got.output_text), ("completed", "refusal", ""), "answer")
    return "Response with one refusal"


@cell("openai responses", "block mid-stream")
def responses_mid(b):
    text, final, events = Responses.streamed(b, "c7", Responses.message(HUMAN), Responses.message("more"))
    expect(HUMAN.startswith(text) and "human" not in text, f"text {text!r}")
    equal((final.status, final.output_text), ("completed", text), "final")
    equal(final.output[-1].content[-1].type, "refusal", "last part")
    equal(events[-1].type, "response.completed", "last event")
    return "Response, text as sent, then a refusal"


@cell("openai responses", "call blocked")
def responses_bad_call(b):
    got = Responses.plain(b, "c8", Responses.message("Look."), Responses.call(BAD))
    equal([i.type for i in got.output], ["message"], "plain")
    text, final, events = Responses.streamed(b, "c9", Responses.message("Look."), Responses.call(BAD))
    equal((text, [i.type for i in final.output]), ("Look.", ["message", "message"]), "streamed")
    expect("function_call" not in repr([e.type for e in events]) and "evil" not in repr(events), "part of the call got through")
    return "no function_call, a refusal"


@cell("openai responses", "call allowed")
def responses_good_call(b):
    got = Responses.plain(b, "d1", Responses.call(GOOD))
    equal(json.loads(got.output[0].arguments), GOOD, "plain")
    _, final, _ = Responses.streamed(b, "d2", Responses.message("Look."), Responses.call(GOOD))
    equal(json.loads(final.output[1].arguments), GOOD, "streamed")
    return "function_call, whole"


# ---- MCP ------------------------------------------------------------------------------------------


class Tools:
    """A server of the SDK's own, on a port of its own."""

    def __init__(self):
        self.calls = []
        server = MCPServer("harbor")

        @server.tool()
        def kb_search(q: str, url: str = "") -> str:
            """Searches the help pages."""
            self.calls.append((q, url))
            return SAID if q == "card" else f"found {q}"

        @server.tool()
        async def order_read(context: Context) -> str:
            """Reads an order, step by step."""
            await context.report_progress(1, 2, "half way")
            return SAID

        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        config = uvicorn.Config(server.streamable_http_app(), log_level="critical", lifespan="on")
        self.uvicorn = uvicorn.Server(config)
        self.thread = threading.Thread(target=lambda: asyncio.run(self.uvicorn.serve(sockets=[self.sock])), daemon=True)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.sock.getsockname()[1]}"

    def close(self):
        self.uvicorn.should_exit = True
        self.thread.join(5)


def in_both_eras(b, work):
    """Runs `work` with a client of each era; what it gives must be the same."""
    async def go(mode):
        async with asyncio.timeout(DEADLINE_S):
            async with Client(f"http://127.0.0.1:{b.tools.port}/mcp", mode=mode) as client:
                return await work(client)

    got = [asyncio.run(go(mode)) for mode in ("auto", "legacy")]
    equal(got[0], got[1], "the two eras")
    return got[0]


def text_of(result):
    return result.is_error, [getattr(c, "text", "") for c in result.content], result.structured_content


@cell("mcp", "allow")
def mcp_allow(b):
    async def work(client):
        tools = await client.list_tools()
        return [t.name for t in tools.tools], text_of(await client.call_tool("kb_search", {"q": "tides"}))

    names, got = in_both_eras(b, work)
    equal((names, got), (["kb_search", "order_read"], (False, ["found tides"], {"result": "found tides"})), "list and call")
    return "CallToolResult"


@cell("mcp", "redact")
def mcp_redact(b):
    async def work(client):
        return text_of(await client.call_tool("kb_search", {"q": "card"})), text_of(await client.call_tool("order_read", {}))

    plain, progress = in_both_eras(b, work)
    wanted = (False, [SAFE], {"result": SAFE})
    equal((plain, progress), (wanted, wanted), "text and its structured copy")
    return "CallToolResult, both copies replaced"


@cell("mcp", "call blocked")
def mcp_bad_call(b):
    async def work(client):
        return text_of(await client.call_tool("kb_search", BAD))

    before = len(b.server.calls)
    error, text, _ = in_both_eras(b, lambda client: without_record(work(client)))
    expect(error and "rule" in text[0], f"got {text!r}")
    equal(len(b.server.calls), before, "calls of the server")
    return "CallToolResult, is_error, reason for the model"


async def without_record(work):
    error, text, structured = await work
    return error, [t.partition(" Record:")[0] for t in text], structured


@cell("mcp", "call allowed")
def mcp_good_call(b):
    async def work(client):
        return text_of(await client.call_tool("kb_search", GOOD))

    before = len(b.server.calls)
    equal(in_both_eras(b, work)[1], ["found returns policy"], "result")
    equal(len(b.server.calls), before + 2, "calls of the server")
    return "CallToolResult"


for outcome in ("block before", "block plain", "block mid-stream"):
    skip("mcp", outcome, "a call is the only thing that is refused, and is told as its result")


# The same server as a child of `servanda mcp`; it notes its calls in a file.
HARBOR = f"""
import sys
from mcp.server import MCPServer
server = MCPServer("harbor")

@server.tool()
def kb_search(q: str, url: str = "") -> str:
    print(q, file=open(sys.argv[1], "a"))
    return {SAID!r} if q == "card" else "found " + q

@server.tool()
def database_drop(table: str) -> str:
    print(table, file=open(sys.argv[1], "a"))
    return "gone"

server.run("stdio")
"""

python("mcp stdio", "mcp")


def over_stdio(b, name, work):
    """Runs `work` with a client of each era before a child of its own; gives what it gives and the calls of the server."""
    async def go(mode):
        folder = b.folder / f"stdio-{name}-{mode}"
        folder.mkdir()
        (folder / "harbor.py").write_text(HARBOR)
        guarded = ["mcp", "--pact", str(b.pact), "--evidence", "evidence", "--", sys.executable, "harbor.py", "calls"]
        child = StdioServerParameters(command=b.binary, args=guarded, cwd=folder, env={"NO_COLOR": "1"})
        async with asyncio.timeout(DEADLINE_S):
            async with Client(child, mode=mode) as client:
                got = await work(client)
        calls = folder / "calls"
        verified = subprocess.run([b.binary, "evidence", "verify", str(folder / "evidence")], capture_output=True)
        equal(verified.returncode, 0, f"the evidence: {verified.stdout!r}")
        return got, calls.read_text().split() if calls.exists() else []

    got = [asyncio.run(go(mode)) for mode in ("auto", "legacy")]
    equal(got[0], got[1], "the two eras")
    return got[0]


@cell("mcp stdio", "allow")
def stdio_allow(b):
    async def work(client):
        tools = await client.list_tools()
        return [t.name for t in tools.tools], text_of(await client.call_tool("kb_search", {"q": "tides"}))

    (names, got), calls = over_stdio(b, "allow", work)
    equal((names, calls), (["kb_search"], ["tides"]), "the list, without what the pact forbids")
    equal(got, (False, ["found tides"], {"result": "found tides"}), "call")
    return "CallToolResult; the list without what the pact forbids"


@cell("mcp stdio", "redact")
def stdio_redact(b):
    async def work(client):
        return text_of(await client.call_tool("kb_search", {"q": "card"}))

    equal(over_stdio(b, "redact", work)[0], (False, [SAFE], {"result": SAFE}), "text and its structured copy")
    return "CallToolResult, both copies replaced"


@cell("mcp stdio", "call blocked")
def stdio_bad_call(b):
    async def work(client):
        return [await without_record(text(client, tool, arguments)) for tool, arguments in (("kb_search", BAD), ("database_drop", {"table": "t"}))]

    async def text(client, tool, arguments):
        return text_of(await client.call_tool(tool, arguments))

    got, calls = over_stdio(b, "blocked", work)
    expect(all(error and "rule" in said[0] for error, said, _ in got), f"got {got!r}")
    equal(calls, [], "calls of the server")
    return "CallToolResult, is_error, reason for the model"


@cell("mcp stdio", "call allowed")
def stdio_good_call(b):
    async def work(client):
        return text_of(await client.call_tool("kb_search", {"q": "returns"}))

    got, calls = over_stdio(b, "allowed", work)
    equal((got[1], calls), (["found returns"], ["returns"]), "result and calls of the server")
    return "CallToolResult"


for outcome in ("block before", "block plain", "block mid-stream"):
    skip("mcp stdio", outcome, "a call is the only thing that is refused, and is told as its result")


# ---- the run --------------------------------------------------------------------------------------


class Bench:
    def __init__(self, binary, folder):
        pact = folder / "support.pact.yaml"
        subprocess.run([binary, "init", "--template", "customer-support", "-o", str(pact)], check=True, capture_output=True)
        self.upstream, self.server = Upstream(), Tools()
        self.binary, self.folder, self.pact = binary, folder, pact
        (folder / "model").mkdir()
        (folder / "tools").mkdir()
        self.model = Sidecar(binary, self.upstream.url, pact, folder / "model")
        (folder / "inbound").mkdir()
        self.tools = Sidecar(binary, self.server.url, pact, folder / "tools", lane="tools")
        self.inbound = Sidecar(binary, self.upstream.url, pact, folder / "inbound", lane="inbound")

    def close(self):
        ends = [self.model.stop(), self.tools.stop(), self.inbound.stop()]
        self.upstream.close()
        self.server.close()
        return ends


OUTCOMES = ("allow", "redact", "block before", "block plain", "block mid-stream", "call blocked", "call allowed")


def page(rows):
    """The table for people: a row a client, with the package that was run."""
    lines = ["# What clients get", "",
             "Written by `.ci/sdk` (`tests/sdk/cells.py --all --docs`) from a run of the real clients through `servanda run`. Each cell is what the",
             "application sees; one attempt each, no hang, no half call. A dash does not apply, and says why below.", "",
             "| client | " + " | ".join(OUTCOMES) + " |", "| --- |" + " --- |" * len(OUTCOMES)]
    told = {(client, outcome): note for client, outcome, note in rows}
    for client in dict.fromkeys(client for client, _, _ in rows):
        cells = [told.get((client, outcome), "—") for outcome in OUTCOMES]
        lines.append(f"| {client} ({PACKAGES[client]}) | " + " | ".join(cells) + " |")
    lines += [""] + [f"- {client}, {outcome}: {why}" for client, outcome, why in NOT_APPLICABLE]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default=os.environ.get("SERVANDA_BIN", "target/release/servanda"))
    parser.add_argument("--all", action="store_true", help="the clients of requirements-all.txt too")
    parser.add_argument("--only", default="", help="cells whose name contains this")
    parser.add_argument("--docs", help="write the table to this file")
    args = parser.parse_args()
    if args.all:
        importlib.import_module("a2a_cells")
        importlib.import_module("framework_cells")
        importlib.import_module("graph_cells")
        importlib.import_module("node_cells")
    passed, failed, rows = 0, 0, []
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(str(Path(args.bin).resolve()), Path(scratch))
        try:
            for client, outcome, function in CELLS:
                if args.only not in f"{client}: {outcome}":
                    continue
                start = time.monotonic()
                try:
                    note, ok = function(bench), True
                except Exception as e:  # a cell that breaks is a cell that failed
                    while getattr(e, "exceptions", None):
                        e = e.exceptions[0]
                    note, ok = (str(e) if isinstance(e, Failure) else f"{type(e).__name__}: {e}")[:600], False
                passed, failed = passed + ok, failed + (not ok)
                rows.append((client, outcome, note))
                print(f"{'ok  ' if ok else 'FAIL'} {time.monotonic() - start:6.2f} s  {client}: {outcome}  · {note}", flush=True)
        finally:
            ends = bench.close()
            if failed:
                print(f"\n--- output of the sidecars (end)\n{bench.model.said()[-2000:]}\n{bench.tools.said()[-2000:]}")
    if any(ends):
        print(f"FAIL the sidecars ended with {ends}")
        failed += 1
    if args.docs and not failed and not args.only:
        Path(args.docs).write_text(page(rows))
    for client, outcome, why in NOT_APPLICABLE:
        print(f"--          {client}: {outcome}  · does not apply: {why}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
