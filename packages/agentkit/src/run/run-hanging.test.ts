import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { add, withCode } from '../../test/tester.ts';
import type { AgentDefinition } from '../agent.ts';
import { defineAgent } from '../define-agent.ts';
import { BudgetExceededError } from '../errors.ts';
import { createMemory } from '../memory/create-memory.ts';
import { scriptedModel } from '../model/scripted/scripted-model.ts';
import { createSecurityManager } from '../security/security-rules.ts';
import { callTool } from '../testing.ts';
import { createToolManager } from '../tool/tool-manager.ts';
import type { RunOptions } from './run-here.ts';

const never = (): Promise<never> => new Promise<never>(() => {});
async function hang(): Promise<undefined> {
  return await never();
}

/** Each part of a run that may be somebody else's, and never answers. */
const parts: Readonly<Record<string, { agent?: Partial<AgentDefinition>; options?: RunOptions }>> = {
  'a registry of models': { agent: { model: 'x/y' }, options: { models: { resolve: never } } },
  'a model': { agent: { model: { id: 'x/y', call: never } } },
  'a planner': { agent: { planner: { name: 'p', next: never } } },
  'a list of tools': { agent: { toolManager: (made) => ({ ...createToolManager(made), list: never }) } },
  'a list of tools that has to be counted': {
    agent: {
      limits: { tokens: 10_000 },
      toolManager: (made) => ({ ...createToolManager(made), list: never }),
    },
  },
  'a check of arguments': {
    agent: { toolManager: (made) => ({ ...createToolManager(made), prepare: never }) },
  },
  'a security manager': { agent: { security: { ...createSecurityManager(), decide: never } } },
  'a guardrail': { agent: { guardrails: { input: [hang] } } },
  'an output schema': {
    agent: {
      output: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: never,
          jsonSchema: { input: () => ({ type: 'string' }) },
        },
      },
      model: scriptedModel({ name: 'hanging', reply: '"done"' }),
    },
  },
  'a session that is read': { options: { sessionId: 's', memory: { ...createMemory(), messages: never } } },
  'a session that is written': { options: { sessionId: 's', memory: { ...createMemory(), append: never } } },
  'a working memory': {
    agent: { memory: { blocks: { notes: { scope: 'agent' } } } },
    options: { memory: { ...createMemory(), blocks: never } },
  },
};

const agentWith = (changes: Partial<AgentDefinition>, wallTimeMs?: number) =>
  defineAgent({
    name: 'waiter',
    instructions: 'Wait.',
    tools: { add },
    model: scriptedModel({ name: 'hanging', steps: [callTool('add', { a: 1, b: 2 }), 'done'] }),
    ...changes,
    limits: { ...changes.limits, ...(wallTimeMs !== undefined && { wallTimeMs }) },
  });

describe('a part of a run that never answers', () => {
  for (const [what, { agent = {}, options = {} }] of Object.entries(parts)) {
    it(`cannot hold it: ${what}`, async () => {
      const stopping = new AbortController();
      const stopped = agentWith(agent).run('Go', { ...options, signal: stopping.signal });
      setTimeout(() => stopping.abort(), 20);
      await assert.rejects(stopped, withCode('cancelled'));
      await assert.rejects(agentWith(agent, 20).run('Go', options), (thrown) => {
        assert.ok(thrown instanceof BudgetExceededError, String(thrown));
        return thrown.details.limit === 'wallTimeMs';
      });
    });
  }
});

describe('a run that is stopped', () => {
  it('leaves no rejection behind of what was under way', async () => {
    const stopping = new AbortController();
    const next = (): Promise<never> => {
      stopping.abort();
      return Promise.reject(new Error('too late'));
    };
    const run = agentWith({ planner: { name: 'p', next } }).run('Go', { signal: stopping.signal });
    await assert.rejects(run, withCode('cancelled'));
    const prepare = (): Promise<never> => next();
    const toolManager: AgentDefinition['toolManager'] = (made) => ({ ...createToolManager(made), prepare });
    await assert.rejects(
      agentWith({ toolManager }).run('Go', { signal: stopping.signal }),
      withCode('cancelled'),
    );
    // an unhandled rejection would be told of by now, and fail the test
    await new Promise((resolve) => setImmediate(resolve));
  });
});
