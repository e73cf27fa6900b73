import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { call, hostOf } from '../../test/mcp/hosting.ts';
import { agentWith, sayResults } from '../../test/tester.ts';
import { runAgent } from '../run/run-agent.ts';
import { callTool, memoryEnvironment, type TestMcpServerOptions, testMcpServer } from '../testing.ts';

const notes: TestMcpServerOptions = {
  tools: {
    read: {
      description: 'Reads a note',
      inputSchema: { type: 'object', properties: { id: { type: 'string' } }, required: ['id'] },
      annotations: { readOnlyHint: true },
      execute: ({ id }) => `note ${id}`,
    },
    count: { execute: () => ({ notes: 3 }) },
    name: {
      execute: async (_, { ask }) => {
        const schema = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] };
        return await ask('Who are you?', schema);
      },
    },
  },
  resources: { 'note:///1': 'Bring milk' },
  prompts: { sum: ({ style = 'plain' }) => `Sum up, ${style}` },
};

describe('the MCP server for tests', { timeout: 300_000 }, () => {
  it('serves tools, resources and prompts to a host, and keeps what was called', async () => {
    await using server = await testMcpServer(notes);
    await using host = hostOf({ notes: { ...server.config, trusted: true } });
    const tools = await host.tools(['notes']);
    assert.deepEqual(Object.keys(tools), ['notes__count', 'notes__name', 'notes__read']);
    assert.equal(tools.notes__read?.annotations?.readOnlyHint, true);
    assert.equal(await call(tools, 'notes__read', { id: '7' }), 'note 7');
    assert.deepEqual(await call(tools, 'notes__count'), { notes: 3 });
    assert.deepEqual(await host.readResource('notes', 'note:///1'), [
      { uri: 'note:///1', text: 'Bring milk' },
    ]);
    const { messages } = await host.getPrompt('notes', 'sum', { style: 'short' });
    assert.deepEqual(messages, [{ role: 'user', content: { type: 'text', text: 'Sum up, short' } }]);
    assert.deepEqual(server.calls[0], { tool: 'read', input: { id: '7' }, idempotencyKey: 'key' });
  });

  it('lets calls go wrong as they do in life, and the host tells each apart', async () => {
    await using server = await testMcpServer({ tools: { pay: { execute: () => 'paid' } } });
    const hasty = { ...server.config, callTimeoutMs: 300 };
    await using host = hostOf({ bank: server.config, hasty });
    const tools = await host.tools(['bank', 'hasty']);
    const codes: unknown[] = [];
    for (const fault of ['failed', 'refused', 'unavailable', 'garbage', 'lost', 'hang'] as const) {
      server.fail('pay', fault);
      const tool = fault === 'hang' ? 'hasty__pay' : 'bank__pay';
      await assert.rejects(call(tools, tool), ({ code }) => codes.push([fault, code]) > 0);
    }
    assert.deepEqual(codes, [
      ['failed', 'tool_failed'],
      ['refused', 'tool_failed'],
      ['unavailable', 'mcp_failed'],
      ['garbage', 'mcp_failed'],
      ['lost', 'mcp_failed'],
      ['hang', 'timeout'],
    ]);
    assert.equal(await call(tools, 'bank__pay'), 'paid');
    assert.equal(server.calls.length, 7);
  });

  it('changes its tools, and tells', async () => {
    await using server = await testMcpServer({ tools: { one: {} } });
    await using host = hostOf({ it: { ...server.config, pin: 'off' } });
    assert.deepEqual(Object.keys(await host.tools(['it'])), ['it__one']);
    server.setTools({ one: { description: 'changed' }, two: {} });
    let names: string[] = [];
    while (names.length < 2) {
      await sleep(5);
      names = Object.keys(await host.tools(['it']));
    }
    assert.deepEqual(names, ['it__one', 'it__two']);
  });

  it('asks the person behind a run', async () => {
    await using server = await testMcpServer(notes);
    await using host = hostOf({ notes: server.config });
    const agent = agentWith([callTool('notes__name'), sayResults], {
      tools: {},
      mcp: { servers: ['notes'] },
    });
    const onQuestion = ({ prompt }: { prompt: string }) => {
      assert.match(prompt, /The MCP server notes asks:\nWho are you\?/);
      return { name: 'Ada' };
    };
    const environment = memoryEnvironment({ mcp: host, stepOptions: { onQuestion } });
    const { output } = await runAgent(agent, { prompt: 'x' }, environment);
    assert.equal(output, '{"action":"accept","content":{"name":"Ada"}}');
  });
});
