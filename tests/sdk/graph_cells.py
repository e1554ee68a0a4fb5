"""Cells of a client that speaks to a server of graphs."""

import json

import httpx
from langgraph_sdk import get_sync_client

from bench import HUMAN, SAFE, SAID, cell, cut, equal, expect, python, raised, skip
from run import DEADLINE_S, SSN_TASK

python("langgraph", "langgraph-sdk")


def event(name, data):
    return f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()


def streamed(text):
    """What a server says of a run: its id, the message in pieces, the end."""
    said = [event("metadata", {"run_id": "r-1", "attempt": 1})]
    for piece in cut(text):
        message = {"content": piece, "type": "AIMessageChunk", "id": "m-1", "tool_calls": [], "additional_kwargs": {}}
        said.append(event("messages", [message, {"langgraph_node": "agent"}]))
    return said + [event("end", None)]


def whole(text):
    return [json.dumps({"messages": [{"type": "human", "content": "?"}, {"type": "ai", "id": "m-1", "content": text}]}).encode()]


def ask(text):
    return {"messages": [{"role": "user", "content": text}]}


def client(b):
    return get_sync_client(url=f"http://127.0.0.1:{b.inbound.port}", api_key=None, timeout=DEADLINE_S)


def stream(b, name, answer, text="Where is my parcel?"):
    """The text that the client reads, its errors, and how often it asked."""
    script = b.upstream.script(name, streamed(answer))
    said, errors = "", []
    for part in client(b).runs.stream(name, "agent", input=ask(text), stream_mode="messages-tuple"):
        if part.event == "messages":
            said += part.data[0]["content"]
        elif part.event == "error":
            errors.append(part.data)
    return said, errors, script.attempts


def wait(b, name, answer, text="Where is my parcel?"):
    b.upstream.script(name, whole(answer), content_type="application/json")
    return client(b).runs.wait(name, "agent", input=ask(text))


def refusal(call):
    """What the client's error says; of a run that is waited for the answer stands in a note."""
    error = raised(httpx.HTTPStatusError, call)
    return " ".join([str(error), *getattr(error, "__notes__", [])])


@cell("langgraph", "allow")
def graph_allow(b):
    equal(wait(b, "g-allow-w", "All is well.")["messages"][-1]["content"], "All is well.", "plain")
    equal(stream(b, "g-allow-s", "All is well."), ("All is well.", [], 1), "streamed")
    return "the text"


@cell("langgraph", "redact")
def graph_redact(b):
    equal(wait(b, "g-redact-w", SAID)["messages"][-1]["content"], SAFE, "plain")
    equal(stream(b, "g-redact-s", SAID), (SAFE, [], 1), "streamed")
    return "the text, replaced"


@cell("langgraph", "block before")
def graph_before(b):
    for name, call in (("g-before-w", wait), ("g-before-s", stream)):
        told = refusal(lambda: call(b, name, "unused", SSN_TASK))
        expect("rule" in told and "536" not in told, f"{name}: {told}")
        equal(b.upstream.scripts[name].attempts, 0, f"{name}: attempts")
    return "HTTPStatusError with the reason (a note where the client waits)"


@cell("langgraph", "block plain")
def graph_plain(b):
    told = refusal(lambda: wait(b, "g-plain", HUMAN))
    expect("rule" in told, told)
    equal(b.upstream.scripts["g-plain"].attempts, 1, "attempts")
    return "HTTPStatusError, the reason as its note"


@cell("langgraph", "block mid-stream")
def graph_mid(b):
    text, errors, attempts = stream(b, "g-mid", HUMAN)
    expect(HUMAN.startswith(text) and "human" not in text, f"text {text!r}")
    equal((len(errors), errors[0]["error"], attempts), (1, "GuardrailBlocked", 1), "errors and attempts")
    return "text as sent, then an error event, GuardrailBlocked"


for outcome in ("call blocked", "call allowed"):
    skip("langgraph", outcome, "tools are called by the graph, where it runs")
