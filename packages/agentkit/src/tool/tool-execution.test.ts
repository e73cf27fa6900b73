import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { OpspawnError } from '../errors.ts';
import type { Secrets } from '../security/security.ts';
import type { InlineTool, ProcessTool, RunningTool, ToolExecution } from './tool.ts';
import { executeTool, reconcileTool, type ToolRuntime } from './tool-execution.ts';

type Doing = InlineTool<{ text: string }>['execute'];

const doing = (
  execute: Doing,
  more: Partial<InlineTool<{ text: string }>> = {},
): InlineTool<{ text: string }> => ({
  description: 'd',
  input: { jsonSchema: { type: 'object' } },
  execute,
  ...more,
});

interface Around extends Partial<ToolExecution>, Partial<ToolRuntime> {
  text?: string;
}

function around(
  { text = 'x', secrets, maxOutputBytes = 1024 * 1024, ...execution }: Around,
  tool: RunningTool,
) {
  const none: Secrets = { get: () => Promise.resolve(undefined) };
  const signal = new AbortController().signal;
  const call = {
    callId: 'c1',
    tool: 'it',
    input: { text },
    idempotencyKey: 'task:key',
    signal,
    progress: () => {},
  };
  const subject = { name: 'it', tool, input: { text } as never, timeoutMs: tool.timeoutMs ?? 60_000 };
  return [
    subject,
    { ...call, ...execution },
    { secrets: secrets ?? none, maxOutputBytes, processes: undefined },
  ] as const;
}

const run = (tool: RunningTool, options: Around = {}): Promise<unknown> =>
  executeTool(...around(options, tool));

const failure = (code: string, message: RegExp, retryable?: boolean) => (thrown: unknown) => {
  assert.ok(thrown instanceof OpspawnError);
  assert.equal(thrown.code, code);
  assert.match(thrown.message, message);
  if (retryable !== undefined) assert.equal(thrown.retryable, retryable);
  return true;
};

suite('execute', () => {
  test('gives the result as JSON holds it', async () => {
    const own = { list: [1], gone: undefined };
    const result = await run(doing(() => own));
    assert.deepEqual(result, { list: [1] });
    own.list.push(2);
    assert.deepEqual(result, { list: [1] });
  });

  test('gives undefined for a tool that returns nothing', async () => {
    assert.equal(await run(doing(() => undefined)), undefined);
  });

  test('fails readably, and for good, for a result that is no JSON', async () => {
    const circular: Record<string, unknown> = {};
    circular.self = { circular };
    let deep: unknown = 1;
    for (let depth = 0; depth < 100_000; depth += 1) deep = [deep];
    const results: [unknown, RegExp][] = [
      [circular, /result\.self\.circular is circular/],
      [{ at: new Date() }, /result\.at is a Date/],
      [new Map(), /result is a Map/],
      [[Number.NaN], /result\[0\] is NaN/],
      [10n, /result is a bigint/],
      [() => 1, /result is a function/],
      [deep, /deeper than 500 levels/],
      [
        Object.defineProperty({}, 'a', { get: () => assert.fail('out of reach'), enumerable: true }),
        /out of reach/,
      ],
      [(function* () {})(), /result is a class instance/],
    ];
    for (const [result, message] of results) {
      await assert.rejects(run(doing(() => result)), failure('tool_failed', message, false));
    }
  });

  test('fails readably, and for good, for a result that is not what the tool promises', async () => {
    const shape = {
      type: 'object',
      properties: { at: { type: 'string', format: 'date' } },
      required: ['at'],
    };
    for (const output of [{ jsonSchema: shape }, z.object({ at: z.iso.date() })]) {
      assert.deepEqual(await run(doing(() => ({ at: '2026-11-26' }), { output })), { at: '2026-11-26' });
      const wrong = failure('tool_failed', /is not what it promises:\n- \$?\.?at/, false);
      await assert.rejects(run(doing(() => ({ at: 'today' }), { output })), wrong);
    }
  });

  test('fails for good, and says of which tool, when its result could not be checked', async () => {
    const output = z.object({}).refine(async () => {
      throw new Error('the database is down');
    });
    const unchecked = /result of the tool it could not be checked: the database is down/;
    await assert.rejects(run(doing(() => ({}), { output })), failure('tool_failed', unchecked, false));
  });

  test('runs no more calls at once than the tool allows, in order, and a call that gave up waits no more', async () => {
    const started: string[] = [];
    let running = 0;
    const slow = doing(
      async ({ text }) => {
        started.push(text);
        running += 1;
        assert.ok(running <= 2);
        await sleep(5);
        running -= 1;
      },
      { concurrency: 2, timeoutMs: 5_000 },
    );
    const gaveUp = new AbortController();
    const calls = ['a', 'b', 'c', 'd', 'e'].map((text) =>
      run(slow, { text, ...(text === 'c' && { signal: gaveUp.signal }) }).catch(() => 'gave up'),
    );
    gaveUp.abort(new Error('gave up'));
    assert.deepEqual(
      (await Promise.all(calls)).map((result) => result ?? 'ok'),
      ['ok', 'ok', 'gave up', 'ok', 'ok'],
    );
    assert.deepEqual(started, ['a', 'b', 'd', 'e']);
  });

  test('fails for a result beyond the limit, and takes one of exactly the limit', async () => {
    const repeat = doing(({ text }) => text.repeat(10));
    assert.equal(await run(repeat, { text: 'é', maxOutputBytes: 22 }), 'é'.repeat(10));
    await assert.rejects(
      run(repeat, { text: 'ab1', maxOutputBytes: 22 }),
      failure('tool_failed', /too large: at most 22 bytes/, false),
    );
    let doubled: unknown = 'x';
    for (let depth = 0; depth < 60; depth += 1) doubled = [doubled, { doubled }];
    await assert.rejects(run(doing(() => doubled)), failure('tool_failed', /too large/, false));
    const huge = doing(() => 'x'.repeat(100 * 1024 * 1024));
    await assert.rejects(run(huge), failure('tool_failed', /too large: at most 1048576 bytes/));
  });

  test('contains whatever a tool throws', async () => {
    const thrown: [unknown, RegExp][] = [
      [new Error('disk on fire'), /The tool it failed: disk on fire/],
      [new RangeError(), /failed: RangeError/],
      ['a text', /failed: a text/],
      [undefined, /failed: undefined/],
      [null, /failed: null/],
      [Object.create(null), /The tool it failed: what was thrown cannot be read/],
      [new Proxy({}, { getPrototypeOf: () => assert.fail('looked at') }), /The tool it failed: what was/],
    ];
    for (const [what, message] of thrown) {
      const now = doing(() => {
        throw what;
      });
      const later = doing(() => Promise.reject(what));
      for (const tool of [now, later]) {
        await assert.rejects(run(tool), failure('tool_failed', message));
      }
    }
  });

  test('passes on an error with a code', async () => {
    const tool = doing(() => Promise.reject(new OpspawnError('mcp_failed', 'gone')));
    await assert.rejects(run(tool), failure('mcp_failed', /^gone$/));
  });

  test('ends a tool that hangs when its time is up, and aborts its signal', async () => {
    let seen: AbortSignal | undefined;
    const hang = doing(
      (_, { signal }) => {
        seen = signal;
        return new Promise(() => {});
      },
      { timeoutMs: 20 },
    );
    await assert.rejects(run(hang), failure('timeout', /The tool it .*timed out/));
    assert.equal(seen?.aborted, true);
  });

  test('gives a tool more than the time that one timer can tell', async () => {
    const slow = doing(() => sleep(20, 'done'), { timeoutMs: 40 * 24 * 3_600_000 });
    assert.equal(await run(slow), 'done');
  });

  test('ends a tool that ignores the abort of its call with the reason of the abort', async () => {
    const controller = new AbortController();
    const tool = doing(() => new Promise(() => {}));
    const running = run(tool, { signal: controller.signal });
    await sleep(1);
    const reason = new OpspawnError('cancelled', 'enough');
    controller.abort(reason);
    await assert.rejects(running, (thrown) => thrown === reason);
    await assert.rejects(run(tool, { signal: controller.signal }));
  });

  test('hands a tool only the secrets that it declared, and fails when one is not set', async () => {
    const asked: string[] = [];
    const secrets = {
      get: (name: string) => {
        asked.push(name);
        return Promise.resolve(name === 'KEY' ? 'k' : undefined);
      },
    };
    const tell = (declared: string[]) => doing((_, context) => context.secrets, { secrets: declared });
    assert.deepEqual(await run(tell(['KEY']), { secrets }), { KEY: 'k' });
    await assert.rejects(
      run(tell(['LOST']), { secrets }),
      failure('config_invalid', /it needs the secret LOST/),
    );
    assert.deepEqual(await run(tell([]), { secrets }), {});
    assert.deepEqual(asked, ['KEY', 'LOST']);
  });

  test('hands on the idempotency key and progress', async () => {
    const told: string[] = [];
    const tell = doing((_, { progress, idempotencyKey, callId }) => {
      progress('half');
      return [callId, idempotencyKey];
    });
    const result = await run(tell, { progress: (message) => told.push(message) });
    assert.deepEqual([result, told], [['c1', 'task:key'], ['half']]);
  });

  test('tells no progress of what a call left behind', async () => {
    const told: string[] = [];
    const left: ((message: string) => void)[] = [];
    const options = { progress: (message: string) => void told.push(message) };
    const leave: Doing = (_, { progress }) => {
      left.push(progress);
      progress('begun');
    };
    await run(doing(leave), options);
    const hang: Doing = async (input, context) => {
      await leave(input, context);
      await new Promise(() => {});
    };
    await assert.rejects(run(doing(hang, { timeoutMs: 20 }), options), failure('timeout', /timed out/));
    for (const progress of left) progress('late');
    assert.deepEqual(told, ['begun', 'begun']);
  });
});

test('reconcile checks what the probe found as it checks a result', async () => {
  const ask = (reconcile: InlineTool<{ text: string }>['reconcile']) =>
    reconcileTool(
      ...around(
        {},
        doing(() => 1, reconcile && { reconcile }),
      ),
    );
  const done = { outcome: 'done', result: { id: 1 } } as const;
  assert.deepEqual(await ask(() => Promise.resolve(done)), done);
  assert.deepEqual(await ask(() => Promise.resolve({ outcome: 'not_done' })), { outcome: 'not_done' });
  assert.deepEqual(await ask(() => Promise.resolve(undefined as never)), { outcome: 'unknown' });
  await assert.rejects(
    ask(() => Promise.resolve({ outcome: 'done', result: new Date() as never })),
    failure('tool_failed', /is a Date/),
  );
  await assert.rejects(
    ask(() => Promise.reject(new Error('offline'))),
    failure('tool_failed', /offline/),
  );
});

suite('a tool of the process tier', () => {
  const module = new URL('../../test/process/behave.ts', import.meta.url);
  const apart = (more: Partial<ProcessTool<never>> = {}): ProcessTool<never> => ({
    description: 'd',
    input: { jsonSchema: { type: 'object' } },
    isolation: 'process',
    module,
    ...more,
  });
  const runApart = (input: unknown, tool = apart(), options: Around = {}): Promise<unknown> => {
    const [subject, ...rest] = around(options, tool);
    return executeTool({ ...subject, input: input as never }, ...rest);
  };

  test('runs in another process, with its secrets', async () => {
    const { pid } = (await runApart({ way: 'identity' })) as { pid: number };
    assert.notEqual(pid, process.pid);
    const secrets: Secrets = { get: (name) => Promise.resolve(`value of ${name}`) };
    const context = await runApart({ way: 'context' }, apart({ secrets: ['KEY'] }), { secrets });
    assert.deepEqual(context, { callId: 'c1', idempotencyKey: 'task:key', secrets: { KEY: 'value of KEY' } });
  });

  test('ends with its time, also in an endless loop', async () => {
    await runApart({ way: 'identity' });
    await assert.rejects(
      runApart({ way: 'loop' }, apart({ timeoutMs: 50 })),
      failure('timeout', /it .*timed out/),
    );
    assert.equal(await runApart({ way: 'echo', value: 1 }), 1);
  });

  test('takes no input that JSON cannot hold', async () => {
    await assert.rejects(
      runApart({ way: 'echo', value: new Date() }),
      failure('tool_failed', /input .* is no JSON/, false),
    );
  });
});
