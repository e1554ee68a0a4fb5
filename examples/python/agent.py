"""A small agent over the `openai` SDK. Where it talks to is decided by OPENAI_BASE_URL alone.

    OPENAI_BASE_URL=http://127.0.0.1:8081/v1 OPENAI_API_KEY=… python agent.py "Where is my parcel?"
"""

import os
import sys

import openai

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "kb_search",
            "description": "Search the knowledge base.",
            "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]},
        },
    }
]


def ask(client, question):
    """Streams one answer; returns the exit code of the program."""
    messages = [{"role": "system", "content": "You are the support agent of a parcel shop."}, {"role": "user", "content": question}]
    try:
        stream = client.chat.completions.create(
            model=os.environ.get("AGENT_MODEL", "gpt-5-mini"), messages=messages, tools=TOOLS, stream=True
        )
    except openai.BadRequestError as refused:
        # The guard refused the question: typed, not retried, and with a receipt.
        headers = refused.response.headers
        print(f"refused ({refused.code}) by {headers.get('x-servanda-predicate')}, record {headers.get('x-servanda-record')}")
        return 1
    calls, finish = {}, None
    with stream:
        for chunk in stream:
            for choice in chunk.choices:
                delta = choice.delta
                print(delta.content or delta.refusal or "", end="", flush=True)
                for piece in delta.tool_calls or ():
                    call = calls.setdefault(piece.index, {"name": "", "arguments": ""})
                    call["name"] += piece.function.name or ""
                    call["arguments"] += piece.function.arguments or ""
                finish = choice.finish_reason or finish
    print()
    for call in calls.values():
        # Only calls that the guard has judged as a whole arrive here at all.
        print(f"call {call['name']}({call['arguments']})")
    if finish == "content_filter":
        print(f"cut off by the guard, record {stream.response.headers.get('x-servanda-record')}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(ask(openai.OpenAI(), " ".join(sys.argv[1:]) or "Where is my parcel?"))
