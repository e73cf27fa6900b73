import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { makeFolder } from './make-folder.ts';

const root = mkdtempSync(join(tmpdir(), 'opspawn-folder-'));
after(() => rmSync(root, { recursive: true }));

describe('the data folder', () => {
  it('is made with those above it, for its user alone, and taken when it is there', () => {
    const folder = join(root, 'a', 'b');
    makeFolder(folder);
    makeFolder(folder);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
  });

  it('is refused below a file', () => {
    writeFileSync(join(root, 'file'), '');
    assert.throws(() => makeFolder(join(root, 'file', 'data')), { code: 'config_invalid' });
  });

  it('is refused where the file system takes none, instead of trying for ever', {
    skip: process.platform !== 'linux' && 'needs /proc',
  }, () => {
    assert.throws(() => makeFolder('/proc/nope/data'), { code: 'config_invalid' });
  });
});
