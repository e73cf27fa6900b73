import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { withCode } from '../../../test/tester.ts';
import type { Json } from '../../json.ts';
import { createToolManager } from '../tool-manager.ts';
import { listDirTool, readFileTool, writeFileTool } from './file-tools.ts';

let outside: string;
let root: string;

beforeEach(() => {
  outside = mkdtempSync(join(tmpdir(), 'rooted-'));
  root = join(outside, 'root');
  mkdirSync(join(root, 'notes'), { recursive: true });
  writeFileSync(join(outside, 'secret.txt'), 'secret');
  writeFileSync(join(root, 'notes', 'a.txt'), 'Grüße');
});
afterEach(() => rmSync(outside, { recursive: true, force: true }));

async function call(tool: string, input: Json, maxBytes?: number): Promise<Json | undefined> {
  const options = { root, ...(maxBytes !== undefined && { maxBytes }) };
  const tools = {
    read_file: readFileTool(options),
    write_file: writeFileTool(options),
    list_dir: listDirTool(options),
  };
  const prepared = await createToolManager({ tools }).prepare({ callId: 'c', tool, input });
  assert.ok('execute' in prepared, JSON.stringify(prepared));
  const signal = new AbortController().signal;
  return (await prepared.execute({
    callId: 'c',
    tool,
    input,
    idempotencyKey: 'k',
    signal,
    progress: () => {},
  })) as Json;
}

const read = (path: string) => call('read_file', { path });
const write = (path: string, text = 'new') => call('write_file', { path, text });

describe('the file tools', () => {
  it('read, write and list what is in their folder', async () => {
    assert.deepEqual(await write('notes/deep/b.txt', 'B'), { sizeBytes: 1 });
    assert.deepEqual(await read('notes/deep/b.txt'), { text: 'B' });
    assert.deepEqual(await read('./notes/../notes/a.txt'), { text: 'Grüße' });
    symlinkSync('a.txt', join(root, 'notes', 'link'));
    assert.deepEqual(await read('notes/link'), { text: 'Grüße' });
    assert.deepEqual(await call('list_dir', { path: 'notes' }), {
      entries: [
        { name: 'a.txt', kind: 'file', sizeBytes: 7 },
        { name: 'deep', kind: 'folder' },
        { name: 'link', kind: 'symlink' },
      ],
    });
    assert.deepEqual(await call('list_dir', {}), { entries: [{ name: 'notes', kind: 'folder' }] });
  });

  it('read long files in pieces that cut no character', async () => {
    let text = '';
    let offsetBytes = 0;
    for (;;) {
      const piece = (await call('read_file', { path: 'notes/a.txt', offsetBytes }, 4)) as {
        text: string;
        nextOffsetBytes?: number;
      };
      text += piece.text;
      if (piece.nextOffsetBytes === undefined) break;
      offsetBytes = piece.nextOffsetBytes;
    }
    assert.equal(text, 'Grüße');
  });

  it('replace a file at once, keep its mode and leave nothing behind', async () => {
    writeFileSync(join(root, 'run.sh'), 'old', { mode: 0o750 });
    await write('run.sh');
    assert.equal(readFileSync(join(root, 'run.sh'), 'utf8'), 'new');
    assert.equal(statSync(join(root, 'run.sh')).mode & 0o777, 0o750);
    assert.deepEqual(readdirSync(root), ['notes', 'run.sh']);
  });

  it('reach nothing outside, by no path and no symlink', async () => {
    symlinkSync(outside, join(root, 'out'));
    symlinkSync(join(outside, 'secret.txt'), join(root, 'file'));
    symlinkSync('../..', join(root, 'notes', 'up'));
    const paths = [
      '../secret.txt',
      join(outside, 'secret.txt'),
      'notes/../../secret.txt',
      'out/secret.txt',
      'file',
    ];
    for (const path of [...paths, 'notes/up/secret.txt', '/etc/passwd', '..', '../root-other/x', 'a\0b'])
      await assert.rejects(read(path), withCode('tool_failed'), path);
    for (const path of ['../x', 'out/x', 'out/deep/x', 'notes/up/x', '/tmp/x', '.', 'notes'])
      await assert.rejects(write(path), withCode('tool_failed'), path);
    for (const path of ['..', 'out', 'notes/up', '/'])
      await assert.rejects(call('list_dir', { path }), withCode('tool_failed'), path);
    assert.deepEqual(readdirSync(outside), ['root', 'secret.txt']);
  });

  it('put a file in the place of a symlink, and do not write through it', async () => {
    symlinkSync(join(outside, 'secret.txt'), join(root, 'file'));
    await write('file');
    assert.equal(readFileSync(join(outside, 'secret.txt'), 'utf8'), 'secret');
    assert.equal(readFileSync(join(root, 'file'), 'utf8'), 'new');
  });

  it('reach nothing outside while a symlink leads in and out all the time', async () => {
    writeFileSync(join(root, 'notes', 'secret.txt'), 'harmless');
    symlinkSync('notes', join(root, 'link'));
    const script = `
      const fs = require('node:fs');
      for (;;) for (const target of ['..', 'notes']) {
        fs.symlinkSync(target, 'next');
        fs.renameSync('next', 'link');
      }`;
    const racer = spawn(process.execPath, ['-e', script], { cwd: root, stdio: 'ignore' });
    try {
      for (let n = 0; n < 100; n += 1) {
        const tries = Array.from({ length: 8 }, () => read('link/secret.txt').catch(() => undefined));
        for (const got of await Promise.all(tries)) assert.notDeepEqual(got, { text: 'secret' });
        await write('link/x.txt').catch(() => {});
        await write(`link/made-${n}/x.txt`).catch(() => {});
        await call('list_dir', { path: 'link' }).then(
          (listed) => assert.ok(!JSON.stringify(listed).includes('root')),
          () => {},
        );
      }
    } finally {
      racer.kill('SIGKILL');
    }
    assert.deepEqual(readdirSync(outside), ['root', 'secret.txt']);
  });

  it('refuse what is no text, no file or too large, and say so without the folder’s own path', async () => {
    writeFileSync(join(root, 'picture'), Buffer.from([0xff, 0xd8, 0xff]));
    execFileSync('mkfifo', [join(root, 'pipe')]);
    await assert.rejects(read('picture'), { message: '"picture" is no text in UTF-8' });
    await assert.rejects(read('pipe'), { message: '"pipe" is no file' });
    await assert.rejects(read('notes'), { message: '"notes" is no file' });
    await assert.rejects(read('none'), { message: '"none" does not exist' });
    await assert.rejects(read('.'), { message: '"." is no file' });
    await assert.rejects(write('.'), { message: '"." is the folder itself' });
    for (const each of [read, write])
      await assert.rejects(each('/etc/passwd'), {
        message: '"/etc/passwd" is outside the folder that may be used',
      });
    await assert.rejects(write('d/'.repeat(3_000)), { message: /is too long$/ });
    await assert.rejects(call('list_dir', { path: 'notes/a.txt' }), {
      message: '"notes/a.txt" is no folder',
    });
    await assert.rejects(call('write_file', { path: 'x', text: 'long' }, 3), /too large: 4 bytes, at most 3/);
  });
});
