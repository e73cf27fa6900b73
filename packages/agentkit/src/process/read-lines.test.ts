import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { readLines } from './read-lines.ts';

/** What a stream of these chunks gives, cut lines with `…`. */
async function linesOf(chunks: readonly Buffer[], maxLineBytes: number): Promise<string[]> {
  const stream = new PassThrough();
  const lines: string[] = [];
  readLines(stream, { maxLineBytes, onLine: (line, cut) => lines.push(cut ? `${line}…` : line) });
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  await new Promise((resolve) => stream.once('end', resolve));
  return lines;
}

describe('lines of a stream', () => {
  it('come whole, however the stream is cut into chunks', async () => {
    const word = fc.constantFrom('\n', '\r\n', 'a', 'é', '😀', 'long word');
    await fc.assert(
      fc.asyncProperty(fc.array(word), fc.array(fc.nat(9)), async (words, sizes) => {
        const whole = Buffer.from(words.join(''));
        const chunks: Buffer[] = [];
        let at = 0;
        for (const size of sizes) {
          chunks.push(whole.subarray(at, at + size));
          at += size;
        }
        chunks.push(whole.subarray(at));
        const expected = whole.toString().split(/\r?\n/);
        if (expected.at(-1) === '') expected.pop();
        assert.deepEqual(await linesOf(chunks, 1_000), expected);
      }),
    );
  });

  it('are cut as soon as they are too long, and the next one is whole again', async () => {
    const chunks = ['ab', 'cd', 'ef', 'g\nabcd\n', 'abcde\nx'].map((chunk) => Buffer.from(chunk));
    assert.deepEqual(await linesOf(chunks, 4), ['abcd…', 'abcd', 'abcd…', 'x']);
    const endless = new PassThrough();
    const cut = new Promise((resolve) =>
      readLines(endless, { maxLineBytes: 4, onLine: (_, isCut) => resolve(isCut) }),
    );
    endless.write('abcde');
    assert.equal(await cut, true);
  });
});
