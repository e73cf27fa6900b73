import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cappedJson, resourceOutput, toolErrorText, toolOutput } from './tool-output.ts';

const text = (value: string) => ({ type: 'text' as const, text: value });
const image = (data: string) => ({ type: 'image' as const, mimeType: 'image/png', data });

describe('what a tool gave', () => {
  it('is its structured content', () => {
    assert.deepEqual(toolOutput({ content: [text('{"a":1}')], structuredContent: { a: 1 } }, 1_000), {
      a: 1,
    });
  });

  it('is its text, joined', () => {
    assert.equal(toolOutput({ content: [text('one'), text('two')] }, 1_000), 'one\ntwo');
    assert.equal(toolOutput({ content: [] }, 1_000), '');
  });

  it('is text and file parts where it has images or binary resources', () => {
    const resource = { type: 'resource' as const, resource: { uri: 'x:/1', mimeType: 'a/b', blob: 'QQ==' } };
    assert.deepEqual(toolOutput({ content: [text('see'), image('AAAA'), resource] }, 1_000), [
      { type: 'text', text: 'see' },
      { type: 'file', mediaType: 'image/png', data: 'AAAA' },
      { type: 'file', mediaType: 'a/b', data: 'QQ==', filename: 'x:/1' },
    ]);
  });

  it('keeps files beside structured content', () => {
    assert.deepEqual(
      toolOutput({ content: [text('{"a":1}'), image('AAAA')], structuredContent: { a: 1 } }, 1_000),
      [
        { type: 'text', text: '{"a":1}' },
        { type: 'file', mediaType: 'image/png', data: 'AAAA' },
      ],
    );
  });

  it('names linked and embedded resources', () => {
    const link = { type: 'resource_link' as const, uri: 'x:/1', name: 'one', description: 'the first' };
    const embedded = { type: 'resource' as const, resource: { uri: 'x:/2', text: 'two' } };
    assert.equal(
      toolOutput({ content: [link, embedded] }, 1_000),
      'Resource x:/1 - one - the first\nResource x:/2:\ntwo',
    );
  });

  it('is cut where it is too long, and says so', () => {
    assert.equal(toolOutput({ content: [text('abcdef')] }, 3), 'abc\n[Cut here: 6 characters in all.]');
    assert.equal(toolOutput({ content: [text('ab😀')] }, 3), 'ab\n[Cut here: 4 characters in all.]');
    assert.equal(cappedJson({ a: 'bcdef' }, 5), '{"a":\n[Cut here: 13 characters in all.]');
    const tooLarge = '[A file (image/png, 8 bytes in base64) is too large to be shown.]';
    assert.deepEqual(toolOutput({ content: [image('AAAAAAAA'), image('AAAA')] }, 6), [
      { type: 'text', text: tooLarge },
      { type: 'file', mediaType: 'image/png', data: 'AAAA' },
    ]);
    assert.equal(toolErrorText({ content: [text('abcdef')] }, 3), 'abc\n[Cut here: 6 characters in all.]');
  });

  it('is the text or the bytes of a resource that was read', () => {
    assert.equal(resourceOutput({ contents: [{ uri: 'x:/1', text: 'one' }] }, 1_000), 'one');
    assert.deepEqual(resourceOutput({ contents: [{ uri: 'x:/1', blob: 'QQ==' }] }, 1_000), [
      { type: 'file', mediaType: 'application/octet-stream', data: 'QQ==', filename: 'x:/1' },
    ]);
  });

  it('always says why a tool failed', () => {
    assert.equal(toolErrorText({ content: [text('no such file')], isError: true }, 1_000), 'no such file');
    assert.equal(toolErrorText({ content: [], isError: true }, 1_000), 'failed without saying why');
  });
});
