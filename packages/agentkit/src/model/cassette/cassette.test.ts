import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { LLMock } from '@copilotkit/aimock';
import { add, agentWith, withCode } from '../../../test/tester.ts';
import { openWireProxy, type WireProxy } from '../../../test/wire-proxy.ts';
import { OpspawnError } from '../../errors.ts';
import { runAgent } from '../../run/run-agent.ts';
import { secretsFrom } from '../../security/secrets.ts';
import { createSecurityManager } from '../../security/security-rules.ts';
import { callTool, collectEvents, memoryEnvironment, scriptedModel } from '../../testing.ts';
import { fallbackModel } from '../fallback-model.ts';
import type { Model, ModelRequest } from '../model.ts';
import { createModelRegistry } from '../registry.ts';
import type { CassetteMode } from './cassette-options.ts';
import { openCassette } from './open-cassette.ts';

const apiKey = 'sk-live-0123456789';
const mock = new LLMock({ port: 0 });
let proxy: WireProxy;
let folder: string;

before(async () => {
  mock.on(
    { userMessage: 'one and two', hasToolResult: false },
    { toolCalls: [{ name: 'add', arguments: '{"a":1,"b":2}', id: 'call_1' }] },
  );
  mock.on({ userMessage: 'one and two', hasToolResult: true }, { content: 'The answer is three, surely.' });
  proxy = await openWireProxy(await mock.start());
});
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await mock.stop();
});
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cassettes-'));
  proxy.bodies.length = 0;
});
afterEach(() => rm(folder, { recursive: true }));

const environmentFor = (mode?: CassetteMode) => ({
  AGENTKIT_LLM_BASE_URL: `${proxy.url}/v1`,
  AGENTKIT_LLM_API_KEY: apiKey,
  AGENTKIT_CASSETTE_MODEL: 'compatible/llama',
  AGENTKIT_CASSETTE_FOLDER: folder,
  ...(mode && { AGENTKIT_CASSETTE_MODE: mode }),
});

/** One run over `cassette/sum`, as a user's test would have it. */
async function sum(mode?: CassetteMode, prompt = 'What is one and two?', secrets: string[] = []) {
  const events = collectEvents();
  const environment = memoryEnvironment({
    onEvent: events.onEvent,
    security: createSecurityManager({ secrets: secretsFrom(Object.fromEntries(secrets.entries())) }),
  });
  const models = createModelRegistry({ environment: environmentFor(mode) });
  const agent = { ...agentWith([]), model: 'cassette/sum' };
  const { output } = await runAgent(agent, { prompt }, { ...environment, models });
  return { output, deltas: events.of('text.delta').map(({ text }) => text) };
}

const cassette = () => readFile(join(folder, 'sum.jsonl'), 'utf8');

describe('a cassette', () => {
  it('records real exchanges once, and replays answers and deltas without the model', async () => {
    const recorded = await sum();
    assert.equal(recorded.output, 'The answer is three, surely.');
    assert.ok(recorded.deltas.length > 1);
    const asked = proxy.bodies.length;
    assert.equal(asked, 2);
    const text = await cassette();
    for (const mode of ['replay', 'auto', 'replay'] as const) assert.deepEqual(await sum(mode), recorded);
    assert.equal(proxy.bodies.length, asked);
    assert.equal(await cassette(), text);
  });

  it('recorded again of the same exchanges is the same file, one line each and nothing twice', async () => {
    await sum('record');
    const first = await cassette();
    await sum('record');
    assert.equal(await cassette(), first);
    const [head, tools, one, two, end] = first.split('\n');
    assert.equal(end, '');
    assert.match(head!, /^\{"cassette":1,"model":\{"id":"compatible\/llama"/);
    assert.match(tools!, /^\{"tools":"[0-9a-f]{12}","specs":\[\{"name":"add"/);
    assert.equal(JSON.parse(one!).request.messages.length, 2);
    assert.deepEqual(
      [
        JSON.parse(two!).request.after,
        JSON.parse(two!).request.messages.map((each: { role: string }) => each.role),
      ],
      [1, ['tool']],
    );
  });

  it('says what changed when the request is another one, and is not tried again', async () => {
    await sum('record');
    const changed = sum('replay', 'What is one and two, then?');
    await assert.rejects(changed, (thrown: Error & { details: Record<string, unknown> }) => {
      assert.ok(withCode('model_rejected')(thrown));
      assert.match(thrown.message, /sum\.jsonl holds no answer to this request\. Nearest is exchange 1:/);
      assert.deepEqual(thrown.details.differences, [
        'messages[1].content[0].text: recorded "What is one and two?", now "What is one and two, then?"',
      ]);
      return true;
    });
    assert.equal(proxy.bodies.length, 2);
  });

  it('never holds a key, a secret that the run knows, or one that came in pieces', async () => {
    const secret = 'three, surely';
    const prompt = `What is one and two? My key is ${apiKey}, my word is hunter2-hunter2.`;
    const recorded = await sum('record', prompt, [secret, 'hunter2-hunter2']);
    const text = await cassette();
    for (const known of [apiKey, secret, 'hunter2', 'surely']) assert.ok(!text.includes(known), known);
    assert.equal(recorded.output, 'The answer is [redacted].');
    const replayed = await sum('replay', prompt, [secret, 'hunter2-hunter2']);
    assert.equal(replayed.output, recorded.output);
  });

  it('that is missing is said before anything is asked, where only a replay is allowed', async () => {
    await assert.rejects(sum('replay'), withCode('config_invalid'));
    await assert.rejects(sum('other' as CassetteMode), withCode('config_invalid'));
    assert.equal(proxy.bodies.length, 0);
  });

  it('is not recorded from another cassette', async () => {
    const environment = { ...environmentFor('record'), AGENTKIT_CASSETTE_MODEL: 'cassette/other' };
    const models = createModelRegistry({ environment: { ...environment, OPENAI_API_KEY: apiKey } });
    await assert.rejects(
      async () => models.resolve('cassette/sum'),
      /AGENTKIT_CASSETTE_MODEL names the model/,
    );
  });

  it('that is broken names its line', async () => {
    await sum('record');
    const lines = (await cassette()).split('\n');
    for (const [line, text] of [
      [1, '{}'],
      [2, lines[1]!.slice(0, 40)],
      [4, lines[3]!.replace('"after":1', '"after":7')],
    ] as const) {
      await writeFile(join(folder, 'sum.jsonl'), lines.with(line - 1, text).join('\n'));
      await assert.rejects(sum('replay'), { message: new RegExp(`sum\\.jsonl:${line} is no line`) });
    }
  });

  it('leaves its folder for no name', async () => {
    const models = createModelRegistry({ environment: environmentFor() });
    for (const name of ['../sum', '/etc/x', 'a/../../b', '.hidden', 'a//b'])
      await assert.rejects(models.resolve(`cassette/${name}`), withCode('invalid_argument'), name);
  });
});

describe('a cassette of any model', () => {
  const request = (text: string): ModelRequest => ({
    messages: [{ role: 'user', content: [{ type: 'text', text }] }],
    tools: [],
    signal: new AbortController().signal,
  });
  const open = (original: Model, mode: CassetteMode) =>
    openCassette({ id: 'cassette/any', path: join(folder, 'any.jsonl'), mode, original: () => original });
  const textOf = async (reply: ReturnType<Model['call']>) => JSON.stringify((await reply).message.content);

  it('keeps what is known of the model, so that a limit on cost holds in a replay too', async () => {
    const original = scriptedModel({ name: 'm', reply: 'x', contextTokens: 1000, maxOutputTokens: 50 });
    await (await open(original, 'record')).call(request('a'));
    const { id, contextTokens, maxOutputTokens, price } = await open(original, 'replay');
    assert.deepEqual(
      { id, contextTokens, maxOutputTokens, price },
      { ...{ contextTokens: 1000, maxOutputTokens: 50, price: original.price }, id: 'cassette/any' },
    );
  });

  it('plays equal requests in the order of the recording, and the last answer from then on', async () => {
    let n = 0;
    const original = scriptedModel({ name: 'm', reply: () => `answer ${++n}` });
    const recording = await open(original, 'record');
    for (let i = 0; i < 2; i += 1) await recording.call(request('again'));
    const model = await open(original, 'replay');
    const said: string[] = [];
    for (let i = 0; i < 3; i += 1) said.push(await textOf(model.call(request('again'))));
    assert.deepEqual(
      said.map((text) => /answer \d/.exec(text)?.[0]),
      ['answer 1', 'answer 2', 'answer 2'],
    );
  });

  it('of a chain holds the pieces of the answer alone, without those of a model that broke off', async () => {
    const broken: Model = {
      id: 'x/broken',
      async call({ onDelta }) {
        onDelta?.({ kind: 'text', text: 'half of ' });
        throw new OpspawnError('model_failed', 'down');
      },
    };
    const chain = fallbackModel(broken, scriptedModel({ name: 'm', reply: 'whole' }));
    const shown: string[] = [];
    const watched: ModelRequest = {
      ...request('a'),
      onDelta: ({ text }) => void shown.push(text),
      onReset: () => void shown.push('reset'),
    };
    await (await open(chain, 'record')).call(watched);
    await (await open(chain, 'replay')).call(watched);
    assert.deepEqual(shown, ['half of ', 'reset', 'whole', 'whole']);
    await (await open(chain, 'record')).call(request('a'));
    await assert.rejects(
      (await open(chain, 'record')).call({ ...request('a'), onDelta: () => {} }),
      withCode('model_failed'),
    );
  });

  it('is written in the order of the asking, whoever answers first, and without calls that failed', async () => {
    const gates = new Map<string, () => void>();
    const original = scriptedModel({
      name: 'm',
      reply: async ({ messages }) => {
        const text = JSON.stringify(messages).match(/slow|quick|fails/)![0];
        if (text === 'fails') throw new Error('no');
        if (text === 'slow') await new Promise<void>((resolve) => gates.set(text, resolve));
        return text;
      },
    });
    const model = await open(original, 'record');
    const slow = model.call(request('slow'));
    await assert.rejects(model.call(request('fails')));
    await model.call(request('quick'));
    gates.get('slow')!();
    await slow;
    const text = await readFile(join(folder, 'any.jsonl'), 'utf8');
    assert.deepEqual(
      text.split('\n').map((line) => /"text":"(slow|quick|fails)"/.exec(line)?.[1]),
      [undefined, 'slow', 'quick', undefined],
    );
  });

  it('leaves the old file when the first call of a new recording fails', async () => {
    await (await open(scriptedModel({ name: 'm', reply: 'kept' }), 'record')).call(request('a'));
    const broken = scriptedModel({ name: 'm', steps: [] });
    await assert.rejects((await open(broken, 'record')).call(request('a')));
    assert.match(await textOf((await open(broken, 'replay')).call(request('a'))), /kept/);
  });

  it('is never written by two recordings at once', async () => {
    const original = scriptedModel({ name: 'm', reply: 'x' });
    const [first, second] = [await open(original, 'record'), await open(original, 'record')];
    await first.call(request('first'));
    await second.call(request('second'));
    await assert.rejects(first.call(request('mixed')), withCode('config_invalid'));
    await second.call(request('third'));
    const text = await readFile(join(folder, 'any.jsonl'), 'utf8');
    assert.deepEqual(text.match(/first|second|mixed|third/g), ['second', 'third']);
  });

  it('says what is wrong with a path that cannot be read or written', async () => {
    const original = () => scriptedModel({ name: 'm', reply: 'x' });
    await assert.rejects(
      openCassette({ id: 'cassette/any', path: folder, original }),
      withCode('config_invalid'),
    );
    await writeFile(join(folder, 'file'), '');
    const path = join(folder, 'file', 'any.jsonl');
    const model = await openCassette({ id: 'cassette/any', path, mode: 'record', original });
    await assert.rejects(
      model.call(request('a')),
      ({ message }: Error) => /cannot be written/.test(message) && !/another recording/.test(message),
    );
  });

  it('goes with tools whose list changes in the middle', async () => {
    const steps = [callTool('add', { a: 1, b: 2 }), 'done'];
    const path = join(folder, 'any.jsonl');
    const play = async (mode: CassetteMode) => {
      const original = () => scriptedModel({ name: 'm', steps });
      const model = await openCassette({ id: 'cassette/any', path, mode, original });
      const agent = { ...agentWith([]), model, tools: { add } };
      return (await runAgent(agent, { prompt: 'go' }, memoryEnvironment())).output;
    };
    assert.equal(await play('record'), 'done');
    assert.equal(await play('replay'), 'done');
  });
});
