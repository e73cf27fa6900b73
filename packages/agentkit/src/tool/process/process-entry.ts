/** What runs in a process of the tiers `process` and `sandbox`: loads one module and answers calls of its default export. */
import { Socket } from 'node:net';
import { encodeJson } from '../../json.ts';
import { readLines } from '../../process/read-lines.ts';
import type { ProcessFunction } from '../tool.ts';
import { type ProcessRequest, replyDescriptor, requestDescriptor } from './process-messages.ts';
import type { ProcessFailure, ProcessReply } from './process-reply.ts';

type CallRequest = Extract<ProcessRequest, { type: 'call' }>;

const replies = new Socket({ fd: replyDescriptor, readable: false, writable: true });
const requests = new Socket({ fd: requestDescriptor, readable: true, writable: false });
const running = new Map<number, AbortController>();
const maxMessageLength = 10_000;
let execute: ProcessFunction<never> | undefined;

function reply(message: ProcessReply): void {
  replies.write(`${JSON.stringify(message)}\n`);
}

async function handle(request: ProcessRequest): Promise<void> {
  switch (request.type) {
    case 'load':
      return await load(request.module);
    case 'call':
      return await answer(request);
    case 'abort':
      running.get(request.call)?.abort(new Error(request.reason));
      return;
    default:
      request satisfies never;
  }
}

async function load(module: string): Promise<void> {
  try {
    const { default: found } = (await import(module)) as { default?: unknown };
    if (typeof found !== 'function') throw new TypeError('its default export is no function');
    execute = found as ProcessFunction<never>;
    reply({ type: 'loaded' });
  } catch (thrown) {
    reply({ type: 'failed', error: failureOf(thrown) });
  }
}

async function answer({
  call,
  input,
  callId,
  idempotencyKey,
  secrets,
  context: given,
  maxOutputBytes,
}: CallRequest): Promise<void> {
  const controller = new AbortController();
  running.set(call, controller);
  const progress = (message: string): void =>
    reply({ type: 'progress', call, message: String(message).slice(0, 1_000) });
  try {
    const { signal } = controller;
    const context = { callId, idempotencyKey, secrets, context: given, signal, progress };
    const text = encode(await execute?.(input as never, context), maxOutputBytes);
    // The text stands in the message as it is: it would cost as much again to make JSON of it twice.
    const result = text === undefined ? '' : `,"result":${text}`;
    replies.write(`{"type":"done","call":${call}${result}}\n`);
  } catch (thrown) {
    reply({ type: 'failed', call, error: failureOf(thrown) });
  } finally {
    running.delete(call);
  }
}

function encode(result: unknown, maxBytes: number): string | undefined {
  const text = encodeJson(result, 'result');
  const bytes = text === undefined ? 0 : Buffer.byteLength(text);
  if (bytes > maxBytes) throw new TooLarge(bytes, maxBytes);
  return text;
}

/** Trying again would only give the same. */
class TooLarge extends Error {
  readonly code = 'tool_failed';
  readonly retryable = false;

  constructor(bytes: number, maxBytes: number) {
    super(`its result is too large: ${bytes} bytes, at most ${maxBytes} are allowed`);
  }
}

function failureOf(thrown: unknown): ProcessFailure {
  if (!(thrown instanceof Error)) return { message: String(thrown).slice(0, maxMessageLength) };
  const { code, retryable } = thrown as Partial<ProcessFailure>;
  return {
    message: (thrown.message || thrown.name).slice(0, maxMessageLength),
    ...(typeof code === 'string' ? { code } : {}),
    ...(typeof retryable === 'boolean' ? { retryable } : {}),
  };
}

// The other end is gone, and with it whoever could use what this process does.
requests.once('close', () => process.exit());
readLines(requests, {
  maxLineBytes: Number.POSITIVE_INFINITY,
  onLine: (line) => void handle(JSON.parse(line) as ProcessRequest),
});
reply({ type: 'started' });
