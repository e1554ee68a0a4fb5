"""Cells of the frameworks over a model's protocol, and of the clients of Gemini and Bedrock.

Each client is a class with the same members; the cells are made from one list of promises.
"""

import json
import logging
import struct
import warnings
import zlib

import openai

from bench import BAD, GOOD, HUMAN, SAFE, SAID, cell, cut, equal, expect, python, raised, skip
from run import DEADLINE_S, KEY, SSN_TASK, TOOLS
from upstream import DONE, call_frames, completion, text_frames

warnings.filterwarnings("ignore")
logging.disable(logging.INFO)
ASK = "Where is my parcel?"


def url(b):
    return f"http://127.0.0.1:{b.model.port}"


class Chat:
    """The upstream's side of Chat Completions."""

    def script(self, b, name, text=None, call=None, stream=False):
        if stream:
            frames = text_frames(cut(text)) if text else call_frames("kb_search", json.dumps(call))
            frames += [] if text else [b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'
                                       b'[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}\n\n']
            return b.upstream.script(name, frames + [DONE])
        if text:
            return b.upstream.script(name, [completion(text)], content_type="application/json")
        function = {"name": "kb_search", "arguments": json.dumps(call)}
        body = json.loads(completion(None, tool_calls=[{"id": "call_0", "type": "function", "function": function}]))
        body["choices"][0]["finish_reason"] = "tool_calls"
        return b.upstream.script(name, [json.dumps(body).encode()], content_type="application/json")


class LangChain(Chat):
    name, package = "langchain", "langchain-openai"
    calls = True

    def model(self, b, name):
        from langchain_openai import ChatOpenAI
        return ChatOpenAI(model=name, base_url=url(b) + "/v1", api_key=KEY, timeout=DEADLINE_S).bind_tools(TOOLS)

    def plain(self, b, name, ask):
        got = self.model(b, name).invoke(ask)
        return got.content, got.tool_calls, got

    def streamed(self, b, name, ask):
        got = None
        for chunk in self.model(b, name).stream(ask):
            got = chunk if got is None else got + chunk
        return got.content, got.tool_calls, got

    def before(self, b, name, run):
        e = raised(openai.BadRequestError, run)
        equal((e.status_code, e.code), (400, "content_filter"), "status and code")
        return type(e).__name__

    def refused(self, got, stream):
        text, calls, message = got()
        equal((calls, message.response_metadata["finish_reason"]), ([], "content_filter"), "calls and reason")
        if not stream:
            expect("rule" in message.additional_kwargs["refusal"], "no refusal")
        return text, "AIMessage, finish_reason content_filter"

    def called(self, calls):
        equal([c["args"] for c in calls], [GOOD], "calls")
        return "AIMessage with tool_calls"


class PydanticAi(Chat):
    name, package = "pydantic-ai", "pydantic-ai-slim"
    calls = True

    def agent(self, b, name):
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider
        self.seen = []
        agent = Agent(OpenAIChatModel(name, provider=OpenAIProvider(base_url=url(b) + "/v1", api_key=KEY)))

        @agent.tool_plain
        def kb_search(q: str, url: str = "") -> str:
            self.seen.append((q, url))
            # One turn is what is asked for here.
            b.upstream.script(name, b.stream_end if b.streaming else [completion("done")],
                              content_type="text/event-stream" if b.streaming else "application/json")
            return "found"

        return agent

    def plain(self, b, name, ask):
        b.streaming = False
        got = self.agent(b, name).run_sync(ask)
        return got.output, [{"args": {"q": q}} for q, _ in self.seen], got

    def streamed(self, b, name, ask):
        import asyncio

        async def go():
            b.streaming, b.stream_end = True, text_frames(["done"]) + [DONE]
            text = []
            async with self.agent(b, name).run_stream(ask) as got:
                async for piece in got.stream_text(delta=True):
                    text.append(piece)
            return "".join(text), [{"args": {"q": q}} for q, _ in self.seen], got

        return asyncio.run(go())

    def before(self, b, name, run):
        from pydantic_ai import exceptions
        e = raised(exceptions.ModelHTTPError, run)
        equal(e.status_code, 400, "status")
        return type(e).__name__

    def refused(self, got, stream):
        from pydantic_ai import exceptions
        if stream:
            try:
                text, calls, _ = got()
                equal(calls, [], "calls")
                return text, "text up to the match"
            except exceptions.ContentFilterError as e:
                return "", type(e).__name__
        e = raised(exceptions.ContentFilterError, got)
        equal(self.seen, [], "calls that ran")
        return "", type(e).__name__

    def called(self, calls):
        equal(calls, [{"args": GOOD}], "calls that ran")
        return "the tool ran once"


class OpenAiAgents(Chat):
    name, package = "openai-agents", "openai-agents"

    def run(self, b, name, ask, stream):
        import asyncio

        from agents import Agent, OpenAIChatCompletionsModel, RunConfig, Runner, function_tool
        self.seen = []

        @function_tool
        def kb_search(q: str, url: str = "") -> str:
            """Searches."""
            self.seen.append({"args": {"q": q}})
            b.upstream.script(name, text_frames(["done"]) + [DONE] if stream else [completion("done")],
                              content_type="text/event-stream" if stream else "application/json")
            return "found"

        async def go():
            client = openai.AsyncOpenAI(base_url=url(b) + "/v1", api_key=KEY, timeout=DEADLINE_S)
            agent = Agent(name="desk", model=OpenAIChatCompletionsModel(name, client), tools=[kb_search])
            config = RunConfig(tracing_disabled=True)
            if not stream:
                return (await Runner.run(agent, ask, run_config=config)).final_output
            got, text = Runner.run_streamed(agent, ask, run_config=config), ""
            async for event in got.stream_events():
                if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                    text += event.data.delta
            return text

        return asyncio.run(go()), self.seen, None

    def plain(self, b, name, ask):
        return self.run(b, name, ask, False)

    def streamed(self, b, name, ask):
        return self.run(b, name, ask, True)

    def before(self, b, name, run):
        e = raised(openai.BadRequestError, run)
        equal((e.status_code, e.code), (400, "content_filter"), "status and code")
        return type(e).__name__

    def refused(self, got, stream):
        from agents.exceptions import ModelRefusalError
        e = raised(ModelRefusalError, got)
        equal(self.seen, [], "calls that ran")
        return "", type(e).__name__

    def called(self, calls):
        equal(calls, [{"args": GOOD}], "calls that ran")
        return "the tool ran once"


class Gemini:
    name, package = "google-genai", "google-genai"
    calls = True

    def script(self, b, name, text=None, call=None, stream=False):
        def answer(parts, **more):
            return {"candidates": [{"content": {"role": "model", "parts": parts}, "index": 0, **more}], "modelVersion": "m"}

        parts = [{"text": text}] if text else [{"functionCall": {"name": "kb_search", "args": call}}]
        if not stream:
            body = answer(parts, finishReason="STOP")
            return b.upstream.script(name, [json.dumps(body).encode()], content_type="application/json")
        pieces = [[{"text": p}] for p in cut(text)] if text else [parts]
        frames = [answer(p) for p in pieces[:-1]] + [answer(pieces[-1], finishReason="STOP")]
        return b.upstream.script(name, [b"data: " + json.dumps(f).encode() + b"\r\n\r\n" for f in frames])

    def models(self, b):
        from google import genai
        self.client = genai.Client(api_key=KEY, http_options={"base_url": url(b), "timeout": int(DEADLINE_S * 1000)})
        return self.client.models

    def gathered(self, answers):
        text, calls, last = "", [], None
        for got in answers:
            for candidate in got.candidates or []:
                for part in (candidate.content.parts if candidate.content else None) or []:
                    text += part.text or ""
                    calls += [{"args": part.function_call.args}] if part.function_call else []
            last = got
        return text, calls, last

    def plain(self, b, name, ask):
        return self.gathered([self.models(b).generate_content(model=name, contents=ask)])

    def streamed(self, b, name, ask):
        return self.gathered(self.models(b).generate_content_stream(model=name, contents=ask))

    def before(self, b, name, run):
        from google.genai import errors
        e = raised(errors.ClientError, run)
        equal((e.code, e.status), (400, "INVALID_ARGUMENT"), "code and status")
        return type(e).__name__

    def refused(self, got, stream):
        text, calls, last = got()
        equal(calls, [], "calls")
        candidate = (last.candidates or [None])[0]
        reason = candidate.finish_reason.name if candidate else last.prompt_feedback.block_reason.name
        expect(reason in ("SAFETY", "PROHIBITED_CONTENT"), f"reason {reason}")
        return text, f"GenerateContentResponse, {reason}"

    def called(self, calls):
        equal([c["args"] for c in calls], [GOOD], "calls")
        return "function_call, whole"


class Bedrock:
    name, package = "boto3 bedrock", "boto3"
    calls = True

    @staticmethod
    def frame(kind, payload):
        headers = b""
        for k, v in ((":event-type", kind), (":content-type", "application/json"), (":message-type", "event")):
            headers += bytes([len(k)]) + k.encode() + b"\x07" + struct.pack(">H", len(v)) + v.encode()
        payload = json.dumps(payload).encode()
        prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
        whole = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
        return whole + struct.pack(">I", zlib.crc32(whole))

    def script(self, b, name, text=None, call=None, stream=False):
        use = {"toolUseId": "t1", "name": "kb_search"}
        usage, reason = {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}, "end_turn" if text else "tool_use"
        if not stream:
            content = [{"text": text}] if text else [{"toolUse": {**use, "input": call}}]
            body = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": reason, "usage": usage,
                    "metrics": {"latencyMs": 1}}
            return b.upstream.script(name, [json.dumps(body).encode()], content_type="application/json")
        frames = [("messageStart", {"role": "assistant"})]
        if text:
            frames += [("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": p}}) for p in cut(text)]
        else:
            frames += [("contentBlockStart", {"contentBlockIndex": 0, "start": {"toolUse": use}})]
            frames += [("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": p}}})
                       for p in cut(json.dumps(call))]
        frames += [("contentBlockStop", {"contentBlockIndex": 0}), ("messageStop", {"stopReason": reason}),
                   ("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})]
        return b.upstream.script(name, [self.frame(*f) for f in frames], content_type="application/vnd.amazon.eventstream")

    def client(self, b):
        import boto3
        from botocore.config import Config
        return boto3.client("bedrock-runtime", endpoint_url=url(b), region_name="us-east-1", aws_access_key_id="AKIDEXAMPLE",
                            aws_secret_access_key="example", config=Config(read_timeout=DEADLINE_S, proxies={}))

    def plain(self, b, name, ask):
        got = self.client(b).converse(modelId=name, messages=[{"role": "user", "content": [{"text": ask}]}])
        content = got["output"]["message"]["content"]
        calls = [{"args": c["toolUse"]["input"]} for c in content if "toolUse" in c]
        return "".join(c.get("text", "") for c in content), calls, got["stopReason"]

    def streamed(self, b, name, ask):
        got = self.client(b).converse_stream(modelId=name, messages=[{"role": "user", "content": [{"text": ask}]}])
        text, call, reason = {}, "", None
        for event in got["stream"]:
            delta = event.get("contentBlockDelta", {"delta": {}, "contentBlockIndex": 0})
            at = delta["contentBlockIndex"]
            text[at] = text.get(at, "") + delta["delta"].get("text", "")
            call += delta["delta"].get("toolUse", {}).get("input", "")
            reason = event.get("messageStop", {}).get("stopReason", reason)
        return "".join(text.values()), [{"args": json.loads(call)}] if call else [], reason

    def before(self, b, name, run):
        from botocore.exceptions import ClientError
        e = raised(ClientError, run)
        expect("rule" in e.response["Error"]["Message"], f"message {e.response['Error']}")
        equal(e.response["Error"]["Code"], "ValidationException", "code")
        return type(e).__name__

    def refused(self, got, stream):
        text, calls, reason = got()
        equal((calls, reason), ([], "guardrail_intervened"), "calls and reason")
        at = text.find("Blocked")
        expect("rule" in text[at:], f"text {text!r}")
        return text[:at], "stopReason guardrail_intervened, the reason as text"

    def called(self, calls):
        equal([c["args"] for c in calls], [GOOD], "calls")
        return "toolUse, whole"


def cells_of(client):
    tag = client.package
    python(client.name, client.package)

    @cell(client.name, "allow")
    def allow(b):
        for stream in (False, True):
            name = f"{tag}-allow-{stream}"
            script = client.script(b, name, text="All is well.", stream=stream)
            text, calls, _ = (client.streamed if stream else client.plain)(b, name, ASK)
            equal((text, calls, script.attempts), ("All is well.", [], 1), "text, calls, attempts")
        return "the text"

    if isinstance(client, Bedrock):
        skip(client.name, "redact", "signed bodies and frames with sums are never edited: what would be redacted is refused")
    else:
        @cell(client.name, "redact")
        def redact(b):
            for stream in (False, True):
                name = f"{tag}-redact-{stream}"
                script = client.script(b, name, text=SAID, stream=stream)
                text, _, _ = (client.streamed if stream else client.plain)(b, name, ASK)
                equal((text, script.attempts), (SAFE, 1), "text, attempts")
            return "the text, replaced"

    @cell(client.name, "block before")
    def before(b):
        for stream in (False, True):
            name = f"{tag}-before-{stream}"
            script = client.script(b, name, text="unused", stream=stream)
            note = client.before(b, name, lambda: (client.streamed if stream else client.plain)(b, name, SSN_TASK))
            equal(script.attempts, 0, "upstream calls")
        return note

    @cell(client.name, "block plain")
    def plain(b):
        script = client.script(b, f"{tag}-plain", text=HUMAN)
        text, note = client.refused(lambda: client.plain(b, f"{tag}-plain", ASK), False)
        equal((text or "", script.attempts), ("", 1), "text, attempts")
        return note

    @cell(client.name, "block mid-stream")
    def mid(b):
        script = client.script(b, f"{tag}-mid", text=HUMAN, stream=True)
        text, note = client.refused(lambda: client.streamed(b, f"{tag}-mid", ASK), True)
        expect(HUMAN.startswith(text) and "human" not in text, f"text {text!r}")
        equal(script.attempts, 1, "attempts")
        return note

    @cell(client.name, "call blocked")
    def bad_call(b):
        for stream in (False, True):
            name = f"{tag}-bad-{stream}"
            script = client.script(b, name, call=BAD, stream=stream)
            _, note = client.refused(lambda: (client.streamed if stream else client.plain)(b, name, ASK), stream)
            equal(script.attempts, 1, "attempts")
        return "no call; " + note

    @cell(client.name, "call allowed")
    def good_call(b):
        for stream in (False, True):
            name = f"{tag}-good-{stream}"
            client.script(b, name, call=GOOD, stream=stream)
            note = client.called((client.streamed if stream else client.plain)(b, name, ASK)[1])
        return note


for one in (LangChain(), PydanticAi(), OpenAiAgents(), Gemini(), Bedrock()):
    cells_of(one)
