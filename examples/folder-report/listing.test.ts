import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatSize, parseListing, parseSize } from './listing.ts';

const row = (kind: string, name: string, size = ''): string =>
  `[${kind}] ${name.padEnd(30)} ${size === '' ? '' : size.padStart(10)}`;
const summary = '\n\nTotal: 2 files, 1 directories\nCombined size: 1.25 KB';

describe('a listing of the filesystem server', () => {
  it('gives folders and files with their sizes', () => {
    const text = [row('DIR', 'src'), row('FILE', 'a.ts', '12 B'), row('FILE', 'b', '1.25 KB')].join('\n');
    assert.deepEqual(parseListing(text + summary), [
      { kind: 'folder', name: 'src' },
      { kind: 'file', name: 'a.ts', size: '12 B' },
      { kind: 'file', name: 'b', size: '1.25 KB' },
    ]);
  });

  it('of an empty folder gives nothing', () => {
    assert.deepEqual(parseListing('\nTotal: 0 files, 0 directories\nCombined size: 0 B'), []);
  });

  it('keeps spaces, line breaks, brackets and long names', () => {
    const names = ['two words.md', 'line\nbreak.txt', '[FILE] x', `${'long '.repeat(8)}end.txt`, '7 B'];
    const text = names.map((name) => row('FILE', name, '3 B')).join('\n');
    assert.deepEqual(
      parseListing(text + summary).map(({ name }) => name),
      names,
    );
  });
});

describe('sizes', () => {
  it('are read as the server writes them', () => {
    assert.equal(parseSize('0 B'), 0);
    assert.equal(parseSize('1.25 KB'), 1280);
    assert.equal(parseSize('2 GB'), 2 * 1024 ** 3);
    assert.equal(parseSize('large'), 0);
  });

  it('are written for people', () => {
    assert.deepEqual([0, 1023, 1024, 1.5 * 1024 ** 3].map(formatSize), ['0 B', '1023 B', '1.0 KB', '1.5 GB']);
  });
});
