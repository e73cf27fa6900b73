import assert from 'node:assert/strict';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import {
  call,
  everything,
  files,
  hostOf,
  ownServer,
  type TestHost,
  toolNamed,
} from '../../test/mcp/hosting.ts';
import { until } from '../../test/mcp/processes.ts';
import type { ToolAnnotations, Tools } from '../tool/tool.ts';

describe('MCP host with real servers', { timeout: 300_000 }, () => {
  let directory = '';
  let host: TestHost;
  let tools: Tools;
  before(async () => {
    directory = await realpath(await mkdtemp(join(tmpdir(), 'opspawn-mcp-host-')));
    await writeFile(join(directory, 'note.txt'), 'Bring milk.\n');
    host = hostOf({
      everything: { ...everything, trusted: true },
      files: { ...files(directory), allow: ['read_text_file', 'list_directory', 'write_file'] },
    });
    tools = await host.tools(['everything', 'files']);
  });
  after(async () => {
    await host[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });

  it('starts no server before its first use', async () => {
    await using idle = hostOf({ everything });
    assert.deepEqual(idle.status(), [{ name: 'everything', state: 'stopped', restarts: 0 }]);
  });

  it('starts a server once for all who ask at the same time', async () => {
    await using shared = hostOf({ own: ownServer });
    await Promise.all([
      shared.tools(['own']),
      shared.tools(['own', 'own']),
      call(shared.proxy(), 'mcp_proxy'),
    ]);
    const [status] = shared.status();
    assert.equal(status?.state, 'ready');
    assert.equal(status.restarts, 0);
    assert.ok(status.pid);
  });

  it('offers tools as server__tool, with description and schema, only those of the allow-list', () => {
    const ofFiles = Object.keys(tools).filter((name) => name.startsWith('files__'));
    assert.deepEqual(ofFiles, ['files__list_directory', 'files__read_text_file', 'files__write_file']);
    const tool = toolNamed(tools, 'files__write_file');
    assert.match(tool.description, /Create a new file or completely overwrite/);
    assert.ok('jsonSchema' in tool.input);
    assert.match(JSON.stringify(tool.input.jsonSchema), /"required":\["path","content"\]/);
  });

  it('lists and reads resources and prompts for programs, in the words of the protocol', async () => {
    const { resources, resourceTemplates, prompts } = await host.offers('everything');
    assert.ok(resources.length > 0 && resourceTemplates.length > 0);
    const { uri = '' } = resources[0] ?? {};
    const [contents] = await host.readResource('everything', uri);
    assert.ok(contents !== undefined && ('text' in contents || 'blob' in contents));
    assert.equal(contents.uri, uri);
    const asked = prompts.find(({ arguments: takes = [] }) => takes.some(({ required }) => required));
    assert.ok(asked?.arguments);
    const values = Object.fromEntries(asked.arguments.map(({ name }) => [name, 'Paris']));
    const { messages } = await host.getPrompt('everything', asked.name, values);
    assert.match(JSON.stringify(messages), /Paris/);
    await assert.rejects(host.readResource('everything', 'no:///such'), { code: 'tool_failed' });
    await assert.rejects(host.offers('unknown'), { code: 'invalid_argument' });
  });

  it('narrows the tools down to those that an agent may use', async () => {
    const allow = ['everything__echo', 'files__write_file', 'files__move_file'];
    const allowed = await host.tools(['everything', 'files'], { allow });
    assert.deepEqual(Object.keys(allowed), ['everything__echo', 'files__write_file']);
  });

  it('believes what a server says of its tools only when the server is trusted', () => {
    assert.equal(toolNamed(tools, 'everything__echo').annotations?.readOnlyHint, true);
    assert.deepEqual(toolNamed(tools, 'files__read_text_file').annotations, {});
  });

  it('gives text as text, structured results as they are, and images as files', async () => {
    assert.equal(await call(tools, 'everything__echo', { message: 'hello' }), 'Echo: hello');
    const weather = await call(tools, 'everything__get-structured-content', { location: 'New York' });
    assert.deepEqual(weather, { temperature: 33, conditions: 'Cloudy', humidity: 82 });
    assert.deepEqual(await call(tools, 'files__read_text_file', { path: join(directory, 'note.txt') }), {
      content: 'Bring milk.\n',
    });
    const parts = (await call(tools, 'everything__get-tiny-image')) as { type: string; mediaType?: string }[];
    assert.ok(parts.some(({ type, mediaType }) => type === 'file' && mediaType === 'image/png'));
  });

  it('gives what a tool says went wrong as a final error that the model can read', async () => {
    await assert.rejects(call(tools, 'files__read_text_file', { path: join(directory, 'none.txt') }), {
      code: 'tool_failed',
      retryable: false,
      message: /ENOENT: no such file/,
      details: { server: 'files', tool: 'read_text_file' },
    });
    await assert.rejects(call(tools, 'everything__get-sum', { a: 1, b: 'two' }), {
      code: 'tool_failed',
      retryable: false,
      message: /expected number, received string/,
    });
  });

  it('passes progress on', async () => {
    const progress: string[] = [];
    const input = { duration: 0.4, steps: 2 };
    await call(tools, 'everything__trigger-long-running-operation', input, {
      progress: (text) => progress.push(text),
    });
    // the last one can come after the result, when nobody listens any more
    assert.equal(progress[0], '1/2');
  });

  it('passes a cancellation on, and gives its reason', async () => {
    const controller = new AbortController();
    const reason = new Error('the run was cancelled');
    const input = { duration: 60, steps: 300 };
    const calling = call(tools, 'everything__trigger-long-running-operation', input, {
      signal: controller.signal,
      progress: () => controller.abort(reason),
    });
    await assert.rejects(calling, reason);
    await assert.rejects(
      call(tools, 'everything__echo', { message: 'x' }, { signal: controller.signal }),
      reason,
    );
    assert.equal(await call(tools, 'everything__echo', { message: 'still here' }), 'Echo: still here');
  });

  it('gives up a call after the time-out of its server, and keeps a server that still answers', async () => {
    await using impatient = hostOf({ everything: { ...everything, callTimeoutMs: 2_500 } });
    const offered = await impatient.tools(['everything']);
    const pid = impatient.status()[0]?.pid;
    const input = { duration: 60, steps: 1 };
    await assert.rejects(call(offered, 'everything__trigger-long-running-operation', input), {
      code: 'timeout',
      message: 'MCP server everything did not answer trigger-long-running-operation within 2500 ms',
      details: { server: 'everything', subject: 'trigger-long-running-operation', outcome: 'unknown' },
    });
    assert.equal(await call(offered, 'everything__echo', { message: 'x' }), 'Echo: x');
    assert.equal(impatient.status()[0]?.pid, pid);
  });

  it('names the configured servers when asked for another', async () => {
    await assert.rejects(host.tools(['everthing']), {
      code: 'invalid_argument',
      message: 'MCP server everthing is not configured; configured: everything, files',
    });
    assert.throws(() => host.proxy(['everthing']), { code: 'invalid_argument' });
  });

  it('hands the idempotency key to the server, and only its own environment', async () => {
    await using own = hostOf({ own: { ...ownServer, env: { MINE: 'yes' } } });
    process.env.OPSPAWN_TEST_SECRET = 'hidden';
    const about = String(await call(await own.tools(['own']), 'own__about', {}, { idempotencyKey: 'key-1' }));
    delete process.env.OPSPAWN_TEST_SECRET;
    const { meta, environment } = JSON.parse(about);
    assert.equal(meta['opspawn/idempotencyKey'], 'key-1');
    assert.equal(environment.MINE, 'yes');
    assert.equal(environment.OPSPAWN_TEST_SECRET, undefined);
  });

  it('asks for the tools again after a server said that they changed', async () => {
    await using own = hostOf({ own: { ...ownServer, pin: 'off' } });
    const offered = await own.tools(['own']);
    await call(offered, 'own__learn', { name: 'juggle' });
    let learned: Tools = {};
    do learned = await own.tools(['own']);
    while (learned.own__juggle === undefined);
    assert.equal(await call(learned, 'own__juggle'), 'learned juggle');
  });

  it('keeps apart tools whose names differ only in what models do not take', async () => {
    await using own = hostOf({ own: ownServer });
    const offered = await own.tools(['own']);
    const names = Object.keys(offered).filter((name) => name.startsWith('own__get_user'));
    assert.equal(names.length, 3);
    const said = await Promise.all(names.map((name) => call(offered, name)));
    assert.deepEqual(said.sort(), ['get user', 'get.user', 'get_user']);
    assert.equal(await call(offered, 'own__get_user'), 'get_user');
  });

  it('hands on what servers log, line by line', async () => {
    await until(() => host.log.some(({ server }) => server === 'files'));
    assert.deepEqual(
      host.log.find(({ server }) => server === 'files'),
      {
        server: 'files',
        source: 'stderr',
        line: 'Secure MCP Filesystem Server running on stdio',
      },
    );
  });

  describe('proxy', () => {
    const proxied = (input: object): Promise<unknown> => call(host.proxy(), 'mcp_proxy', input);
    async function annotations(input: object): Promise<ToolAnnotations | undefined> {
      const tool = toolNamed(host.proxy(), 'mcp_proxy');
      return 'annotationsFor' in tool ? tool.annotationsFor?.(input as never) : undefined;
    }

    it('lists servers, describes one, calls its tools and reads its resources', async () => {
      const servers = (await proxied({})) as { server: string; tools: string[] }[];
      assert.deepEqual(servers[1], {
        server: 'files',
        tools: ['list_directory', 'read_text_file', 'write_file'],
      });
      const described = JSON.stringify(await proxied({ server: 'everything' }));
      assert.match(described, /"name":"echo","description":"Echoes back the input string","inputSchema":\{/);
      assert.match(described, /"uri":"demo:\/\/resource\/static\/document\/features\.md"/);
      const echo = { server: 'everything', tool: 'echo', arguments: { message: 'hi' } };
      assert.equal(await proxied(echo), 'Echo: hi');
      assert.equal(await proxied({ ...echo, tool: 'everything__echo' }), 'Echo: hi');
      const document = { server: 'everything', resource: 'demo://resource/static/document/features.md' };
      assert.match(String(await proxied(document)), /^# Everything Server - Features/);
      assert.match(described, /"uriTemplate":"demo:\/\/resource\/dynamic\/text/);
      assert.match(
        described,
        /"name":"args-prompt","description":"[^"]+","arguments":\[\{"name":"city","required":true\}/,
      );
      const weather = { server: 'everything', prompt: 'args-prompt', arguments: { city: 'Paris' } };
      assert.deepEqual(await proxied(weather), {
        messages: [{ role: 'user', content: "What's weather in Paris?" }],
      });
      await assert.rejects(proxied({ ...weather, prompt: 'none' }), { code: 'tool_failed', message: /none/ });
    });

    it('tells the model what it got wrong, with what there is', async () => {
      const final = { code: 'tool_failed', retryable: false };
      await assert.rejects(proxied({ server: 'nowhere' }), {
        ...final,
        message: /Servers: everything, files$/,
      });
      await assert.rejects(proxied({ server: 'everything', tool: 'ecco' }), {
        ...final,
        message: /Tools: echo, /,
      });
      await assert.rejects(proxied({ tool: 'echo' }), { ...final, message: 'server is missing' });
      await assert.rejects(proxied({ server: 'everything', tool: 'echo', resource: 'x:/' }), final);
      await assert.rejects(proxied({ server: 'everything', resource: 'x:/' }), { ...final, message: /x:\// });
    });

    it('obeys the allow-lists of the server and of the agent', async () => {
      const path = join(directory, 'note.txt');
      await assert.rejects(proxied({ server: 'files', tool: 'move_file', arguments: { source: path } }), {
        message: /^Server files has no tool move_file/,
      });
      const narrow = host.proxy(['files'], { allow: ['files__list_directory'] });
      await assert.rejects(
        call(narrow, 'mcp_proxy', { server: 'files', tool: 'read_text_file', arguments: { path } }),
        {
          message: 'Server files has no tool read_text_file. Tools: list_directory',
        },
      );
      await assert.rejects(call(narrow, 'mcp_proxy', { server: 'everything' }), {
        message: /Servers: files$/,
      });
    });

    it('counts a call as what its tool is where the server is trusted, otherwise as once', async () => {
      assert.deepEqual(await annotations({}), { readOnlyHint: true });
      assert.deepEqual(await annotations({ server: 'files' }), { readOnlyHint: true });
      const trusted = await annotations({ server: 'everything', tool: 'echo', arguments: {} });
      assert.equal(trusted?.readOnlyHint, true);
      const writes = await annotations({ server: 'everything', tool: 'toggle-simulated-logging' });
      assert.equal(writes?.readOnlyHint, false);
      assert.deepEqual(await annotations({ server: 'files', tool: 'read_text_file' }), {});
      assert.deepEqual(await annotations({ server: 'everything', tool: 'unknown' }), {});
      assert.deepEqual(await annotations({ server: 'nowhere', tool: 'unknown' }), {});
    });
  });
});
