import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  call,
  everything,
  hostOf,
  nastyServer,
  ownServer,
  startedLate,
  type TestHost,
} from '../../test/mcp/hosting.ts';
import { groupMembers, until } from '../../test/mcp/processes.ts';
import type { McpServerStatus } from './mcp-host.ts';

const only = (host: TestHost): McpServerStatus => {
  const [status] = host.status();
  assert.ok(status);
  return status;
};

describe('supervised MCP servers', { timeout: 300_000 }, () => {
  it('fail a call that they die in, and answer the next one after a restart', async () => {
    await using host = hostOf({ everything });
    const tools = await host.tools(['everything']);
    const { pid } = only(host);
    const input = { duration: 60, steps: 600 };
    const calling = call(tools, 'everything__trigger-long-running-operation', input, {
      progress: () => process.kill(pid ?? 0, 'SIGKILL'),
    });
    await assert.rejects(calling, {
      code: 'mcp_failed',
      retryable: true,
      message: 'MCP server everything: was killed by SIGKILL (during trigger-long-running-operation)',
      details: { server: 'everything', subject: 'trigger-long-running-operation', outcome: 'unknown' },
    });
    assert.equal(await call(tools, 'everything__echo', { message: 'again' }), 'Echo: again');
    assert.equal(only(host).restarts, 1);
    assert.notEqual(only(host).pid, pid);
  });

  it('are restarted without being used, and say so', async () => {
    await using host = hostOf({ own: ownServer });
    await assert.rejects(call(await host.tools(['own']), 'own__crash'), {
      message: 'MCP server own: exited with code 7 (during crash)',
    });
    assert.deepEqual(only(host), {
      name: 'own',
      state: 'restarting',
      restarts: 0,
      error: 'MCP server own: exited with code 7',
    });
    await until(() => only(host).state === 'ready');
    assert.equal(only(host).restarts, 1);
    assert.ok(
      host.log.some(({ source, line }) => source === 'host' && line === 'MCP server own: exited with code 7'),
    );
  });

  it('count as failed after too many failures in a row, and are tried anew after a while', async () => {
    const restart = { maxAttempts: 3, initialDelayMs: 1, maxDelayMs: 1_500 };
    await using host = hostOf({ broken: { ...nastyServer('exits at once'), restart } });
    const error = {
      code: 'mcp_failed',
      retryable: true,
      message: /exited with code 3, saying: Error: no database given$/,
    };
    await assert.rejects(host.tools(['broken']), error);
    await until(() => only(host).state === 'failed');
    assert.equal(only(host).restarts, 2);
    await assert.rejects(host.tools(['broken']), (thrown: Error & { retryAfterMs?: number }) => {
      assert.match(thrown.message, /given up for now; last: .*no database given$/);
      return (thrown.retryAfterMs ?? 0) > 0 && (thrown.retryAfterMs ?? 0) <= 1_500;
    });
    await until(() => {
      void host.tools(['broken']).catch(() => {});
      return only(host).restarts > 2;
    });
  });

  it('fail clearly when there is no such command', async () => {
    await using host = hostOf({ typo: { command: 'no-such-command' } });
    await assert.rejects(host.tools(['typo']), {
      code: 'mcp_failed',
      message: /^MCP server typo: exited with code 127, saying: .*no-such-command: not found$/,
    });
  });

  it('fail when they are not ready in time, and are gone then', async () => {
    await using host = hostOf({ silent: { ...nastyServer('never answers'), startTimeoutMs: 2_000 } });
    const asking = host.tools(['silent']);
    await until(() => only(host).pid !== undefined);
    const { pid = 0 } = only(host);
    await assert.rejects(asking, {
      code: 'mcp_failed',
      message: 'MCP server silent: was not ready within 2000 ms',
    });
    assert.deepEqual(groupMembers(pid), []);
  });

  it('do not keep a caller waiting who no longer wants them', async () => {
    await using host = hostOf({ silent: nastyServer('never answers') });
    const reason = new Error('enough');
    const controller = new AbortController();
    const asking = host.tools(['silent'], { signal: controller.signal });
    controller.abort(reason);
    await assert.rejects(asking, reason);
  });

  it('are restarted when they stop answering at all', async () => {
    await using host = hostOf({
      modern: { ...ownServer, callTimeoutMs: 2_500 },
      legacy: { ...everything, callTimeoutMs: 2_500 },
    });
    const tools = await host.tools(['modern', 'legacy']);
    process.kill(host.status()[1]?.pid ?? 0, 'SIGSTOP');
    const unanswered = [call(tools, 'modern__hang'), call(tools, 'legacy__echo', { message: 'x' })];
    await Promise.all(unanswered.map((each) => assert.rejects(each, { code: 'timeout' })));
    await until(() => host.status().every(({ restarts, state }) => restarts === 1 && state === 'ready'));
    assert.equal(await call(tools, 'modern__get_user'), 'get_user');
    assert.equal(await call(tools, 'legacy__echo', { message: 'x' }), 'Echo: x');
    assert.ok(host.log.some(({ line }) => line === 'MCP server modern: stopped answering'));
  });

  it('may print a banner, and may die of requests that they do not know', async () => {
    await using host = hostOf({
      banner: nastyServer('prints a banner'),
      old: nastyServer('dies of unknown requests'),
    });
    const tools = await host.tools(['banner', 'old']);
    assert.equal(await call(tools, 'banner__work'), 'worked');
    assert.equal(await call(tools, 'old__work'), 'worked');
    assert.deepEqual(
      host.status().map(({ restarts }) => restarts),
      [0, 0],
    );
    const odd = host.log.flatMap(({ source, line }) => (source === 'protocol' ? [line] : []));
    assert.deepEqual(odd, ['Welcome to Nasty 1.0!', '', '{"half": ']);
  });

  it('are not waited for when they answer a ping and not what they do not know, and may be slow to tell their era', async () => {
    await using host = hostOf({
      old: nastyServer('answers no unknown request'),
      slow: nastyServer('is slow to tell its era'),
      late: startedLate(ownServer),
    });
    const tools = await host.tools(['old', 'slow', 'late']);
    assert.equal(await call(tools, 'late__get_user'), 'get_user');
    assert.equal(await call(tools, 'old__work'), 'worked');
    assert.equal(await call(tools, 'slow__work'), 'worked');
    const heard = host.log.flatMap(({ server, source, line }) =>
      server === 'old' && source === 'stderr' ? [line] : [],
    );
    assert.deepEqual(heard.slice(0, 3), ['server/discover', 'ping', 'initialize']);
    assert.deepEqual(
      host.status().map(({ restarts }) => restarts),
      [0, 0, 0],
    );
  });

  it('are stopped when they flood their stdout', async () => {
    const ways = {
      'floods stdout': /writes to stdout what is no MCP message/,
      'sends an endless line': /message of over 10 MB/,
    };
    for (const [way, message] of Object.entries(ways)) {
      await using host = hostOf({ nasty: nastyServer(way) });
      await assert.rejects(call(await host.tools(['nasty']), 'nasty__work'), { code: 'mcp_failed', message });
    }
  });

  it('get an error for nonsense, at the start and later', async () => {
    await using host = hostOf({
      late: nastyServer('answers nonsense'),
      early: { ...nastyServer('answers the start with nonsense'), startTimeoutMs: 2_000 },
    });
    await assert.rejects(call(await host.tools(['late']), 'late__work'), { code: 'mcp_failed' });
    assert.equal(host.status()[0]?.state, 'ready');
    await assert.rejects(host.tools(['early']), { code: 'mcp_failed' });
  });

  it('cannot keep us busy with a pattern of theirs', async () => {
    await using host = hostOf({ nasty: nastyServer('keeps the checker of its results busy') });
    const message = /cannot be checked: The pattern .* takes too long/;
    await assert.rejects(call(await host.tools(['nasty']), 'nasty__work'), { code: 'tool_failed', message });
  });

  it('keeps the valid tools of a list that holds others, and says once of each what is wrong', async () => {
    await using host = hostOf({ nasty: nastyServer('lists tools that are none') });
    const tools = await host.tools(['nasty']);
    assert.equal(await call(tools, 'nasty__work'), 'worked');
    const told = host.log.filter(({ source }) => source === 'host').map(({ line }) => line);
    for (const name of ['"no_schema"', '"list"', 'number 3', 'number 4', 'number 5', 'number 6', '"hints"'])
      assert.equal(told.filter((line) => line.startsWith(`leaves out the tool ${name}, `)).length, 1, name);
    assert.match(told.join('\n'), /leaves out the tool "deep", which is not valid: it is nested too deeply/);
    assert.match(told.join('\n'), /"hints", which is not valid: annotations\.readOnlyHint: /);
    assert.deepEqual(Object.keys(tools), ['nasty__work']);
    assert.match(
      told.join('\n'),
      /tool lost describes its arguments by no JSON Schema: properties\.a\.\$ref: can't resolve/,
    );
    assert.match(
      told.join('\n'),
      /tool untold describes its results by no JSON Schema: properties\.a\.pattern: /,
    );
    assert.match(
      told.join('\n'),
      /the tool odd describes its arguments by no JSON Schema: properties\.a(\.\w+)?: must be/,
    );
  });

  it('cannot flood the log', async () => {
    await using host = hostOf({ nasty: nastyServer('floods stderr') });
    assert.equal(await call(await host.tools(['nasty']), 'nasty__work'), 'worked');
    assert.ok(host.log.length < 5_000);
    for (const { line } of host.log) assert.ok(line.length <= 8 * 1024 + 1);
  });

  it('leave no process when the host is disposed, whatever they are doing', async () => {
    const host = hostOf({
      own: ownServer,
      stubborn: nastyServer('does not end'),
      silent: nastyServer('never answers'),
      broken: nastyServer('exits at once'),
    });
    const tools = await host.tools(['own', 'stubborn']);
    const hanging = call(tools, 'own__hang').catch((error: Error) => error.message);
    const starting = Promise.allSettled([host.tools(['silent']), host.tools(['broken'])]);
    await until(() => host.status()[2]?.pid !== undefined);
    const pids = host.status().flatMap(({ pid }) => pid ?? []);
    await host[Symbol.asyncDispose]();
    assert.match(String(await hanging), /^MCP server own: /);
    assert.deepEqual(
      (await starting).map(({ status }) => status),
      ['rejected', 'rejected'],
    );
    assert.ok(pids.length >= 3);
    for (const pid of pids) assert.deepEqual(groupMembers(pid), []);
    await assert.rejects(host.tools(['own']), {
      code: 'mcp_failed',
      message: 'MCP server own: the host is closed',
    });
    assert.deepEqual([...new Set(host.status().map(({ state }) => state))], ['stopped']);
  });

  it('leave no process when this process is killed', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'opspawn-mcp-killed-'));
    const config = join(directory, 'mcp_servers.yaml');
    await writeFile(
      config,
      JSON.stringify({ servers: { everything, own: ownServer, stubborn: nastyServer('does not end') } }),
    );
    const program = fileURLToPath(new URL('../../test/mcp/host-process.ts', import.meta.url));
    const owner = spawn(process.execPath, [program, config], { stdio: ['ignore', 'pipe', 'inherit'] });
    owner.stdout.once('data', () => owner.kill('SIGKILL'));
    const pids: number[] = JSON.parse(await text(owner.stdout));
    assert.equal(pids.length, 3);
    for (const pid of pids) await until(() => groupMembers(pid).length === 0);
    await rm(directory, { recursive: true });
  });

  it('leave no process behind over many starts, kills and restarts', async () => {
    const count = 20;
    const names = Array.from({ length: count }, (_, index) => `s${index}`);
    const pids = new Set<number>();
    {
      await using host = hostOf(
        Object.fromEntries(names.map((name) => [name, nastyServer('prints a banner')])),
      );
      const tools = await host.tools(names);
      for (let round = 1; round <= 2; round += 1) {
        for (const { pid } of host.status()) {
          pids.add(pid ?? 0);
          process.kill(pid ?? 0, 'SIGKILL');
        }
        await until(() =>
          host.status().every(({ state, restarts }) => state === 'ready' && restarts === round),
        );
      }
      assert.deepEqual(
        new Set(await Promise.all(names.map((name) => call(tools, `${name}__work`)))),
        new Set(['worked']),
      );
      for (const { pid } of host.status()) pids.add(pid ?? 0);
    }
    assert.equal(pids.size, 3 * count);
    for (const pid of pids) assert.deepEqual(groupMembers(pid), []);
  });
});
