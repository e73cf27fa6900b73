import type { OpenAICompatibleChatLanguageModel } from '@ai-sdk/openai-compatible';
import type { LanguageModelV4, LanguageModelV4CallOptions, LanguageModelV4Message } from '@ai-sdk/provider';

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
  const texts = new WeakMap<LanguageModelV4Message, string>();
  const histories = new Map<string, string>();
  let calls = 0;

  const chat = open(async (input, init) => {
    const [before, id = '', after] = String(init?.body).split(placeholder);
    const history = histories.get(id);
    if (history === undefined) throw new Error('the request has no place for its messages');
    return await fetch(input, { ...init, body: `${before}"messages":[${history}]${after}` });
  });

  async function historyOf(prompt: readonly LanguageModelV4Message[]): Promise<string> {
    let history = '';
    for (const message of prompt) {
      const text = texts.get(message) ?? (await textOf(message));
      if (text !== '') history += history === '' ? text : `,${text}`;
    }
    return history;
  }

  async function textOf(message: LanguageModelV4Message): Promise<string> {
    const { messages } = (await chat.prepareRequest({ prompt: [message] })).body as { messages: object[] };
    const text = JSON.stringify(messages).slice(1, -1);
    texts.set(message, text);
    return text;
  }

  async function ask<Answer>(
    options: LanguageModelV4CallOptions,
    call: (options: LanguageModelV4CallOptions) => PromiseLike<Answer>,
  ): Promise<Answer> {
    calls += 1;
    const id = String(calls);
    histories.set(id, await historyOf(options.prompt));
    try {
      return await call({ ...options, prompt: [{ role: 'system', content: `history ${id}` }] });
    } finally {
      histories.delete(id);
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
