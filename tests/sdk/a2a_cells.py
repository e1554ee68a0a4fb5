"""Cells of clients that speak to agents: A2A in both versions and both bindings."""

import asyncio
import json

from a2a.client.client import ClientConfig
from a2a.client.client_factory import ClientFactory
from a2a.types.a2a_pb2 import AgentCapabilities, AgentCard, AgentInterface, Message, Part, Role, SendMessageRequest, TaskState

from bench import HUMAN, SAFE, SAID, cell, cut, equal, expect, python, skip
from run import DEADLINE_S, SSN_TASK

python("a2a-sdk", "a2a-sdk")
VARIANTS = [(binding, version) for binding in ("JSONRPC", "HTTP+JSON") for version in ("1.0", "0.3")]


class Agent:
    """What an agent answers, in the words of a version and the envelope of a binding."""

    def __init__(self, name, binding, version):
        self.name, self.rpc, self.old = name, binding == "JSONRPC", version == "0.3"
        self.kinds = self.old and self.rpc

    def kind(self, kind, **members):
        return {**({"kind": kind} if self.kinds else {}), **members}

    def state(self, state):
        return state if self.kinds else "TASK_STATE_" + state.upper()

    def named(self, name, value):
        return value if self.kinds else {name: value}

    def artifact(self, text):
        return {"artifactId": "a", "parts": [self.kind("text", text=text)]}

    def task(self, state, **more):
        return self.named("task", self.kind("task", id="t-1", contextId=self.name, status={"state": self.state(state)}, **more))

    def wrapped(self, result):
        def step(body):
            answer = {"jsonrpc": "2.0", "id": body["id"], "result": result} if self.rpc else result
            return json.dumps(answer).encode()

        return step

    def plain(self, text):
        return [self.wrapped(self.task("completed", artifacts=[self.artifact(text)]))]

    def stream(self, text):
        at = {"taskId": "t-1", "contextId": self.name}
        out = [self.task("working")]
        for i, piece in enumerate(cut(text)):
            update = self.kind("artifact-update", **at, artifact=self.artifact(piece), append=i > 0)
            out.append(self.named("artifactUpdate", update))
        last = {"final": True} if self.old else {}
        out.append(self.named("statusUpdate", self.kind("status-update", **at, status={"state": self.state("completed")}, **last)))

        def framed(step):
            return lambda body: b"data: " + step(body) + b"\n\n"

        return [framed(self.wrapped(result)) for result in out]


async def said(port, name, binding, version, streaming, text):
    """The text that the client reads, and the last state of the task."""
    url = f"http://127.0.0.1:{port}" + ("/a2a" if binding == "JSONRPC" else "")
    face = AgentInterface(url=url, protocol_binding=binding, protocol_version=version)
    card = AgentCard(name="desk", version="1", capabilities=AgentCapabilities(streaming=True), supported_interfaces=[face])
    client = ClientFactory(ClientConfig(streaming=streaming, supported_protocol_bindings=[binding])).create(card)
    message = Message(message_id="m", context_id=name, role=Role.ROLE_USER, parts=[Part(text=text)])
    parts, state, reason = [], None, ""
    async with asyncio.timeout(DEADLINE_S):
        async for event in client.send_message(SendMessageRequest(message=message)):
            kind = event.WhichOneof("payload")
            if kind == "task":
                parts += [p.text for a in event.task.artifacts for p in a.parts]
            if kind == "artifact_update":
                parts += [p.text for p in event.artifact_update.artifact.parts]
            if kind in ("task", "status_update"):
                status = getattr(event, kind).status
                state, reason = TaskState.Name(status.state), "".join(p.text for p in status.message.parts)
    await client.close()
    return "".join(parts), state, reason


def each(b, tag, answer, wanted, text="Where is my parcel?", attempts=1):
    """Runs every variant, plain and streamed; gives what `wanted` is handed of each."""
    for binding, version in VARIANTS:
        for streaming in (False, True):
            name = f"{tag}-{binding}-{version}-{streaming}"
            agent = Agent(name, binding, version)
            script = b.upstream.script(name, (agent.stream if streaming else agent.plain)(answer),
                                       content_type="text/event-stream" if streaming else "application/json")
            got = asyncio.run(said(b.inbound.port, name, binding, version, streaming, text))
            equal(script.attempts, attempts, f"{name}: attempts")
            wanted(name, streaming, *got)


@cell("a2a-sdk", "allow")
def a2a_allow(b):
    def wanted(name, _, text, state, reason):
        equal((text, state), ("All is well.", "TASK_STATE_COMPLETED"), name)

    each(b, "a2a-allow", "All is well.", wanted)
    return "Task, TASK_STATE_COMPLETED"


@cell("a2a-sdk", "redact")
def a2a_redact(b):
    def wanted(name, _, text, state, reason):
        equal((text, state), (SAFE, "TASK_STATE_COMPLETED"), name)

    each(b, "a2a-redact", SAID, wanted)
    return "Task, text of the artifact replaced"


@cell("a2a-sdk", "block before")
def a2a_before(b):
    def wanted(name, _, text, state, reason):
        equal((text, state), ("", "TASK_STATE_REJECTED"), name)
        expect("rule" in reason and "536" not in reason, f"{name}: reason {reason!r}")

    each(b, "a2a-before", "unused", wanted, text=SSN_TASK, attempts=0)
    return "Task, TASK_STATE_REJECTED with the reason as its message"


@cell("a2a-sdk", "block plain")
def a2a_plain(b):
    def wanted(name, streaming, text, state, reason):
        if not streaming:
            equal((text, state), ("", "TASK_STATE_REJECTED"), name)
            expect("rule" in reason, f"{name}: reason {reason!r}")

    each(b, "a2a-plain", HUMAN, wanted)
    return "Task, TASK_STATE_REJECTED with the reason as its message"


@cell("a2a-sdk", "block mid-stream")
def a2a_mid(b):
    def wanted(name, streaming, text, state, reason):
        if streaming:
            expect(HUMAN.startswith(text) and "human" not in text, f"{name}: text {text!r}")
            expect(state == "TASK_STATE_REJECTED" and "rule" in reason, f"{name}: {state} {reason!r}")

    each(b, "a2a-mid", HUMAN, wanted)
    return "last status TASK_STATE_REJECTED with the reason as its message"


skip("a2a-sdk", "call blocked", "A2A carries messages between agents, and no calls of tools")
skip("a2a-sdk", "call allowed", "A2A carries messages between agents, and no calls of tools")
