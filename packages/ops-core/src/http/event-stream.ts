import { setTimeout as sleep } from 'node:timers/promises';
import { type WatchEvent, watchEventData } from '@opspawn/sdk';

/** How long an EventSource waits before it connects again. */
const reconnectDelayMs = 1000;

/**
 * The text of an event stream. Pulled by who sends it, so that nothing is read ahead for a slow client. After
 * `heartbeatMs` without an event there is a comment. Ends with the events.
 */
export async function* writeEventStream(
  events: AsyncIterable<WatchEvent>,
  heartbeatMs: number,
): AsyncGenerator<string, void, undefined> {
  yield `retry: ${reconnectDelayMs}\n\n`;
  const source = events[Symbol.asyncIterator]();
  let next = source.next();
  try {
    for (;;) {
      const result = await orSilence(next, heartbeatMs);
      if (result === undefined) {
        yield ': alive\n\n';
        continue;
      }
      if (result.done === true) return;
      yield writeEvent(result.value);
      next = source.next();
    }
  } finally {
    // Not awaited: a source that is waiting ends when its signal fires, not before.
    next.then(() => source.return?.()).catch(() => undefined);
  }
}

async function orSilence<T>(next: Promise<T>, heartbeatMs: number): Promise<T | undefined> {
  const settled = new AbortController();
  const silence = sleep(heartbeatMs, undefined, { signal: settled.signal }).catch(() => undefined);
  try {
    return await Promise.race([next, silence]);
  } finally {
    settled.abort();
  }
}

/** Parsed, so that nothing is sent that the schemas do not know; live events are anybody's JSON. */
function writeEvent(event: WatchEvent): string {
  const data = event.type === 'live' ? event.data : watchEventData[event.type].parse(event.data);
  return `event: ${event.type}\n${writeId(event)}data: ${JSON.stringify(data)}\n\n`;
}

/** The id of `end` differs from that of the last entry: it says that the client has seen the end. */
function writeId(event: WatchEvent): string {
  if (event.type === 'entry') return `id: ${event.data.seq}\n`;
  return event.type === 'end' ? `id: ${event.data.entries}-end\n` : '';
}
