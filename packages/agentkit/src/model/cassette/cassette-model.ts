import { appendFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { OpspawnError } from '../../errors.ts';
import type { Json } from '../../json.ts';
import type { Model, ModelReply, ModelRequest } from '../model.ts';
import {
  CassetteWriter,
  type Exchange,
  keyOf,
  parseCassette,
  type RecordedModel,
  type RecordedRequest,
} from './cassette-file.ts';
import type { CassetteOptions, Redact } from './cassette-options.ts';
import { differences } from './differences.ts';

const maxDifferences = 10;

/** See `openCassette`. */
export async function openCassetteModel(options: CassetteOptions): Promise<Model> {
  const { id, path, mode = 'auto' } = options;
  const text = mode === 'record' ? undefined : await readIfThere(path);
  if (text !== undefined) {
    const { model, exchanges } = parseCassette(text, path);
    const player = new Player(options, exchanges);
    return { ...model, id, call: (request) => player.play(request) };
  }
  if (mode === 'replay') {
    throw new OpspawnError(
      'config_invalid',
      `There is no cassette ${path}: record it first (mode "record")`,
      {
        details: { path },
      },
    );
  }
  const original = await options.original();
  const recorder = new Recorder(options, original);
  return { ...aboutModel(original), id, call: (request) => recorder.record(request) };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new OpspawnError('config_invalid', `The cassette ${path} cannot be read: ${message}`, {
      cause: thrown,
      details: { path },
    });
  }
}

/** Finds answers by what was asked, so that runs side by side and resumed ones get theirs. */
class Player {
  readonly #path: string;
  readonly #redact: Redact;
  readonly #exchanges: readonly Exchange[];
  readonly #answers = new Map<string, Exchange[]>();
  readonly #asked = new Map<string, number>();

  constructor({ path, redact = same }: CassetteOptions, exchanges: readonly Exchange[]) {
    this.#path = path;
    this.#redact = redact;
    this.#exchanges = exchanges;
    for (const exchange of exchanges) {
      const key = keyOf(exchange.request as unknown as Json);
      this.#answers.set(key, [...(this.#answers.get(key) ?? []), exchange]);
    }
  }

  async play(request: ModelRequest): Promise<ModelReply> {
    request.signal.throwIfAborted();
    const asked = recordable(request, this.#redact);
    const key = keyOf(asked as unknown as Json);
    const answers = this.#answers.get(key);
    if (answers === undefined) throw this.#notRecorded(asked);
    const count = this.#asked.get(key) ?? 0;
    this.#asked.set(key, count + 1);
    // Asked more often than recorded: a run that went on after a crash asks again for what was cut off.
    const { reply, deltas } = answers[Math.min(count, answers.length - 1)] as Exchange;
    for (const [kind, text] of deltas) request.onDelta?.({ kind, text });
    return structuredClone(reply);
  }

  #notRecorded(asked: RecordedRequest): OpspawnError {
    const found = this.#exchanges
      .map(({ request }, index) => ({
        number: index + 1,
        lines: differences(request as unknown as Json, asked as unknown as Json),
      }))
      .sort((a, b) => a.lines.length - b.lines.length)[0];
    const lines = found?.lines ?? [];
    const more = lines.length > maxDifferences ? [`and ${lines.length - maxDifferences} more`] : [];
    const list = [...lines.slice(0, maxDifferences), ...more].map((line) => `\n- ${line}`).join('');
    const nearest = found === undefined ? ': it is empty' : `. Nearest is exchange ${found.number}:${list}`;
    return new OpspawnError(
      'model_rejected',
      `${this.#path} holds no answer to this request${nearest}\nRecord it again if the change is meant (mode "record").`,
      {
        details: {
          path: this.#path,
          exchange: found?.number ?? 0,
          differences: lines.slice(0, maxDifferences),
        },
      },
    );
  }
}

/** Appends exchanges in the order in which they were asked for; calls that failed leave nothing. */
class Recorder {
  readonly #options: CassetteOptions;
  readonly #original: Model;
  readonly #writer = new CassetteWriter();
  readonly #pending: { exchange?: Exchange; isDone: boolean }[] = [];
  #written: Promise<void> | undefined;
  #size = 0;

  constructor(options: CassetteOptions, original: Model) {
    this.#options = options;
    this.#original = original;
  }

  async record(request: ModelRequest): Promise<ModelReply> {
    const slot: { exchange?: Exchange; isDone: boolean } = { isDone: false };
    this.#pending.push(slot);
    try {
      slot.exchange = await this.#ask(request);
      return structuredClone(slot.exchange.reply);
    } finally {
      slot.isDone = true;
      await this.#write();
    }
  }

  /** Always streams: the pieces are part of what is recorded. */
  async #ask(request: ModelRequest): Promise<Exchange> {
    const redact = redactorOf(request, this.#options.redact);
    const asked = recordable(request, this.#options.redact);
    const deltas: Exchange['deltas'] = [];
    const onDelta: ModelRequest['onDelta'] = (delta) => {
      deltas.push([delta.kind, delta.text]);
      request.onDelta?.(delta);
    };
    const onReset = (reason: string): void => {
      deltas.length = 0;
      request.onReset?.(reason);
    };
    // Who is shown pieces and cannot take them back must not get two answers in one.
    const canReset = request.onDelta === undefined || request.onReset !== undefined;
    const reply = await this.#original.call({ ...request, onDelta, ...(canReset && { onReset }) });
    const clean = redact(reply as unknown as Json) as unknown as ModelReply;
    return { request: asked, reply: clean, deltas: cleanDeltas(deltas, redact) };
  }

  async #write(): Promise<void> {
    const ready = this.#pending.findIndex(({ isDone }) => !isDone);
    const settled = this.#pending.splice(0, ready < 0 ? this.#pending.length : ready);
    const text = settled.map(({ exchange }) => (exchange ? this.#writer.lines(exchange) : '')).join('');
    if (text !== '') this.#written = this.#append(text, this.#written);
    await this.#written;
  }

  /** The head goes first, once there is an answer to keep: a first call that fails leaves the old file as it was. */
  async #append(text: string, before: Promise<void> | undefined): Promise<void> {
    const { path, mode } = this.#options;
    await before;
    try {
      if (before === undefined) {
        await mkdir(dirname(path), { recursive: true });
        const head = this.#writer.head(aboutModel(this.#original));
        await writeFile(path, head, { flag: mode === 'record' ? 'w' : 'wx' });
        this.#size = Buffer.byteLength(head);
      }
      // Lines of two recordings would go on from each other's exchanges.
      if ((await stat(path)).size !== this.#size) throw new Error('another recording writes it too');
      await appendFile(path, text);
      this.#size += Buffer.byteLength(text);
    } catch (thrown) {
      const { code, message, syscall } = thrown as NodeJS.ErrnoException;
      const isMade = code === 'EEXIST' && syscall === 'open';
      const why = isMade ? 'another recording made it meanwhile' : message;
      throw new OpspawnError('config_invalid', `The cassette ${path} cannot be written: ${why}`, {
        cause: thrown,
        details: { path },
      });
    }
  }
}

const same: Redact = (value) => value;

const redactorOf = ({ redact: ofRun = same }: ModelRequest, ofFile: Redact = same): Redact => {
  return (value) => ofFile(ofRun(value));
};

/** What decides about the answer, in a fixed order, without secrets, as JSON would keep it. */
function recordable(request: ModelRequest, redact: Redact | undefined): RecordedRequest {
  const { messages, tools, toolChoice, outputSchema, temperature, maxOutputTokens, reasoningEffort } =
    request;
  const asked = { messages, tools, toolChoice, outputSchema, temperature, maxOutputTokens, reasoningEffort };
  const plain = JSON.parse(JSON.stringify(asked)) as Json;
  return redactorOf(request, redact)(plain) as unknown as RecordedRequest;
}

/** A secret can be cut in two by the pieces: then what they come to is kept as one piece. */
function cleanDeltas(deltas: Exchange['deltas'], redact: Redact): Exchange['deltas'] {
  return (['reasoning', 'text'] as const).every(
    (kind) => redact(textOf(deltas, kind)) === textOf(deltas, kind),
  )
    ? deltas
    : (['reasoning', 'text'] as const)
        .map((kind): Exchange['deltas'][number] => [kind, redact(textOf(deltas, kind))])
        .filter(([, text]) => text !== '');
}

const textOf = (deltas: Exchange['deltas'], kind: 'text' | 'reasoning'): string =>
  deltas.map(([each, text]) => (each === kind ? text : '')).join('');

const aboutModel = ({ id, contextTokens, maxOutputTokens, price }: Model): RecordedModel => ({
  id,
  ...(contextTokens !== undefined && { contextTokens }),
  ...(maxOutputTokens !== undefined && { maxOutputTokens }),
  ...(price !== undefined && { price }),
});
