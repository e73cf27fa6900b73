import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { z } from 'zod';
import { OpspawnError } from '../errors.ts';
import type { Json } from '../json.ts';
import { defineTool } from './define-tool.ts';
import type { PreparedCall, RefusedCall, Tool, ToolManager, Tools } from './tool.ts';
import { createToolManager } from './tool-manager.ts';

const text = z.object({ text: z.string() });
const echo = defineTool({ description: 'Says it again', input: text, execute: ({ text }) => text });

async function prepared(manager: ToolManager, tool: string, input: Json): Promise<PreparedCall> {
  const call = await manager.prepare({ callId: 'c1', tool, input });
  if ('refused' in call) throw new Error(call.message);
  assert.ok('execute' in call);
  return call;
}

async function refusal(manager: ToolManager, tool: string, input: Json): Promise<string> {
  const call = await manager.prepare({ callId: 'c1', tool, input });
  assert.ok('refused' in call, `${tool} took ${JSON.stringify(input)}`);
  return (call satisfies RefusedCall).message;
}

async function run(manager: ToolManager, tool: string, input: Json): Promise<unknown> {
  const call = await prepared(manager, tool, input);
  const signal = new AbortController().signal;
  return await call.execute({ callId: 'c1', tool, input, idempotencyKey: 'k', signal, progress: () => {} });
}

/** The one tool `it` that does this. */
const doing = (execute: (input: { text: string }) => unknown, more: Partial<Tool> = {}): Tools => ({
  it: { ...defineTool({ description: 'd', input: text, execute }), ...more } as Tool,
});

const failure = (code: string, message: RegExp, retryable?: boolean) => (thrown: unknown) => {
  assert.ok(thrown instanceof OpspawnError);
  assert.equal(thrown.code, code);
  assert.match(thrown.message, message);
  if (retryable !== undefined) assert.equal(thrown.retryable, retryable);
  return true;
};

suite('list', () => {
  test('offers tools in the order of their names, whatever the order of definition', async () => {
    const tools = { zebra: echo, add: echo, Middle: echo };
    const reversed = Object.fromEntries(Object.entries(tools).reverse());
    const names = (await createToolManager({ tools }).list()).map((spec) => spec.name);
    assert.deepEqual(names, ['Middle', 'add', 'zebra']);
    assert.deepEqual(
      await createToolManager({ tools }).list(),
      await createToolManager({ tools: reversed }).list(),
    );
  });

  test('shows the JSON Schema of a Standard Schema', async () => {
    const [spec] = await createToolManager({ tools: { echo } }).list();
    assert.deepEqual(spec, {
      name: 'echo',
      description: 'Says it again',
      inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
    });
  });

  test('refuses names that the vendors refuse', () => {
    for (const name of ['', 'a b', 'ä', 'a.b', 'x'.repeat(65)]) {
      assert.throws(
        () => createToolManager({ tools: { [name]: echo } }),
        failure('invalid_argument', /no name for a tool/),
      );
    }
  });
});

suite('prepare', () => {
  const manager = createToolManager({
    tools: {
      echo,
      order: defineTool({
        description: 'd',
        input: z.strictObject({
          items: z.array(z.object({ name: z.string(), count: z.int().min(1) })),
          note: z.string().optional(),
        }),
        execute: () => null,
      }),
    },
  });

  test('refuses a tool that is not there, and says which are', async () => {
    assert.equal(await refusal(manager, 'ecko', {}), 'There is no tool "ecko". There are: echo, order.');
    for (const name of ['constructor', '__proto__', 'toString', ''])
      assert.match(await refusal(manager, name, {}), /no tool/);
  });

  test('tells every problem with its path', async () => {
    const message = await refusal(manager, 'order', {
      items: [
        { name: 'a', count: 1 },
        { name: 2, count: 0 },
      ],
      more: 1,
    });
    assert.match(message, /^The arguments of order are not valid:\n/);
    assert.match(message, /\n- items\[1\]\.name: /);
    assert.match(message, /\n- items\[1\]\.count: /);
    assert.match(message, /more/);
  });

  test('refuses arguments of every other shape readably, and coerces nothing', async () => {
    for (const input of [
      null,
      1,
      true,
      [],
      ['text'],
      {},
      { text: 1 },
      { text: null },
      { Text: 'x' },
    ] as Json[]) {
      assert.match(await refusal(manager, 'echo', input), /The arguments of echo are not valid:\n- /);
    }
  });

  test('says what is wrong with arguments that were no JSON', async () => {
    assert.match(await refusal(manager, 'echo', '{"text": "unfin'), /must be a JSON object: .*JSON/);
    assert.match(await refusal(manager, 'echo', '"text"'), /must be an object, not a text/);
  });

  test('shows ten problems at most', async () => {
    const items = Array.from({ length: 5_000 }, () => ({}));
    const message = await refusal(manager, 'order', { items });
    assert.ok(message.length < 2_000, `${message.length} characters`);
    assert.match(message, /- and \d+ more$/);
  });

  test('hands the decoded arguments to the tool, and shows the given ones where JSON cannot hold those', async () => {
    const tools = {
      when: defineTool({
        description: 'd',
        input: z.object({ day: z.string().transform((day) => new Date(day)), count: z.int().default(3) }),
        execute: ({ day, count }) => `${day.getTime()} ${count}`,
      }),
    };
    const dates = createToolManager({ tools });
    assert.deepEqual((await prepared(dates, 'when', { day: '1970-01-02' })).input, { day: '1970-01-02' });
    assert.equal(await run(dates, 'when', { day: '1970-01-02' }), '86400000 3');
  });

  test('refuses arguments on which a check throws', async () => {
    const input = text.refine(() => {
      throw new TypeError('broken rule');
    });
    const broken = createToolManager({
      tools: { it: defineTool({ description: 'd', input, execute: () => 1 }) },
    });
    assert.match(await refusal(broken, 'it', { text: 'x' }), /could not be checked: broken rule/);
  });

  test('takes the effect from the annotations, and tries again only what may be', async () => {
    const annotated = (annotations?: Tool['annotations']) => doing(() => 1, annotations && { annotations });
    const facts = async (annotations?: Tool['annotations']) => {
      const call = await prepared(createToolManager({ tools: annotated(annotations) }), 'it', { text: 'x' });
      return [call.effect, call.retry?.maxAttempts];
    };
    assert.deepEqual(await facts(), ['once', 1]);
    assert.deepEqual(await facts({ destructiveHint: false, openWorldHint: false }), ['once', 1]);
    assert.deepEqual(await facts({ idempotentHint: true }), ['idempotent', 3]);
    assert.deepEqual(await facts({ readOnlyHint: true }), ['read', 3]);
    assert.deepEqual(await facts({ readOnlyHint: false, idempotentHint: true }), ['idempotent', 3]);
  });

  test('takes the annotations of a call from annotationsFor, and refuses the call when it throws', async () => {
    const annotationsFor = ({ text }: { text: string }) => {
      if (text === 'bad') throw new Error('no such server');
      return { readOnlyHint: text === 'read' };
    };
    const proxy = createToolManager({ tools: doing(() => 1, { annotationsFor: annotationsFor as never }) });
    assert.equal((await prepared(proxy, 'it', { text: 'read' })).effect, 'read');
    assert.equal((await prepared(proxy, 'it', { text: 'write' })).effect, 'once');
    assert.equal(await refusal(proxy, 'it', { text: 'bad' }), 'no such server');
  });

  test('refuses a call whose tool asks for nothing that is known', async () => {
    for (const asked of [null, undefined, {}, { kind: 'favour' }]) {
      const tool = { description: 'Asks', input: z.object({}), ask: () => asked as never };
      const prepared = await createToolManager({ tools: { t: tool } }).prepare({
        callId: 'c',
        tool: 't',
        input: {},
      });
      assert.deepEqual(prepared, { refused: true, message: 'The tool t asks for nothing that is known' });
    }
  });

  test('asks for an approval as the tool says, and when its rule throws', async () => {
    const asks = async (approval: unknown, text = 'x') => {
      const tools = doing(() => 1, { approval } as Partial<Tool>);
      return (await prepared(createToolManager({ tools }), 'it', { text })).needsApproval;
    };
    assert.equal(await asks('never'), false);
    assert.equal(await asks('always'), true);
    const rule = ({ text }: { text: string }) => text === 'dangerous';
    assert.deepEqual([await asks(rule), await asks(rule, 'dangerous')], [false, true]);
    assert.equal(
      await asks(() => {
        throw new Error('broken');
      }),
      true,
    );
  });

  test('the digest changes with name, description, schema, annotations, tier and secrets, and with nothing else', async () => {
    const digest = async (name: string, tool: Tool) =>
      (await prepared(createToolManager({ tools: { [name]: tool } }), name, { text: 'x', b: 1 })).digest;
    const base = await digest('it', echo);
    const { description, input } = echo;
    const inProcess = { description, input, isolation: 'process', module: new URL('file:///x.js') } as const;
    assert.match(base, /^[0-9a-f]{64}$/);
    assert.equal(await digest('it', { ...echo, timeoutMs: 5, execute: () => 2 } as Tool), base);
    const changed = [
      await digest('other', echo),
      await digest('it', { ...echo, description: 'Says it again.' }),
      await digest('it', { ...echo, input: z.object({ text: z.string(), b: z.int() }) }),
      await digest('it', { ...echo, annotations: { readOnlyHint: true } }),
      await digest('it', { ...echo, secrets: ['KEY'] }),
      await digest('it', { ...echo, secrets: ['KEY', 'OTHER'] }),
      await digest('it', inProcess),
      await digest('it', { ...inProcess, isolation: 'sandbox' }),
      await digest('it', { ...inProcess, isolation: 'sandbox', sandbox: { read: ['/a'] } }),
      await digest('it', { ...inProcess, isolation: 'sandbox', sandbox: { write: ['/a'] } }),
      await digest('it', { ...inProcess, isolation: 'sandbox', sandbox: { programs: true } }),
    ];
    assert.equal(new Set([base, ...changed]).size, 1 + changed.length);
    assert.equal(
      await digest('it', { ...echo, secrets: ['OTHER', 'KEY', 'KEY'] }),
      changed[5],
      'in whatever order',
    );
  });
});

suite('arguments whose check never ends', () => {
  const endless = defineTool({
    description: 'd',
    input: {
      jsonSchema: { type: 'object' },
      validate: { '~standard': { version: 1, vendor: 'test', validate: () => new Promise<never>(() => {}) } },
    },
    timeoutMs: 20,
    execute: () => 'never',
  });
  const call = { callId: 'c1', tool: 'it', input: {} };

  test('are refused when the time of the tool is up', async () => {
    const refused = await refusal(createToolManager({ tools: { it: endless } }), 'it', {});
    assert.equal(refused, 'The arguments of it could not be checked within 20 ms');
  });

  test('do not hold a run that is stopped', async () => {
    const stopping = new AbortController();
    const manager = createToolManager({ tools: { it: { ...endless, timeoutMs: 1_000_000 } } });
    const preparing = manager.prepare(call, stopping.signal);
    stopping.abort(new OpspawnError('cancelled', 'enough'));
    await assert.rejects(preparing, failure('cancelled', /enough/));
  });
});
