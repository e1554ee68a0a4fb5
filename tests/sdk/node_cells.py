"""Cells of the JavaScript clients. Each is one call of `node/client.mjs` over a script of the upstream."""

import json
import os
import shutil
import subprocess
from pathlib import Path

from a2a_cells import Agent
from bench import BAD, GOOD, HUMAN, PACKAGES, SAFE, SAID, cell, cut, equal, expect, skip
from framework_cells import Chat
from run import DEADLINE_S, SSN_TASK

HERE = Path(__file__).parent / "node"
PINNED = json.loads((HERE / "package.json").read_text())["dependencies"]
ASK = "Where is my parcel?"


def node(client, port, name, stream, ask=ASK):
    """What the application gets. The packages stand where SERVANDA_NODE_MODULES says, or beside the script."""
    folder = Path(os.environ.get("SERVANDA_NODE_MODULES", HERE / "node_modules")).parent
    script = folder / "client.mjs"
    if script.resolve() != (HERE / "client.mjs").resolve():
        shutil.copy(HERE / "client.mjs", script)
    env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
    out = subprocess.run(["node", str(script), client, f"http://127.0.0.1:{port}", name, "stream" if stream else "whole", ask],
                         capture_output=True, text=True, timeout=4 * DEADLINE_S, env=env, cwd=folder)
    expect(out.stdout.strip(), f"no answer: {out.stderr[-400:]}")
    return json.loads(out.stdout.strip().splitlines()[-1])


class OpenAi(Chat):
    package = "openai"
    name, client, refused = "openai-node", "openai", "content_filter"
    error, shown = "BadRequestError", "ChatCompletion, finish_reason content_filter"


class VercelAi(Chat):
    package = "ai"
    name, client, refused = "vercel ai", "ai", "content-filter"
    error, shown = "AI_APICallError", "finishReason content-filter"


class Anthropic:
    package = "@anthropic-ai/sdk"
    name, client, refused = "anthropic-node", "anthropic", "refusal"
    error, shown = "BadRequestError", "Message, stop_reason refusal"

    def script(self, b, name, text=None, call=None, stream=False):
        from cells import Messages as M
        content, reason = [M.text(text)] if text else [M.call(call)], "end_turn" if text else "tool_use"
        if stream:
            return b.upstream.script(name, M.stream(*content, reason=reason))
        return b.upstream.script(name, [M.whole(*content, reason=reason)], content_type="application/json")


class AgUi:
    package = "@ag-ui/client"
    name, client, refused = "ag-ui", "ag-ui", "guardrail_blocked"
    error, shown = "Error", "RUN_ERROR, guardrail_blocked"

    def script(self, b, name, text=None, call=None, stream=False):
        run = {"threadId": name, "runId": "r"}
        events = [{"type": "RUN_STARTED", **run}]
        if text:
            events += [{"type": "TEXT_MESSAGE_START", "messageId": "m1", "role": "assistant"}]
            events += [{"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": p} for p in cut(text)]
            events += [{"type": "TEXT_MESSAGE_END", "messageId": "m1"}]
        else:
            events += [{"type": "TOOL_CALL_START", "toolCallId": "t1", "toolCallName": "kb_search"}]
            events += [{"type": "TOOL_CALL_ARGS", "toolCallId": "t1", "delta": p} for p in cut(json.dumps(call))]
            events += [{"type": "TOOL_CALL_END", "toolCallId": "t1"}]
        events += [{"type": "RUN_FINISHED", **run}]
        return b.upstream.script(name, [f"data: {json.dumps(e)}\n\n".encode() for e in events])


class A2a:
    package = "@a2a-js/sdk"
    name, client, refused = "a2a-js", "a2a", "TASK_STATE_REJECTED"
    error, shown = None, "Task, TASK_STATE_REJECTED"

    def script(self, b, name, text=None, call=None, stream=False):
        agent = Agent(name, "JSONRPC", "1.0")
        return b.upstream.script(name, (agent.stream if stream else agent.plain)(text),
                                 content_type="text/event-stream" if stream else "application/json")


# The number of the state in the protocol's own enumeration.
A2A_REJECTED = 7


def is_refused(client, got):
    return got["finish"] == client.refused or (client.client == "a2a" and got["finish"] == A2A_REJECTED)


def cells_of(client, whole=True, calls=True):
    modes = (False, True) if whole else (True,)
    PACKAGES[client.name] = f"{client.package} {PINNED[client.package]}"

    def run(b, outcome, stream, ask=ASK, **script):
        name = f"{client.client}-{outcome}-{stream}"
        upstream = client.script(b, name, stream=stream, **script)
        port = (b.inbound if client.client in ("a2a", "ag-ui") else b.model).port
        return node(client.client, port, name, stream, ask), upstream.attempts

    @cell(client.name, "allow")
    def allow(b):
        for stream in modes:
            got, attempts = run(b, "allow", stream, text="All is well.")
            equal((got.get("text"), attempts), ("All is well.", 1), f"text, attempts ({got})")
        return "the text"

    @cell(client.name, "redact")
    def redact(b):
        for stream in modes:
            got, attempts = run(b, "redact", stream, text=SAID)
            equal((got.get("text"), attempts), (SAFE, 1), f"text, attempts ({got})")
        return "the text, replaced"

    @cell(client.name, "block before")
    def before(b):
        for stream in modes:
            got, attempts = run(b, "before", stream, ask=SSN_TASK, text="unused")
            equal(attempts, 0, "upstream calls")
            expect("536" not in json.dumps(got), f"the number is repeated: {got}")
            if client.error is None:
                expect(is_refused(client, got) and "rule" in got["reason"], f"got {got}")
            else:
                expect("error" in got and "rule" in got["error"]["message"], f"got {got}")
        return client.shown if client.error is None else got["error"]["name"]

    if whole:
        @cell(client.name, "block plain")
        def plain(b):
            got, attempts = run(b, "plain", False, text=HUMAN)
            equal((got.get("calls"), attempts), ([], 1), f"calls, attempts ({got})")
            expect(is_refused(client, got) and "human" not in got["text"], f"got {got}")
            return client.shown
    else:
        skip(client.name, "block plain", "every answer is a stream")

    @cell(client.name, "block mid-stream")
    def mid(b):
        got, attempts = run(b, "mid", True, text=HUMAN)
        equal((got.get("calls"), attempts), ([], 1), f"calls, attempts ({got})")
        expect(is_refused(client, got) and "human" not in got["text"], f"got {got}")
        return client.shown

    if not calls:
        for outcome in ("call blocked", "call allowed"):
            skip(client.name, outcome, "A2A carries messages between agents, and no calls of tools")
        return

    @cell(client.name, "call blocked")
    def bad_call(b):
        for stream in modes:
            got, attempts = run(b, "bad", stream, call=BAD)
            equal((got.get("calls"), attempts), ([], 1), f"calls, attempts ({got})")
            expect(is_refused(client, got), f"got {got}")
        return "no call; " + client.shown

    @cell(client.name, "call allowed")
    def good_call(b):
        for stream in modes:
            got, attempts = run(b, "good", stream, call=GOOD)
            equal((got.get("calls"), attempts), ([GOOD], 1), f"calls, attempts ({got})")
        return "the call, whole"


cells_of(OpenAi())
cells_of(Anthropic())
cells_of(VercelAi())
cells_of(A2a(), calls=False)
cells_of(AgUi(), whole=False)


PACKAGES["mcp-ts"] = f"@modelcontextprotocol/client {PINNED['@modelcontextprotocol/client']}"


@cell("mcp-ts", "allow")
def mcp_allow(b):
    got = node("mcp", b.tools.port, "mcp", False, json.dumps({"q": "tides"}))
    equal((got.get("text"), got.get("finish")), ("found tides", "ok"), f"text and end ({got})")
    return "CallToolResult"


@cell("mcp-ts", "redact")
def mcp_redact(b):
    got = node("mcp", b.tools.port, "mcp", False, json.dumps({"q": "card"}))
    equal((got.get("text"), got.get("finish")), (SAFE, "ok"), f"text and end ({got})")
    return "CallToolResult, text replaced"


@cell("mcp-ts", "call blocked")
def mcp_bad_call(b):
    before = len(b.server.calls)
    got = node("mcp", b.tools.port, "mcp", False, json.dumps(BAD))
    expect(got.get("finish") == "error" and "rule" in got["text"], f"got {got}")
    equal(len(b.server.calls), before, "calls of the server")
    return "CallToolResult, isError, reason for the model"


@cell("mcp-ts", "call allowed")
def mcp_good_call(b):
    got = node("mcp", b.tools.port, "mcp", False, json.dumps(GOOD))
    equal((got.get("text"), got.get("finish")), ("found returns policy", "ok"), f"text and end ({got})")
    return "CallToolResult"


for outcome in ("block before", "block plain", "block mid-stream"):
    skip("mcp-ts", outcome, "a call is the only thing that is refused, and is told as its result")
