import type { OpenAICompatibleChatLanguageModel } from '@ai-sdk/openai-compatible';
import type { LanguageModelV4, LanguageModelV4CallOptions } from '@ai-sdk/provider';
import { KeptHistory } from './kept-history.ts';

type Fetch = typeof fetch;

/** Stands in a request for its messages. Nothing else in JSON reads so: in a text the quotes are escaped. */
const placeholder = /"messages":\[\{"role":"system","content":"history (\d+)"\}\]/;

/**
 * A chat model whose calls cost what is new in them (ADR 0023): a message is made JSON once as long as it lives, where the
 * package would make the whole conversation so at each step, and twice. What is sent is byte for byte what the package
 * alone would send: it converts each message for itself, and says the rest of each request.
 */
export function incrementalChat(
  open: (fetch: Fetch) => OpenAICompatibleChatLanguageModel,
  fetch: Fetch,
): LanguageModelV4 {
  const waiting = new Map<string, Uint8Array>();
  let calls = 0;

  const chat = open(async (input, init) => {
    const [before, id = '', after] = String(init?.body).split(placeholder);
    const messages = waiting.get(id);
    if (messages === undefined) throw new Error('the request has no place for its messages');
    const parts = [Buffer.from(`${before}"messages":[`), messages, Buffer.from(`]${after}`)];
    return await fetch(input, { ...init, body: Buffer.concat(parts) });
  });

  const history = new KeptHistory(async (message) => {
    const { messages } = (await chat.prepareRequest({ prompt: [message] })).body as { messages: object[] };
    return JSON.stringify(messages).slice(1, -1);
  });

  async function ask<Answer>(
    options: LanguageModelV4CallOptions,
    call: (options: LanguageModelV4CallOptions) => PromiseLike<Answer>,
  ): Promise<Answer> {
    calls += 1;
    const id = String(calls);
    waiting.set(id, await history.bytesOf(options.prompt));
    try {
      return await call({ ...options, prompt: [{ role: 'system', content: `history ${id}` }] });
    } finally {
      waiting.delete(id);
    }
  }

  return {
    specificationVersion: 'v4',
    provider: chat.provider,
    modelId: chat.modelId,
    supportedUrls: chat.supportedUrls,
    doGenerate: (options) => ask(options, (own) => chat.doGenerate(own)),
    doStream: (options) => ask(options, (own) => chat.doStream(own)),
  };
}
