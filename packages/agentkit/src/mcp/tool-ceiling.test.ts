import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { call, everything, hostOf } from '../../test/mcp/hosting.ts';
import { defineAgent } from '../define-agent.ts';
import { scriptedModel } from '../model/scripted/scripted-model.ts';

/** An agent whose model says which tools it is shown. */
const teller = (mcp: { allow?: string[]; maxToolTokens?: number }) =>
  defineAgent({
    name: 'teller',
    instructions: 'Say your tools.',
    model: scriptedModel({
      name: 'teller',
      reply: ({ tools }) => ({ say: tools.map(({ name }) => name).join(' ') }),
    }),
    mcp: { servers: ['everything'], ...mcp },
  });

describe('a list of MCP tools', { timeout: 300_000 }, () => {
  it('is shown to the model while it is small, and replaced by the proxy when it costs too many tokens', async () => {
    await using mcp = hostOf({ everything });
    const few = teller({ allow: ['everything__get-*'], maxToolTokens: 5_000 });
    assert.match((await few.run('go', { mcp })).output, /^everything__get-\S+( everything__get-\S+)+$/);
    const many = teller({ maxToolTokens: 300 });
    assert.equal((await many.run('go', { mcp })).output, 'mcp_proxy');
    assert.equal((await many.run('go', { mcp, injectMcpProxy: true })).output, 'mcp_proxy');
  });

  it('is searched by the proxy, within what the agent may use', async () => {
    await using mcp = hostOf({ everything });
    const found = (await call(mcp.proxy(), 'mcp_proxy', { search: 'sum of two numbers' })) as {
      tool: string;
    }[];
    assert.equal(found[0]?.tool, 'get-sum');
    assert.match(JSON.stringify(found[0]), /"inputSchema":\{/);
    const narrow = mcp.proxy(['everything'], { allow: ['everything__echo'] });
    assert.deepEqual(await call(narrow, 'mcp_proxy', { search: 'sum of two numbers' }), []);
  });
});
