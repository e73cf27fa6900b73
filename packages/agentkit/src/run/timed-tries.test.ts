import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { agentWith, sayResults } from '../../test/tester.ts';
import type { AgentDefinition } from '../agent.ts';
import { BudgetExceededError, OpspawnError } from '../errors.ts';
import { callTool, fakeClock, memoryEnvironment } from '../testing.ts';
import { defineTool } from '../tool/define-tool.ts';
import { runAgent } from './run-agent.ts';

const reader = (execute: () => unknown) =>
  defineTool({
    description: 'Reads',
    input: z.object({}),
    annotations: { readOnlyHint: true },
    timeoutMs: 20,
    execute,
  });

describe('the pause before another try', { timeout: 20_000 }, () => {
  const clock = fakeClock(); // the pause never ends by itself
  const fail = () => Promise.reject(new OpspawnError('unavailable', 'busy'));
  const hang = () => {
    setImmediate(() => clock.advance(20));
    return new Promise(() => {});
  };
  const endsInTime = async (definition: Partial<AgentDefinition>): Promise<void> => {
    const agent = agentWith([callTool('read'), 'x'], { ...definition, limits: { wallTimeMs: 50 } });
    const run = runAgent(agent, { prompt: 'go' }, memoryEnvironment({ stepOptions: { clock } }));
    await assert.rejects(run, (thrown) => thrown instanceof BudgetExceededError);
  };

  it('of a tool that failed ends with the wall time', () => endsInTime({ tools: { read: reader(fail) } }));
  it('of a tool that hung ends with the wall time', () => endsInTime({ tools: { read: reader(hang) } }));
  it('of a guardrail ends with the wall time', () => endsInTime({ guardrails: { input: [fail] } }));

  it('leaves a try after it what is left of the wall time', async () => {
    let tries = 0;
    const execute = () => {
      tries += 1;
      if (tries > 1) return new Promise(() => {}); // by the clock of the steps its time is never over
      setImmediate(() => clock.advance(1));
      return fail();
    };
    const read = { ...reader(execute), timeoutMs: 60_000, retry: { maxAttempts: 2, initialDelayMs: 0 } };
    const agent = agentWith([callTool('read'), sayResults], { tools: { read }, limits: { wallTimeMs: 50 } });
    const { output } = await runAgent(agent, { prompt: 'go' }, memoryEnvironment({ stepOptions: { clock } }));
    assert.deepEqual([output, tries], ['error "The tool read timed out"', 2]);
  });

  it('is not made when the tool asks for more than the run has left: the model goes on', async () => {
    const read = reader(() => {
      throw new OpspawnError('unavailable', 'busy', { retryAfterMs: 60_000 });
    });
    const limits = { wallTimeMs: 30_000 };
    const agent = agentWith([callTool('read'), sayResults], { tools: { read }, limits });
    const { output } = await runAgent(agent, { prompt: 'go' }, memoryEnvironment());
    const said = /^error "busy \(it asks to be left alone for 60000 ms, of at most 2\d{4}\)"$/;
    assert.match(String(output), said);
  });
});
