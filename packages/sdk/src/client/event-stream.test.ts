import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEventStream } from './event-stream.ts';

const text = [
  ': hello\n',
  'retry: 1000\r\n\r\n',
  'event: entry\rid: 1\rdata: {"a":\rdata: "ü€😀"}\r\r',
  'data\n\n',
  'data: a\r\ndata: b\r\n\r\n',
  'id: 2\n\n',
  'event:entry\nid\ndata:  x\nunknown: 1\n\n',
  'data: cut off\n',
].join('');

async function read(chunks: readonly Uint8Array[]) {
  const events = [];
  for await (const event of readEventStream(ReadableStream.from(chunks) as ReadableStream<Uint8Array>)) {
    events.push(event);
  }
  return events;
}

const expected = [
  undefined,
  { name: 'entry', data: '{"a":\n"ü€😀"}', id: '1' },
  { name: 'message', data: '', id: '1' },
  { name: 'message', data: 'a\nb', id: '1' },
  { name: 'entry', data: ' x', id: '' },
];

test('an event stream is read as the standard says, wherever its bytes are cut', async () => {
  const bytes = new TextEncoder().encode(text);
  for (let size = 1; size <= bytes.length; size++) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
      bytes.subarray(index * size, (index + 1) * size),
    );
    assert.deepEqual(await read(chunks), expected, `chunks of ${size} bytes`);
  }
});

test('a reader that stops early cancels the stream', async () => {
  let isCancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('data: x\n\n')),
    cancel: () => {
      isCancelled = true;
    },
  });
  for await (const event of readEventStream(stream)) if (event !== undefined) break;
  assert.ok(isCancelled);
});
