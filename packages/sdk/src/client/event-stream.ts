export interface ServerSentEvent {
  name: string;
  data: string;
  /** The id of this event or of the last one before that had one. */
  id: string;
}

/**
 * The events of an event stream, as the HTML standard reads them (section 9.2.6): lines end in LF, CR or CRLF, an
 * event without data is none, and one that is cut off by the end of the stream is dropped. A comment gives `undefined`,
 * which says that the connection lives.
 */
export async function* readEventStream(
  body: ReadableStream<Uint8Array>,
): AsyncGenerator<ServerSentEvent | undefined, void, undefined> {
  let name = '';
  let data: string[] = [];
  let id = '';
  for await (const line of readLines(body)) {
    if (line === '') {
      if (data.length > 0) yield { name: name === '' ? 'message' : name, data: data.join('\n'), id };
      name = '';
      data = [];
      continue;
    }
    const colon = line.indexOf(':');
    if (colon === 0) {
      yield undefined;
      continue;
    }
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') name = value;
    else if (field === 'data') data.push(value);
    else if (field === 'id' && !value.includes('\0')) id = value;
  }
}

async function* readLines(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let unfinished: string[] = [];
  let endedInCr = false;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const decoded = decoder.decode(value, { stream: true });
      const text = endedInCr && decoded.startsWith('\n') ? decoded.slice(1) : decoded;
      if (decoded !== '') endedInCr = decoded.endsWith('\r');
      const [first = '', ...more] = text.split(/\r\n|\n|\r/);
      unfinished.push(first);
      for (const next of more) {
        yield unfinished.join('');
        unfinished = [next];
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}
