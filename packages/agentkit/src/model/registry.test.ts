import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite, test } from 'node:test';
import { inspect, promisify } from 'node:util';
import { defineAgent } from '../define-agent.ts';
import { OpspawnError } from '../errors.ts';
import type { Model } from './model.ts';
import { createModelRegistry, defaultModelSpec } from './registry.ts';

const fake = (id: string): Model => ({ id, call: () => Promise.reject(new Error('not asked')) });
const config = (variable: string) => (thrown: unknown) =>
  thrown instanceof OpspawnError && thrown.code === 'config_invalid' && thrown.message.includes(variable);

suite('resolve', () => {
  test('finds the model of a given provider, also in place of a built-in one', async () => {
    const providers = {
      scripted: (name: string) => fake(`scripted/${name}`),
      openai: () => Promise.resolve(fake('mine')),
    };
    const registry = createModelRegistry({ environment: {}, providers });
    assert.equal((await registry.resolve('scripted/a/b')).id, 'scripted/a/b');
    assert.equal((await registry.resolve('openai/x')).id, 'mine');
  });

  test('refuses what is no model', async () => {
    for (const given of [undefined, null, 5, {}, { id: 'a' }]) {
      const registry = createModelRegistry({ providers: { odd: () => given as never }, environment: {} });
      await assert.rejects(registry.resolve('odd/x'), {
        code: 'config_invalid',
        message: /odd\/x gave no model/,
      });
    }
  });

  test('gives models whose failures do not quote the key, whatever secrets the run has', async (t) => {
    const server = createServer((request, response) => {
      response.writeHead(401, { 'content-type': 'application/json' });
      const message = `no such key: ${request.headers.authorization}`;
      response.end(JSON.stringify({ error: { message } }));
    }).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const environment = { OPENAI_API_KEY: 'sk-1234567890', OPENAI_BASE_URL: `http://127.0.0.1:${port}` };
    const models = createModelRegistry({ environment });
    const agent = defineAgent({ name: 'a', instructions: 'b', model: 'openai/gpt-5.4-mini' });
    await assert.rejects(agent.run('x', { models }), (thrown) => {
      assert.match(String(thrown), /HTTP 401.*no such key: Bearer \[redacted\]/);
      assert.doesNotMatch(inspect(thrown, { depth: 10 }), /sk-1234567890/);
      return true;
    });
  });

  test('gives the same model for the same name', async () => {
    const registry = createModelRegistry({ environment: { OPENAI_API_KEY: 'k' } });
    const [a, b] = await Promise.all([
      registry.resolve('openai/gpt-4.1'),
      registry.resolve('openai/gpt-4.1'),
    ]);
    assert.equal(a, b);
    assert.equal(a.id, 'openai/gpt-4.1');
    assert.equal(a.price?.inputMicroUsd, 2_000_000);
  });

  test('names the variable that is missing, and works once it is there', async () => {
    const environment: Record<string, string> = {};
    const registry = createModelRegistry({ environment });
    const needed = {
      'openai/x': 'OPENAI_API_KEY',
      'anthropic/x': 'ANTHROPIC_API_KEY',
      'google/x': 'GOOGLE_GENERATIVE_AI_API_KEY',
      'openrouter/x': 'OPENROUTER_API_KEY',
      'compatible/x': 'AGENTKIT_LLM_BASE_URL',
    };
    for (const [spec, variable] of Object.entries(needed)) {
      await assert.rejects(registry.resolve(spec), config(variable));
      environment[variable] = '';
      await assert.rejects(registry.resolve(spec), config(variable));
      environment[variable] = 'http://127.0.0.1/v1';
      assert.equal((await registry.resolve(spec)).id, spec);
    }
  });

  test('says which providers there are when it knows none of that name', async () => {
    const registry = createModelRegistry({ environment: {}, providers: { scripted: fake } });
    for (const spec of ['opnai/x', 'constructor/x', '__proto__/x']) {
      await assert.rejects(registry.resolve(spec), {
        code: 'invalid_argument',
        message: `No provider for the model ${spec}. Known: anthropic, cassette, compatible, google, openai, openrouter, scripted`,
      });
    }
    for (const spec of ['', '/', 'openai', 'openai/', '/x']) {
      await assert.rejects(registry.resolve(spec), {
        code: 'invalid_argument',
        message: /named provider\/model/,
      });
    }
  });

  test('knows the default model, or says how to configure one', async () => {
    const providers = { scripted: (name: string) => fake(`scripted/${name}`) };
    const given = createModelRegistry({
      environment: { OPENAI_API_KEY: 'k' },
      providers,
      default: 'scripted/a',
    });
    assert.equal((await given.resolve('default')).id, 'scripted/a');
    const environment = { AGENTKIT_LLM_PROVIDER: 'scripted', AGENTKIT_LLM_MODEL: 'b' };
    assert.equal((await createModelRegistry({ environment, providers }).resolve('default')).id, 'scripted/b');
    const none = createModelRegistry({ environment: {} }).resolve('default');
    await assert.rejects(none, config('AGENTKIT_LLM_PROVIDER'));
    await assert.rejects(none, config('ANTHROPIC_API_KEY'));
  });

  test('loads no provider before one of its models is asked for', async () => {
    const registry = new URL('./registry.ts', import.meta.url).href;
    const code = `
      const { createModelRegistry } = await import(${JSON.stringify(registry)});
      createModelRegistry({ environment: { OPENAI_API_KEY: 'k' } });
      console.log(JSON.stringify(globalThis.loaded));
    `;
    const hooks = `
      import { registerHooks } from 'node:module';
      globalThis.loaded = [];
      registerHooks({ resolve: (name, context, next) => { globalThis.loaded.push(name); return next(name, context); } });
    `;
    const preload = `data:text/javascript,${encodeURIComponent(hooks)}`;
    const run = promisify(execFile);
    const { stdout } = await run(process.execPath, ['--import', preload, '--input-type=module', '-e', code]);
    const loaded = JSON.parse(stdout) as string[];
    assert.ok(loaded.some((name) => name.endsWith('registry.ts')));
    assert.deepEqual(
      loaded.filter((name) => name.startsWith('@')),
      [],
    );
  });
});

suite('the default model', () => {
  test('is what AGENTKIT_LLM_PROVIDER and AGENTKIT_LLM_MODEL say, whatever keys there are', () => {
    const environment = {
      OPENAI_API_KEY: 'k',
      AGENTKIT_LLM_PROVIDER: 'compatible',
      AGENTKIT_LLM_MODEL: 'qwen3:8b',
    };
    assert.equal(defaultModelSpec(environment), 'compatible/qwen3:8b');
    assert.equal(defaultModelSpec({ AGENTKIT_LLM_PROVIDER: 'anthropic' }), 'anthropic/claude-sonnet-4-6');
  });

  test('is that of the first key, in the stated order', () => {
    const keys = [
      'OPENROUTER_API_KEY',
      'GOOGLE_GENERATIVE_AI_API_KEY',
      'ANTHROPIC_API_KEY',
      'OPENAI_API_KEY',
    ];
    const environment: Record<string, string> = {};
    const found = keys.map((key) => {
      environment[key] = 'k';
      return defaultModelSpec(environment);
    });
    assert.deepEqual(found, [
      'openrouter/openai/gpt-5.4-mini',
      'google/gemini-3.5-flash',
      'anthropic/claude-sonnet-4-6',
      'openai/gpt-5.4-mini',
    ]);
  });

  test('is none when nothing is set, and an error when half of it is', () => {
    assert.equal(defaultModelSpec({}), undefined);
    assert.equal(defaultModelSpec({ OPENAI_API_KEY: '', AGENTKIT_LLM_PROVIDER: '' }), undefined);
    assert.throws(
      () => defaultModelSpec({ AGENTKIT_LLM_MODEL: 'x' }),
      config('AGENTKIT_LLM_PROVIDER is not set'),
    );
    assert.throws(
      () => defaultModelSpec({ AGENTKIT_LLM_PROVIDER: 'compatible' }),
      config('AGENTKIT_LLM_MODEL is not set'),
    );
  });
});
