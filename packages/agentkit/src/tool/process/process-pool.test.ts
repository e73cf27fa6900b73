import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { after, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { groupMembers, leftOf, processTree, until } from '../../../test/mcp/processes.ts';
import { OpspawnError, TimeoutError } from '../../errors.ts';
import type { Json } from '../../json.ts';
import { createProcessPool } from './create-process-pool.ts';
import type { PooledCall, ProcessPool } from './process-pool.ts';

const module = new URL('../../../test/process/behave.ts', import.meta.url);

interface Asked extends Partial<Omit<PooledCall, 'context'>> {
  value?: Json;
  signal?: AbortSignal;
  secrets?: Record<string, string>;
  progress?: (message: string) => void;
}

function ask(pool: ProcessPool, way: string, asked: Asked = {}): Promise<Json | undefined> {
  const {
    value = null,
    signal = new AbortController().signal,
    secrets = {},
    progress = () => {},
    ...more
  } = asked;
  const context = { callId: 'c1', idempotencyKey: 'task:key', secrets, signal, progress };
  return pool.run({
    tool: 'it',
    module,
    memoryMb: 256,
    input: { way, value },
    context,
    maxOutputBytes: 1024 * 1024,
    ...more,
  });
}

const failed =
  (message: RegExp, code = 'tool_failed') =>
  (thrown: unknown) => {
    assert.ok(thrown instanceof OpspawnError, String(thrown));
    assert.match(thrown.message, message);
    assert.equal(thrown.code, code);
    return true;
  };

/** What runs the processes is loaded at a pool's first call. */
const untilStarted = (pool: ProcessPool): Promise<void> => until(() => pool.processes().length > 0);
const pidOf = async (pool: ProcessPool): Promise<number> =>
  ((await ask(pool, 'identity')) as { pid: number }).pid;
const tiers = [
  { tier: 'process', access: {}, skip: false },
  {
    tier: 'sandbox',
    access: { sandbox: { programs: true } },
    skip: process.env.OPSPAWN_TEST_BUBBLEWRAP === undefined && 'bubblewrap is missing',
  },
];
/** The tree below a process that breeds: it has four that sleep, three of them in sessions of their own. */
async function bredBelow(pid = 0): Promise<ReturnType<typeof processTree>> {
  const isSleeping = ({ command }: { command: string }): boolean => command === 'sleep 1000';
  await until(() => processTree(pid).filter(isSleeping).length === 4);
  return processTree(pid);
}
const isGone = (group: number) => () => groupMembers(group).length === 0;

suite('a process', () => {
  const pool = createProcessPool({ maxProcesses: 2 });
  after(() => pool[Symbol.asyncDispose]());

  test('takes JSON in and gives JSON back', async () => {
    for (const value of [null, 0, 'a "line"\n\u2028 \u0000', [1, [2]], { deep: { er: true } }]) {
      assert.deepEqual(await ask(pool, 'echo', { value }), value);
    }
    assert.equal(await ask(pool, 'nothing'), undefined);
  });

  test('serves one call after the other, and keeps its variables', async () => {
    const first = (await ask(pool, 'identity')) as { pid: number; calls: number };
    assert.deepEqual(await ask(pool, 'identity'), { pid: first.pid, calls: first.calls + 1 });
    assert.notEqual(first.pid, process.pid);
  });

  test('has an empty environment', async () => {
    process.env.OPSPAWN_TEST_SECRET = 'visible';
    try {
      const fresh = createProcessPool();
      assert.deepEqual(await ask(fresh, 'environment'), { variables: {}, raw: '' });
      await fresh[Symbol.asyncDispose]();
    } finally {
      delete process.env.OPSPAWN_TEST_SECRET;
    }
  });

  test('gets the secrets and keys of the call', async () => {
    const expected = { callId: 'c1', idempotencyKey: 'task:key', secrets: { KEY: 'k' } };
    assert.deepEqual(await ask(pool, 'context', { secrets: { KEY: 'k' } }), expected);
    assert.deepEqual(await ask(pool, 'context'), { ...expected, secrets: {} });
  });

  test('may print what it likes', async () => {
    const pid = await pidOf(pool);
    assert.equal(await ask(pool, 'print', { value: 'x' }), 'printed');
    assert.equal(await pidOf(pool), pid);
  });

  test('tells its progress, in messages that are not too long', async () => {
    const told: string[] = [];
    assert.equal(await ask(pool, 'progress', { progress: (message) => told.push(message) }), 'told');
    assert.deepEqual([told[0], told[1]?.length], ['one', 1_000]);
  });

  test('stays when its function throws', async () => {
    const pid = await pidOf(pool);
    await assert.rejects(ask(pool, 'throw'), failed(/^The tool it failed: too far$/));
    await assert.rejects(ask(pool, 'refuse'), failed(/^not like this$/, 'invalid_argument'));
    assert.equal(await pidOf(pool), pid);
  });

  test('gives no result that is no JSON or too large', async () => {
    const pid = await pidOf(pool);
    const final = (message: RegExp) => (thrown: OpspawnError) => failed(message)(thrown) && !thrown.retryable;
    await assert.rejects(
      ask(pool, 'date'),
      final(/The result of the tool it is no JSON: result\.at is a Date/),
    );
    await assert.rejects(ask(pool, 'circular'), final(/circular/));
    await assert.rejects(
      ask(pool, 'large', { value: 50, maxOutputBytes: 101 }),
      final(/102 bytes, at most 101/),
    );
    assert.equal(await ask(pool, 'large', { value: 50, maxOutputBytes: 102 }), 'é'.repeat(50));
    assert.equal(((await ask(pool, 'large', { value: 500_000 })) as string).length, 500_000);
    assert.equal(await pidOf(pool), pid);
  });

  for (const [way, reason] of [
    ['exit', /its process exited with code 3/],
    ['rejectLater', /its process exited with code 1: Error: nobody listens/],
  ] as const) {
    test(`is replaced when it ends by itself (${way})`, async () => {
      const pid = await pidOf(pool);
      await assert.rejects(ask(pool, way), failed(reason));
      assert.notEqual(await pidOf(pool), pid);
    });
  }

  test('says why a module cannot be used', async () => {
    const missing = new URL('./missing.ts', module);
    await assert.rejects(
      ask(pool, 'echo', { module: missing }),
      failed(/missing\.ts cannot be loaded: Cannot find module/),
    );
    const noFunction = new URL('./processes.ts', new URL('../mcp/', module));
    await assert.rejects(ask(pool, 'echo', { module: noFunction }), failed(/default export is no function/));
  });
});

suite('a limit', () => {
  for (const { tier, access, skip } of tiers) {
    test(`of time kills an endless loop with all that it started (${tier})`, { skip }, async () => {
      await using pool = createProcessPool({ maxProcesses: 1 });
      const controller = new AbortController();
      const begun = Promise.withResolvers<void>();
      const { signal } = controller;
      const looping = ask(pool, 'breed', { ...access, signal, progress: () => begun.resolve() });
      await begun.promise;
      const tree = await bredBelow(pool.processes()[0]?.pid);
      controller.abort(new TimeoutError('it'));
      await assert.rejects(looping, failed(/its time was up/));
      await until(() => leftOf(tree).length === 0);
      assert.equal(await ask(pool, 'echo', { ...access, value: 1 }), 1);
    });
  }

  for (const [way, memoryLimit] of [
    ['growHeap', 'auto'],
    ['growBuffers', 'auto'],
    ['growSlowly', 'watched'],
  ] as const) {
    test(`of memory ends a call that wants more (${way}, ${memoryLimit})`, async () => {
      const pool = createProcessPool({ memoryLimit });
      await ask(pool, 'identity');
      const [{ memoryLimit: kind } = {}] = pool.processes();
      assert.equal(kind, memoryLimit === 'watched' || process.platform !== 'linux' ? 'watched' : 'refused');
      const reason = /ended by its memory limit of 128 MB|[Ff]ailed to allocate|allocation failed/;
      await assert.rejects(ask(pool, way, { memoryMb: 128 }), failed(reason));
      assert.equal(await ask(pool, 'echo', { value: 1, memoryMb: 128 }), 1);
      await pool[Symbol.asyncDispose]();
    });
  }
});

suite('an abort', () => {
  const pool = createProcessPool();
  after(() => pool[Symbol.asyncDispose]());

  test('reaches the tool, which may end by itself and keep its process', async () => {
    const pid = await pidOf(pool);
    const controller = new AbortController();
    const progress = () => controller.abort(new OpspawnError('cancelled', 'enough'));
    await assert.rejects(
      ask(pool, 'waitForAbort', { signal: controller.signal, progress }),
      failed(/enough/),
    );
    assert.equal(await pidOf(pool), pid);
  });

  test('kills a tool that does not listen', async () => {
    const pid = await pidOf(pool);
    const controller = new AbortController();
    const hanging = ask(pool, 'hang', { signal: controller.signal });
    setImmediate(() => controller.abort(new OpspawnError('cancelled', 'enough')));
    await assert.rejects(hanging, failed(/did not end when it was aborted/));
    await until(isGone(pid));
  });

  test('ends a process whose module never comes to its end', async () => {
    await using pool = createProcessPool({ maxProcesses: 1 });
    const endless = new URL('data:text/javascript,await new Promise(() => setInterval(() => {}, 1000))');
    const controller = new AbortController();
    const loading = ask(pool, 'echo', { module: endless, signal: controller.signal });
    await untilStarted(pool);
    controller.abort(new TimeoutError('it'));
    await assert.rejects(loading, failed(/not loaded in time/));
    assert.equal(await ask(pool, 'echo', { value: 1 }), 1);
  });

  test('that came before starts nothing', async () => {
    const fresh = createProcessPool();
    await assert.rejects(ask(fresh, 'echo', { signal: AbortSignal.abort() }), { name: 'AbortError' });
    assert.deepEqual(fresh.processes(), []);
    await fresh[Symbol.asyncDispose]();
  });
});

suite('a pool', () => {
  test('has no more processes than allowed, and serves all in turn', async () => {
    const pool = createProcessPool({ maxProcesses: 2 });
    const ways = ['echo', 'throw', 'echo', 'exit', 'identity'];
    const settled = await Promise.allSettled(
      Array.from({ length: 20 }, (_, n) =>
        ask(pool, ways[n % ways.length] ?? '', { value: n, memoryMb: 256 + (n % 2) }),
      ),
    );
    assert.ok(pool.processes().length <= 2);
    const fates = settled.map(({ status }) => status);
    assert.equal(fates.filter((fate) => fate === 'fulfilled').length, 12);
    settled.forEach((end, n) => {
      if (end.status === 'fulfilled' && ways[n % ways.length] === 'echo') assert.equal(end.value, n);
    });
    await pool[Symbol.asyncDispose]();
  });

  test('lets a call that waits for a process be aborted', async () => {
    const pool = createProcessPool({ maxProcesses: 1 });
    const busy = new AbortController();
    const holding = ask(pool, 'waitForAbort', { signal: busy.signal });
    await untilStarted(pool);
    const waiting = new AbortController();
    const waited = ask(pool, 'echo', { signal: waiting.signal });
    const reason = new OpspawnError('cancelled', 'no longer');
    waiting.abort(reason);
    await assert.rejects(waited, (thrown) => thrown === reason);
    busy.abort(new TimeoutError('it'));
    await assert.rejects(holding);
    assert.equal(await ask(pool, 'echo', { value: 1 }), 1);
    await pool[Symbol.asyncDispose]();
  });

  test('tells which of its processes a call would wait for', async () => {
    await using pool = createProcessPool();
    const state = () => pool.processes().at(-1)?.state;
    const first = ask(pool, 'echo', { reuse: 'call' });
    await untilStarted(pool);
    assert.equal(state(), 'busy');
    await first;
    await until(() => state() === 'starting');
    await until(() => state() === 'idle');
  });

  test('keeps two fresh processes warm, and as many as were busy side by side', async () => {
    await using pool = createProcessPool({ maxProcesses: 8 });
    const askOnce = () => ask(pool, 'echo', { reuse: 'call' });
    const spares = () => pool.processes().filter(({ state }) => state === 'idle').length;
    await askOnce();
    await until(() => spares() === 2);
    await askOnce();
    await askOnce();
    await until(() => spares() === 2);
    await Promise.all([askOnce(), askOnce(), askOnce()]);
    await until(() => spares() === 3);
  });

  test('has a fresh process for a call that comes directly after another', async () => {
    await using pool = createProcessPool();
    const pidOfFresh = async () => ((await ask(pool, 'identity', { reuse: 'call' })) as { pid: number }).pid;
    await pidOfFresh();
    const ready = () => pool.processes().filter(({ state }) => state === 'idle');
    await until(() => ready().length === 2);
    const warm = new Set(ready().map(({ pid }) => pid));
    assert.deepEqual(new Set([await pidOfFresh(), await pidOfFresh()]), warm);
  });

  test('ends processes that are not used', async () => {
    const pool = createProcessPool({ idleMs: 1 });
    const pid = await pidOf(pool);
    await until(isGone(pid));
    assert.deepEqual(pool.processes(), []);
    await pool[Symbol.asyncDispose]();
  });

  test('leaves nothing behind when it is closed, and takes no more calls', async () => {
    const pool = createProcessPool({ maxProcesses: 1 });
    const running = assert.rejects(ask(pool, 'loop'), failed(/its pool was closed/));
    const waiting = assert.rejects(ask(pool, 'echo'), failed(/closed/, 'unavailable'));
    await untilStarted(pool);
    const group = pool.processes()[0]?.pid ?? 0;
    await pool[Symbol.asyncDispose]();
    await Promise.all([running, waiting]);
    assert.deepEqual(groupMembers(group), []);
    await assert.rejects(ask(pool, 'echo'), failed(/closed/, 'unavailable'));
  });

  test('may be closed before its first process runs', async () => {
    for (const isAsked of [false, true]) {
      const pool = createProcessPool();
      const asked = isAsked && assert.rejects(ask(pool, 'loop'), failed(/its pool was closed/));
      await pool[Symbol.asyncDispose]();
      await asked;
      assert.deepEqual(pool.processes(), []);
      await assert.rejects(ask(pool, 'echo'), failed(/closed/, 'unavailable'));
    }
  });
});

suite('its parent', () => {
  const start = async (...asked: string[]): Promise<{ parent: ChildProcess; group: number }> => {
    const script = fileURLToPath(new URL('../../../test/process/pool-process.ts', import.meta.url));
    const parent = spawn(process.execPath, [script, ...asked], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [line] = (await once(createInterface(parent.stdout), 'line')) as [string];
    return { parent, group: Number(line) };
  };

  for (const { tier, skip } of tiers) {
    test(`may be killed: an endless loop and what it started end with it (${tier})`, { skip }, async () => {
      const { parent } = await start('breed', tier);
      const tree = await bredBelow(parent.pid);
      parent.kill('SIGKILL');
      await until(() => leftOf(tree).length === 0);
    });
  }

  test('is not kept from ending by a process that is idle', async () => {
    const { parent, group } = await start('echo');
    const [code] = parent.exitCode === null ? await once(parent, 'exit') : [parent.exitCode];
    assert.equal(code, 0);
    await until(isGone(group));
  });
});
