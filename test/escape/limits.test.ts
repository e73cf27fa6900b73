/** What runs in the sandbox tier has no more time, memory and processes than it was given, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempDisposableSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { TimeoutError } from '@opspawn/agentkit';
import { createProcessPool } from '../../packages/agentkit/src/tool/process/create-process-pool.ts';
import type { SandboxAccess } from '../../packages/agentkit/src/tool/sandbox/sandbox-access.ts';
import { isBubblewrapMissing } from './world.ts';

const skip = process.env.OPSPAWN_TEST_BUBBLEWRAP === undefined && isBubblewrapMissing();
const module = new URL('./attempt.ts', import.meta.url);

interface Asked {
  language?: 'javascript' | 'shell';
  /** After it began. */
  timeoutMs?: number;
  access?: SandboxAccess;
  reuse?: 'call' | 'always';
  progress?: (message: string) => void;
}

describe('in the sandbox tier', { skip, concurrency: 3 }, () => {
  const pool = createProcessPool({ maxProcesses: 6 });
  after(() => pool[Symbol.asyncDispose]());

  const attempt = async (code: string, asked: Asked = {}): Promise<unknown> => {
    const { language = 'javascript', timeoutMs = 60_000, access = {}, reuse } = asked;
    const controller = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const progress = (message: string): void => {
      asked.progress?.(message);
      timer ??= setTimeout(() => controller.abort(new TimeoutError('it')), timeoutMs);
    };
    const sandbox = { ...access, ...(language === 'shell' && { programs: true }) };
    const context = { callId: 'c', idempotencyKey: 'k', secrets: {}, signal: controller.signal, progress };
    const input = { language, code, given: {} };
    const call = { tool: 'it', module, memoryMb: 128, sandbox, reuse, maxOutputBytes: 10_000 };
    return await pool.run({ ...call, input, context }).finally(() => clearTimeout(timer));
  };
  const failed = (message: RegExp) => (thrown: Error & { code?: string }) => {
    assert.match(thrown.message, message);
    assert.equal(thrown.code, 'tool_failed');
    return true;
  };

  const tooMuch =
    /memory limit|[Aa]llocation failed|Failed to allocate|could not allocate|out of memory|Unable to grow|ENOSPC|SIG/;
  for (const [name, code] of [
    [
      'objects',
      'const held = []; for (let i = 0; i < 2e4; i++) held.push(new Array(12_500).fill(i)); return held.length;',
    ],
    [
      'buffers',
      'const held = []; for (let i = 0; i < 200; i++) held.push(Buffer.alloc(1e7, 1)); return held.length;',
    ],
    [
      'shared buffers',
      'const held = []; for (let i = 0; i < 200; i++) held.push(new Uint8Array(new SharedArrayBuffer(1e7)).fill(1)); return held.length;',
    ],
    [
      'WebAssembly memory',
      'const memory = new WebAssembly.Memory({ initial: 1, maximum: 32768 }); memory.grow(32000); new Uint8Array(memory.buffer).fill(1); return memory.buffer.byteLength;',
    ],
    [
      'a file in /tmp',
      `const fs = await load('node:fs'); for (let i = 0; i < 200; i++) fs.appendFileSync('/tmp/large', Buffer.alloc(1e7)); return 1;`,
    ],
  ] as const) {
    it(`2 GB are refused as ${name}`, async () => {
      await assert.rejects(attempt(code), failed(tooMuch));
    });
  }

  it('2 GB are refused to many processes together', async () => {
    const one = `perl -e '$x = "x" x 6e7; sleep 60; print 1' &`;
    await assert.rejects(attempt(`${one.repeat(34)} wait; echo all`, { language: 'shell' }), failed(tooMuch));
  });

  it('there are 64 processes at most', async () => {
    const code = 'for i in $(seq 150); do sleep 10 & done 2>/dev/null; ls -d /proc/[0-9]* | wc -l';
    const count = await attempt(code, { language: 'shell' }).catch(() => '0');
    assert.ok(Number(count) <= 64, String(count));
    const unbounded = spawnSync('/bin/sh', ['-c', 'for i in $(seq 100); do sleep 1 & echo x; done | wc -l'], {
      encoding: 'utf8',
    });
    assert.equal(Number(unbounded.stdout), 100);
  });

  const marker = `${600_000 + (process.pid % 90_000)}`;
  const isLeft = (): boolean => spawnSync('pgrep', ['-f', `sleep ${marker}`]).status === 0;
  for (const [name, language, code] of [
    ['an endless loop', 'javascript', 'for (;;);'],
    ['an endless chain of promises', 'javascript', 'for (;;) await null;'],
    ['waiting for ever', 'javascript', 'await new Promise(() => setInterval(() => {}, 1000));'],
    [
      'ignoring SIGTERM, in the background',
      'shell',
      `trap '' TERM HUP INT; (trap '' TERM; setsid sleep ${marker} & setsid sleep ${marker}) & while :; do :; done`,
    ],
  ] as const) {
    it(`time ends ${name}`, async () => {
      await assert.rejects(attempt(code, { language, timeoutMs: 300 }), failed(/its time was up/));
      for (let tries = 0; isLeft(); tries += 1) {
        assert.ok(tries < 1_200, 'something is left');
        await sleep(50);
      }
    });
  }

  it('nothing that a call started outlives it', async () => {
    const said = await attempt(
      `setsid sleep ${marker}1 & pgrep -f 'sleep ${marker}1' >/dev/null && echo there`,
      { language: 'shell' },
    );
    assert.equal(said, 'there\n');
    for (let tries = 0; spawnSync('pgrep', ['-f', `sleep ${marker}1`]).status === 0; tries += 1) {
      assert.ok(tries < 1_200, 'something is left');
      await sleep(50);
    }
  });

  it('a call sees nothing of the one before it, unless its tool says so', async () => {
    const code = `const fs = await load('node:fs'); globalThis.seen = (globalThis.seen ?? 0) + 1;
      const files = fs.readdirSync('/tmp').filter((name) => name === 'left').length; fs.writeFileSync('/tmp/left', 'x'); return [globalThis.seen, files];`;
    assert.deepEqual(await attempt(code), [1, 0]);
    assert.deepEqual(await attempt(code), [1, 0]);
    assert.deepEqual(await attempt(code, { reuse: 'always' }), [1, 0]);
    // One that is not back in the pool yet is not waited for.
    let seen: unknown;
    for (let call = 0; call < 10 && seen?.toString() !== '2,1'; call += 1)
      seen = await attempt(code, { reuse: 'always' });
    assert.deepEqual(seen, [2, 1]);
  });

  it('a folder can be read whose inner one was named before it', async () => {
    // Not below /tmp, which a sandbox may always read.
    using folder = mkdtempDisposableSync('/var/tmp/opspawn-escape-');
    chmodSync(folder.path, 0o755);
    mkdirSync(join(folder.path, 'inner'));
    const code = `return (await load('node:fs')).readdirSync(${JSON.stringify(folder.path)});`;
    const read = [join(folder.path, 'inner'), folder.path];
    assert.deepEqual(await attempt(code, { access: { read } }), ['inner']);
  });

  it('what is too large, or no result at all, is no result', async () => {
    await assert.rejects(attempt(`return 'x'.repeat(5_000_000)`), failed(/too large/));
    await assert.rejects(attempt('const it = {}; it.self = it; return it;'), failed(/circular/));
    await assert.rejects(attempt(`process.exit(0)`), failed(/exited|killed/));
    assert.equal(await attempt('return undefined'), undefined);
  });

  it('a flood of output ends the call, and one of progress is cut', async () => {
    const flood = `const fs = await load('node:fs'); for (;;) fs.writeSync(2, 'x'.repeat(65536));`;
    await assert.rejects(attempt(flood), failed(/wrote too much/));
    let told = 0;
    const line = '{"type":"progress","call":1,"message":"x"}';
    const code = `const fs = await load('node:fs'); const line = ${JSON.stringify(`${line}\n`)};
      for (let written = 0; written < 20_000; ) { try { fs.writeSync(5, line); written += 1; } catch {} } return 1;`;
    const progress = (): void => {
      told += 1;
    };
    await attempt(code, { progress });
    assert.equal(told, 1_000);
  });

  it('messages of our own protocol forge nothing but the call’s own result', async () => {
    const say = (text: string) =>
      `const fs = await load('node:fs'); fs.writeSync(5, ${JSON.stringify(`${text}\n`)}); for (;;) await new Promise((resolve) => setTimeout(resolve, 1000));`;
    const ends = {
      type: 'failed',
      call: 1,
      error: { message: 'end it', code: 'budget_exceeded', retryable: true },
    };
    await assert.rejects(attempt(say(JSON.stringify(ends))), failed(/end it/));
    await assert.rejects(attempt(say('nonsense')), failed(/cannot be understood/));
    await assert.rejects(
      attempt(say('{"type":"done","call":7,"result":1}'), { timeoutMs: 300 }),
      failed(/time was up/),
    );
    const polluting =
      '{"type":"done","call":1,"result":{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}},"__proto__":{"polluted":1}}';
    await attempt(say(polluting));
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });

  it('a descriptor of the host is not passed on', async () => {
    const code = `const fs = await load('node:fs'); const found = [];
      for (const each of fs.readdirSync('/proc/self/fd')) { try { found.push(fs.readlinkSync('/proc/self/fd/' + each)); } catch {} }
      return found.filter((path) => !/^(?:socket|pipe|anon_inode):|^[/]dev[/]null$|^[/]proc[/]/.test(path));`;
    assert.deepEqual(await attempt(code, { access: { programs: true } }), []);
  });
});
