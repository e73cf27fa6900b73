import { OpspawnError } from '@opspawn/agentkit/schema';
import { type WatchEvent, type WatchEventName, watchEventData } from '../schema/watch-event.ts';
import { type ClientOptions, noAnswer, send } from './connection.ts';
import { readEventStream, type ServerSentEvent } from './event-stream.ts';
import type { WatchOptions } from './method.ts';
import { delay, retryDelayMs } from './retry.ts';

const defaultReconnectForMs = 300_000;
/** The server says something at least every 15 s. */
const silenceMs = 45_000;

/**
 * Every entry after `after` once and in order, and the other events between them; ends after `end`. A lost connection
 * is made again from the last entry on, with backoff, for `reconnectForMs`; then it throws `unavailable`. Throws what
 * the server refuses with, and the signal's reason when it fires.
 */
export async function* watchTask(
  client: ClientOptions,
  path: string,
  options: WatchOptions = {},
): AsyncGenerator<WatchEvent, void, undefined> {
  const signal = options.signal ?? new AbortController().signal;
  const reconnectForMs = options.reconnectForMs ?? defaultReconnectForMs;
  let lastSeq = options.after ?? 0;
  let lost: { sinceMs: number; tries: number } | undefined;
  for (;;) {
    let failure: OpspawnError;
    try {
      for await (const event of connect(client, path, lastSeq, signal)) {
        lost = undefined;
        if (event === undefined) continue;
        if (event.type === 'entry') {
          if (event.data.seq <= lastSeq) continue;
          lastSeq = event.data.seq;
        }
        yield event;
        if (event.type === 'end') return;
      }
      failure = noAnswer(path, 'the stream ended before the task did');
    } catch (thrown) {
      signal.throwIfAborted();
      failure = asLostConnection(path, thrown);
    }
    if (lost === undefined) options.onLost?.(failure);
    lost = { sinceMs: lost?.sinceMs ?? performance.now(), tries: (lost?.tries ?? 0) + 1 };
    const leftMs = lost.sinceMs + reconnectForMs - performance.now();
    if (leftMs < 0) throw failure;
    await delay(Math.min(retryDelayMs(lost.tries, failure), leftMs), signal);
  }
}

/** Errors that the server answered with and that do not pass are thrown on. */
function asLostConnection(path: string, thrown: unknown): OpspawnError {
  if (!(thrown instanceof OpspawnError)) return noAnswer(path, thrown);
  if (thrown.code !== 'unavailable' && thrown.code !== 'rate_limited') throw thrown;
  return thrown;
}

/** One connection. Gives `undefined` for a sign of life, and rejects when there was none for `silenceMs`. */
async function* connect(
  client: ClientOptions,
  path: string,
  lastSeq: number,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent | undefined, void, undefined> {
  const silence = new AbortController();
  const startTimer = () => setTimeout(() => silence.abort(), silenceMs);
  let timer = startTimer();
  try {
    const answer = await send(client, {
      method: 'GET',
      path,
      headers: { accept: 'text/event-stream', 'last-event-id': String(lastSeq) },
      signal: AbortSignal.any([signal, silence.signal]),
    });
    if (answer.body === null) return;
    for await (const event of readEventStream(answer.body)) {
      clearTimeout(timer);
      timer = startTimer();
      yield event && readEvent(event);
    }
  } finally {
    clearTimeout(timer);
  }
}

/** The server's events are true to their schemas; names that this client does not know are passed over. */
function readEvent(event: ServerSentEvent): WatchEvent | undefined {
  if (!isKnown(event.name)) return undefined;
  return { type: event.name, data: JSON.parse(event.data) } as WatchEvent;
}

const isKnown = (name: string): name is WatchEventName => Object.hasOwn(watchEventData, name);
