import { z } from 'zod';
import { type BusMessage, busMessageSchema } from '../message.ts';

/** PostgreSQL takes payloads below 8,000 bytes (its manual, NOTIFY). */
const maxPayloadBytes = 7_900;

const noticeSchema = z.object({
  /** Of the sending process. */
  from: z.string(),
  /** Counts up: of two equal payloads in one transaction, PostgreSQL would drop one. */
  no: z.int(),
  messages: z.array(
    z.discriminatedUnion('kind', [...busMessageSchema.options, z.object({ kind: z.literal('hello') })]),
  ),
});

/** The payload of one NOTIFY. A `hello` asks the others to say again what they watch. */
export type Notice = z.infer<typeof noticeSchema>;
export type NoticeMessage = BusMessage | { kind: 'hello' };

/** undefined for what is none: whoever may connect to the database may send here. */
export function readNotice(payload: string): Notice | undefined {
  try {
    return noticeSchema.safeParse(JSON.parse(payload)).data;
  } catch {
    return undefined;
  }
}

/** Writes payloads. */
export class NoticeWriter {
  readonly #from: string;
  #no = 0;

  constructor(from: string) {
    this.#from = from;
  }

  /** As few payloads as hold the messages, in their order. A message that is too long for one is left out. */
  write(messages: readonly NoticeMessage[]): string[] {
    const payloads: string[] = [];
    let texts: string[] = [];
    let bytes = 0;
    const end = () => {
      if (texts.length > 0) payloads.push(this.#payload(texts));
      texts = [];
      bytes = 0;
    };
    for (const message of messages) {
      const text = JSON.stringify(message);
      const textBytes = Buffer.byteLength(text) + 1;
      if (textBytes > maxPayloadBytes - headBytes) continue;
      if (bytes + textBytes > maxPayloadBytes - headBytes) end();
      texts.push(text);
      bytes += textBytes;
    }
    end();
    return payloads;
  }

  #payload(texts: readonly string[]): string {
    this.#no += 1;
    return `{"from":"${this.#from}","no":${this.#no},"messages":[${texts.join(',')}]}`;
  }
}

/** Room for what stands around the messages. */
const headBytes = 120;
