import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { agentWith, sayResults } from '../../test/tester.ts';
import type { AgentEvent } from '../event.ts';
import { callTool, memoryEnvironment } from '../testing.ts';
import { defineTool } from '../tool/define-tool.ts';
import { runAgent } from './run-agent.ts';

/** Empties all lists and overwrites all members, at any depth. */
function spoil(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [key, item] of Object.entries(value)) {
    spoil(item);
    if (!Array.isArray(value)) Object.assign(value, { [key]: 'spoilt' });
  }
  if (Array.isArray(value)) value.length = 0;
}

const find = defineTool({
  description: 'Finds',
  input: z.object({ a: z.number(), b: z.number() }),
  annotations: { readOnlyHint: true },
  execute: ({ a, b }) => ({ found: [a, b] }),
});

type Watcher = (event: AgentEvent) => void;

async function run(first: Watcher, second: Watcher) {
  const calls = [callTool('find', { a: 1, b: 2 }), callTool('find', { a: 3, b: 4 })];
  const agent = agentWith([...calls, sayResults], { tools: { find } });
  const environment = memoryEnvironment({ stepOptions: { taskId: 'same', onEvent: first }, onEvent: second });
  const result = await runAgent(agent, { prompt: 'x' }, environment);
  return { result, outcomes: environment.steps.history().map(({ name, outcome }) => ({ name, outcome })) };
}

describe('a watcher that changes what it is told', () => {
  it('changes nothing of the run, nor of what another watcher is told', async () => {
    const told = (all: string[]) => (event: AgentEvent) => {
      all.push(JSON.stringify({ ...event, durationMs: 0 }));
    };
    const seen: string[] = [];
    const alone = await run(() => {}, told(seen));
    for (const type of ['model.finished', 'tool.started', 'tool.finished', 'run.finished'])
      assert.ok(seen.join().includes(type), type);
    const again: string[] = [];
    assert.deepEqual(await run(spoil, told(again)), alone);
    assert.deepEqual(again, seen);
    assert.deepEqual(await run(() => {}, spoil), alone);
  });
});
