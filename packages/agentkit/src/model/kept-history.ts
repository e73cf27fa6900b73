import type { LanguageModelV4Message } from '@ai-sdk/provider';

/** A conversation as far as it was sent. */
interface Written {
  readonly messages: LanguageModelV4Message[];
  /** The messages' JSON with commas between, and room for more. Only what lies behind `length` is ever written. */
  bytes: Buffer;
  length: number;
}

/**
 * Conversations as JSON to send: one that comes again with more messages is what was sent, and these behind it. A message
 * is made JSON once as long as it lives.
 */
export class KeptHistory {
  readonly #textOf: (message: LanguageModelV4Message) => Promise<string>;
  readonly #texts = new WeakMap<LanguageModelV4Message, string>();
  readonly #byLastMessage = new WeakMap<LanguageModelV4Message, Written>();

  /** `textOf`: a message's JSON, '' for one that is not sent, several with commas between. */
  constructor(textOf: (message: LanguageModelV4Message) => Promise<string>) {
    this.#textOf = textOf;
  }

  /** What stands between the brackets. */
  async bytesOf(prompt: readonly LanguageModelV4Message[]): Promise<Uint8Array> {
    for (const message of prompt.slice(this.#find(prompt)?.messages.length))
      if (!this.#texts.has(message)) this.#texts.set(message, await this.#textOf(message));
    const written = this.#find(prompt) ?? { messages: [], bytes: Buffer.alloc(0), length: 0 };
    this.#extend(written, prompt.slice(written.messages.length));
    return written.bytes.subarray(0, written.length);
  }

  #find(prompt: readonly LanguageModelV4Message[]): Written | undefined {
    for (let length = prompt.length; length > 0; length -= 1) {
      const written = this.#byLastMessage.get(prompt[length - 1] as LanguageModelV4Message);
      if (written?.messages.length !== length) continue;
      if (written.messages.every((message, index) => message === prompt[index])) return written;
    }
    return undefined;
  }

  #extend(written: Written, added: readonly LanguageModelV4Message[]): void {
    const last = added.at(-1);
    if (last === undefined) return;
    const texts = added.map((message) => this.#texts.get(message) ?? '').filter((text) => text !== '');
    const text = (written.length > 0 ? ['', ...texts] : texts).join(',');
    const length = written.length + Buffer.byteLength(text);
    if (length > written.bytes.length) {
      const bytes = Buffer.allocUnsafeSlow(written.length > 0 ? 2 * length : length);
      written.bytes.copy(bytes, 0, 0, written.length);
      written.bytes = bytes;
    }
    written.bytes.write(text, written.length);
    written.length = length;
    const lastBefore = written.messages.at(-1);
    if (lastBefore !== undefined) this.#byLastMessage.delete(lastBefore);
    written.messages.push(...added);
    this.#byLastMessage.set(last, written);
  }
}
