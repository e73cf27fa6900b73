import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { NamespaceSettings, Task } from '@opspawn/sdk';
import { opspawn, startOpspawn } from './opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));

it('commands on a database work in the namespace that is named, and see no other', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'opspawn-namespaces-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  const run = async (args: readonly string[], env: Record<string, string> = {}) =>
    await opspawn(args, { cwd, env });
  const local = ['--data', 'data'];
  const idsOf = async (args: readonly string[], env?: Record<string, string>): Promise<string[]> => {
    const { code, stdout, stderr } = await run(['task', 'list', '--json', ...args], env);
    assert.equal(code, 0, stderr);
    return stdout
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as Task).id);
  };
  const greet = async (args: readonly string[], env?: Record<string, string>): Promise<string> => {
    const asked = ['run', 'greet', '{"who":"you"}', '--config', config, '--json', ...local, ...args];
    const { code, stdout, stderr } = await run(asked, env);
    assert.equal(code, 0, stderr);
    return (JSON.parse(stdout) as Task).id;
  };
  const inDefault = await greet([]);
  const inTeam = await greet(['--namespace', 'team-a']);
  const byVariable = await greet([], { OPSPAWN_NAMESPACE: 'team-b' });
  assert.deepEqual(await idsOf(local), [inDefault]);
  assert.deepEqual(await idsOf([...local, '--namespace', 'team-a']), [inTeam]);
  assert.deepEqual(await idsOf(local, { OPSPAWN_NAMESPACE: 'team-b' }), [byVariable]);
  const overridden = [...local, '--namespace', 'default'];
  assert.deepEqual(await idsOf(overridden, { OPSPAWN_NAMESPACE: 'team-b' }), [inDefault]);
  assert.equal((await run(['task', 'get', inTeam, ...local])).code, 4);
  const wrong = await run(['task', 'list', ...local, '--namespace', 'no name']);
  assert.equal(wrong.code, 2, wrong.stderr);
  assert.match(wrong.stderr, /The namespace /);

  const set = ['settings', 'set', '--weight', '3', ...local, '--namespace', 'team-a'];
  assert.equal((await run(set)).code, 0);
  const got = await run(['settings', 'get', '--json', ...local], { OPSPAWN_NAMESPACE: 'team-a' });
  assert.equal((JSON.parse(got.stdout) as NamespaceSettings).weight, 3);
});

it('with a server the key decides, and naming another namespace is refused', async (t) => {
  const cwd = mkdtempSync(join(tmpdir(), 'opspawn-namespaces-'));
  t.after(() => rmSync(cwd, { recursive: true }));
  const keyOf = async (env: Record<string, string>): Promise<Record<string, string>> => {
    const made = await opspawn(['key', 'create', '--name', 'ada'], { cwd, env });
    assert.equal(
      /It is the first: within a second every server wants a key/.test(made.stderr),
      env.OPSPAWN_NAMESPACE === undefined,
    );
    return { OPSPAWN_API_KEY: made.stdout.trim() };
  };
  const operator = await keyOf({});
  const team = await keyOf({ OPSPAWN_NAMESPACE: 'team-a' });
  await using server = await startOpspawn<{ url: string }>(['server', '--port', '0'], { cwd });
  const list = (env: Record<string, string>, ...args: readonly string[]) =>
    opspawn(['task', 'list', '--url', server.facts.url, ...args], { cwd, env });
  assert.equal((await list(operator, '--namespace', 'default')).code, 0);
  assert.equal((await list(team, '--namespace', 'team-a')).code, 0);
  assert.equal((await list({ ...team, OPSPAWN_NAMESPACE: 'team-a' })).code, 0);
  const refused = await list(operator, '--namespace', 'team-a');
  assert.equal(refused.code, 2, refused.stderr);
  assert.match(refused.stderr, /works in the namespace default, and not in team-a[\s\S]*the key decides/);
  const byVariable = await list({ ...team, OPSPAWN_NAMESPACE: 'default' });
  assert.equal(byVariable.code, 2, byVariable.stderr);
  assert.match(byVariable.stderr, /works in the namespace team-a, and not in default/);
});
