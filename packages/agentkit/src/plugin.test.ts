import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { add, withCode } from '../test/tester.ts';
import { defineAgent } from './define-agent.ts';
import { createModelRegistry } from './model/registry.ts';
import { react } from './planner/react.ts';
import { definePlugin, type ListedPlugin } from './plugin.ts';
import { callTool, scriptedModel } from './testing.ts';

const reckoning = definePlugin({
  name: 'reckoning',
  version: '1.2.3',
  tools: { add },
  planners: { plain: react },
  models: (name) =>
    scriptedModel({
      name,
      reply: ({ messages, tools }) =>
        messages.at(-1)?.role === 'tool' ? 'done' : callTool(tools[0]?.name ?? '', { a: 1, b: 2 }),
    }),
  guardrails: { polite: (prompt: string) => (prompt.includes('please') ? undefined : 'no please') },
});

describe('a plugin', () => {
  it('brings tools, planners, guardrails and models to an agent, under names of its own', async () => {
    const agent = defineAgent({
      name: 'user',
      instructions: 'Reckon.',
      model: 'reckoning/small',
      tools: { ...reckoning.tools },
      planner: reckoning.planners.plain,
      guardrails: { input: [reckoning.guardrails.polite] },
    });
    const models = createModelRegistry({ plugins: [reckoning], environment: {} });
    assert.deepEqual(Object.keys(reckoning.tools), ['reckoning__add']);
    const { output, toolCalls } = await agent.run('please', { models });
    assert.deepEqual([output, toolCalls], ['done', 1]);
    await assert.rejects(agent.run('now', { models }), {
      code: 'guardrail_tripped',
      details: { guardrail: 'reckoning__polite', on: 'input', reason: 'no please' },
    });
  });

  it('is refused where it is listed when it cannot work there, and says why', () => {
    const list = (...plugins: ListedPlugin[]) => createModelRegistry({ plugins, environment: {} });
    assert.throws(
      () => list({ ...reckoning, interface: 2 }),
      /reckoning 1\.2\.3 was made for plugin interface 2; this agentkit has interface 1/,
    );
    const throwing = { ...reckoning };
    Object.defineProperty(throwing, 'interface', {
      get() {
        throw new Error('boom');
      },
    });
    assert.throws(() => list(throwing), { code: 'config_invalid', message: /cannot be read: .*boom/ });
    assert.throws(
      () => list({ ...reckoning, name: '__proto__', models: 5 } as never),
      /- name: must be 1 to 32 .*\n- models: must be a function/,
    );
    assert.throws(() => list({ name: 'x' } as never), /The plugin x is none: definePlugin/);
    assert.throws(() => list(null as never), /The plugin without a name is none: definePlugin/);
    assert.throws(
      () => list(reckoning, { ...reckoning, version: '2.0.0' }),
      /listed twice, as 1\.2\.3 and 2\.0\.0/,
    );
    assert.throws(() => list(definePlugin({ name: 'openai', version: '1.0.0' })), /name of a provider/);
  });

  it('whose models cannot be had says whose they are', async () => {
    for (const fail of [
      () => Promise.reject(new TypeError('boom')),
      () => {
        throw new TypeError('boom');
      },
    ]) {
      const plugins = [definePlugin({ name: 'broken', version: '1.0.0', models: fail })];
      const models = createModelRegistry({ plugins, environment: {} });
      const message = 'The provider of broken/m failed: boom';
      await assert.rejects(models.resolve('broken/m'), { code: 'internal', message });
    }
  });

  it('is checked when it is made', () => {
    const wrong: [object, RegExp][] = [
      [{ name: 'Big', version: '1.0.0' }, /name: must be/],
      [{ name: 'a', version: 'new' }, /version: must be/],
      [{ name: 'a', version: '1.0.0', tool: {} }, /tool/],
      [{ name: 'a', version: '1.0.0', tools: { 'a b': add } }, /tools/],
      [{ name: 'a', version: '1.0.0', tools: { add: undefined } }, /- tools\.add: /],
      [{ name: 'a', version: '1.0.0', tools: { add: { ...add, timeout: 5 } } }, /- tools\.add\.timeout: /],
      [{ name: 'a', version: '1.0.0', planners: { plain: {} } }, /- planners\.plain: must be an object with/],
      [{ name: 'a', version: '1.0.0', memories: { own: 5 } }, /- memories\.own: must be an object with/],
      [{ name: 'a', version: '1.0.0', guardrails: { polite: 'x' } }, /- guardrails\.polite: must be a func/],
      [
        { name: 'a'.repeat(32), version: '1.0.0', tools: { ['b'.repeat(31)]: add } },
        /- tools\.b+: is too long a name behind a+: 30 characters at most/,
      ],
    ];
    for (const [definition, message] of wrong)
      assert.throws(
        () => definePlugin(definition as never),
        (thrown) => withCode('config_invalid')(thrown) && message.test(String(thrown)),
      );
  });
});
