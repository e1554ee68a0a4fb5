// One call of one client: what the application gets, as JSON. The cells that say what it must be are in `node_cells.py`.
//
//   node client.mjs CLIENT URL NAME whole|stream TEXT
//
// Answers {text, calls, finish, reason} or {error: {name, status, code, message}}.
const [client, base, name, mode, ask] = process.argv.slice(2);
const stream = mode === 'stream';
const key = 'sk-harness-0000000000000000';
const tools = { name: 'kb_search', parameters: { type: 'object' } };

const clients = {
  async openai() {
    const { default: OpenAI } = await import('openai');
    const api = new OpenAI({ apiKey: key, baseURL: base + '/v1' });
    const request = { model: name, messages: [{ role: 'user', content: ask }], tools: [{ type: 'function', function: tools }] };
    if (!stream) {
      const { message, finish_reason } = (await api.chat.completions.create(request)).choices[0];
      const calls = (message.tool_calls ?? []).map((c) => JSON.parse(c.function.arguments));
      return { text: message.content ?? '', calls, finish: finish_reason, reason: message.refusal ?? '' };
    }
    const out = { text: '', calls: '', finish: null, reason: '' };
    for await (const chunk of await api.chat.completions.create({ ...request, stream: true })) {
      for (const { delta, finish_reason } of chunk.choices) {
        out.text += delta.content ?? '';
        out.reason += delta.refusal ?? '';
        out.calls += (delta.tool_calls ?? []).map((c) => c.function.arguments).join('');
        out.finish = finish_reason ?? out.finish;
      }
    }
    return { ...out, calls: out.calls ? [JSON.parse(out.calls)] : [] };
  },

  async anthropic() {
    const { default: Anthropic } = await import('@anthropic-ai/sdk');
    const api = new Anthropic({ apiKey: key, baseURL: base });
    const request = { model: name, max_tokens: 64, messages: [{ role: 'user', content: ask }] };
    const got = stream ? await api.messages.stream(request).finalMessage() : await api.messages.create(request);
    return {
      text: got.content.filter((c) => c.type === 'text').map((c) => c.text).join(''),
      calls: got.content.filter((c) => c.type === 'tool_use').map((c) => c.input),
      finish: got.stop_reason,
      reason: got.stop_details?.explanation ?? '',
    };
  },

  async ai() {
    const { generateText, streamText, jsonSchema, tool } = await import('ai');
    const { createOpenAI } = await import('@ai-sdk/openai');
    const model = createOpenAI({ apiKey: key, baseURL: base + '/v1' }).chat(name);
    const request = { model, prompt: ask, tools: { kb_search: tool({ inputSchema: jsonSchema({ type: 'object' }) }) } };
    if (!stream) {
      const got = await generateText(request);
      return { text: got.text, calls: got.toolCalls.map((c) => c.input), finish: got.finishReason, reason: '' };
    }
    let failed = null;
    const got = streamText({ ...request, onError: ({ error }) => { failed = error; } });
    let text = '';
    for await (const piece of got.textStream) text += piece;
    if (failed) throw failed;
    return { text, calls: (await got.toolCalls).map((c) => c.input), finish: await got.finishReason, reason: '' };
  },

  async a2a() {
    const { ClientFactory } = await import('@a2a-js/sdk/client');
    const card = {
      name: 'desk', description: '', version: '1', capabilities: { streaming: true, extensions: [] },
      supportedInterfaces: [{ url: base + '/a2a', protocolBinding: 'JSONRPC', protocolVersion: '1.0', tenant: '' }],
      securitySchemes: {}, securityRequirements: [], defaultInputModes: ['text/plain'], defaultOutputModes: ['text/plain'], skills: [], signatures: [],
    };
    const api = await new ClientFactory().createFromAgentCard(card);
    const part = { content: { $case: 'text', value: ask }, metadata: {}, filename: '', mediaType: '' };
    const message = { messageId: 'm', contextId: name, taskId: '', role: 1, parts: [part], metadata: {}, extensions: [], referenceTaskIds: [] };
    const request = { message, configuration: undefined, metadata: {}, tenant: '' };
    const out = { text: '', calls: [], finish: null, reason: '' };
    const words = (parts) => (parts ?? []).map((p) => p.content?.value ?? '').join('');
    const take = (kind, value) => {
      if (kind === 'artifactUpdate') out.text += words(value.artifact.parts);
      if (kind === 'task') out.text += (value.artifacts ?? []).map((a) => words(a.parts)).join('');
      if (kind === 'task' || kind === 'statusUpdate') {
        out.finish = value.status.state;
        out.reason = words(value.status.message?.parts);
      }
    };
    const of = (event) => (event.payload ? take(event.payload.$case, event.payload.value) : take(event.status ? 'task' : 'message', event));
    if (stream) {
      for await (const event of api.sendMessageStream(request)) of(event);
    } else {
      of(await api.sendMessage(request));
    }
    return out;
  },

  async mcp() {
    const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');
    const api = new Client({ name: 'harness', version: '1' });
    await api.connect(new StreamableHTTPClientTransport(new URL(base + '/mcp')));
    const got = await api.callTool({ name: 'kb_search', arguments: JSON.parse(ask) });
    await api.close();
    return { text: got.content.map((c) => c.text ?? '').join(''), calls: [], finish: got.isError ? 'error' : 'ok', reason: '' };
  },

  async 'ag-ui'() {
    const { HttpAgent } = await import('@ag-ui/client');
    const agent = new HttpAgent({ url: `${base}/agui?name=${name}`, threadId: name });
    const out = { text: '', calls: [], finish: null, reason: '' };
    agent.messages = [{ id: '1', role: 'user', content: ask }];
    await agent.runAgent({}, {
      onTextMessageContentEvent: ({ event }) => { out.text += event.delta; },
      onToolCallEndEvent: ({ toolCallArgs }) => { out.calls.push(toolCallArgs); },
      onRunErrorEvent: ({ event }) => { out.finish = event.code; out.reason = event.message; },
      onRunFinishedEvent: () => { out.finish = 'finished'; },
    });
    return out;
  },
};

try {
  console.log(JSON.stringify(await clients[client]()));
} catch (e) {
  const e2 = e.cause?.name && !e.status ? e.cause : e;
  console.log(JSON.stringify({ error: { name: e.constructor.name, status: e.status ?? e.statusCode ?? e2.status ?? null, code: e.code ?? null, message: String(e.message) } }));
}
process.exit(0);
