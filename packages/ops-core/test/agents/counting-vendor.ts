/** A model server that speaks OpenAI's chat completions, counts what reaches it, and is the judge of every limit. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';

export interface CountingVendor {
  /** For `AGENTKIT_LLM_BASE_URL`. */
  readonly url: string;
  /** Of performance.now(): when each call came. */
  readonly calls: readonly number[];
  /** What it answered with, in all. */
  readonly tokens: number;
}

interface Asked {
  readonly messages: readonly { role: string; content: unknown }[];
  readonly max_tokens?: number;
  /** As a worker asks whose run somebody watches. */
  readonly stream?: boolean;
}

/** Answers are `ok` after `delayMs`, and cost a token for four characters of the prompt and `answerTokens`, or as many as the call allows. */
export async function startCountingVendor(
  t: TestContext,
  { delayMs = 200, answerTokens = 10 } = {},
): Promise<CountingVendor> {
  const calls: number[] = [];
  let tokens = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    calls.push(performance.now());
    const text = await Array.fromAsync(request.setEncoding('utf8'));
    const { messages, max_tokens: most = answerTokens, stream = false } = JSON.parse(text.join('')) as Asked;
    const prompt = messages.reduce((sum, { content }) => sum + Math.ceil(textOf(content).length / 4), 0);
    const completion = Math.min(answerTokens, most);
    tokens += prompt + completion;
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    const message = { role: 'assistant', content: 'ok' };
    const said = {
      id: 'c',
      object: stream ? 'chat.completion.chunk' : 'chat.completion',
      created: 1,
      model: 'm',
      choices: [{ index: 0, ...(stream ? { delta: message } : { message }), finish_reason: 'stop' }],
      usage: { prompt_tokens: prompt, completion_tokens: completion, total_tokens: prompt + completion },
    };
    response.setHeader('content-type', stream ? 'text/event-stream' : 'application/json');
    response.end(stream ? `data: ${JSON.stringify(said)}\n\ndata: [DONE]\n\n` : JSON.stringify(said));
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    calls,
    get tokens() {
      return tokens;
    },
  };
}

const textOf = (content: unknown): string =>
  typeof content === 'string' ? content : (content as { text: string }[]).map(({ text }) => text).join('');
