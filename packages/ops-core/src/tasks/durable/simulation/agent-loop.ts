import { type Effect, OpspawnError, type StepRecord, type Steps } from '@opspawn/agentkit';
import type { Scene } from './program.ts';
import { type Random, turns } from './random.ts';

interface Call {
  id: string;
  effect: Effect;
  needsApproval: boolean;
}

/**
 * A loop like an agent's: it folds what is recorded, asks for a model's answer, runs the calls in it side by side, and
 * gives everything that it came to know.
 */
export async function agentLoop(
  { random, executed }: Scene,
  steps: Steps,
  { turnCount, failBelow }: { turnCount: number; failBelow: number },
): Promise<unknown> {
  const recorded = new Map(steps.history().map((record) => [record.name, record]));
  const log: unknown[] = [];
  for (let turn = 1; turn <= turnCount; turn += 1) {
    const calls = (await callModel(turn)) as unknown as Call[];
    const results = await Promise.all(calls.map((call) => runCall(call)));
    log.push(calls, results);
  }
  return log;

  async function callModel(turn: number): Promise<unknown> {
    const name = `model:${turn}`;
    const before = recorded.get(name);
    if (before?.outcome.ok === true) return before.outcome.value;
    return await steps.run(
      name,
      async ({ idempotencyKey, tryNumber }) => {
        executed(idempotencyKey, { once: false, tryNumber });
        await turns(random.below(4));
        if (random.below(1_000) < failBelow) throw new OpspawnError('model_failed', 'no answer');
        return drawCalls(random, turn);
      },
      { kind: 'llm', effect: 'read', retry: { maxAttempts: 2, initialDelayMs: 5 } },
    );
  }

  async function runCall(call: Call): Promise<unknown> {
    const before = recorded.get(`tool:${call.id}`);
    if (before !== undefined) return toldModel(before);
    // I/O of its own, as a security manager has it: it is no step.
    await turns(random.below(3));
    if (call.needsApproval) await steps.wait({ kind: 'approval', name: call.id });
    const tool = steps.run(
      `tool:${call.id}`,
      async ({ idempotencyKey, tryNumber }) => {
        const followsFrom = call.effect === 'read' ? undefined : `model:${call.id.split('.')[0]}`;
        executed(idempotencyKey, { once: call.effect === 'once', tryNumber, followsFrom });
        await turns(random.below(6));
        if (random.below(1_000) < failBelow) throw new OpspawnError('tool_denied', 'not today');
        return random.below(1_000);
      },
      { kind: 'tool', effect: call.effect, intent: { tool: call.id } },
    );
    return await tool.catch((error: OpspawnError) => {
      if (error.name !== 'StepError') throw error;
      return `failed: ${error.message}`;
    });
  }
}

const toldModel = ({ outcome }: StepRecord): unknown =>
  outcome.ok ? outcome.value : `failed: ${outcome.error.message}`;

const drawCalls = (random: Random, turn: number): { id: string; effect: Effect; needsApproval: boolean }[] =>
  Array.from({ length: random.below(4) }, (_, i) => ({
    id: `${turn}.${i}`,
    effect: random.pick(['read', 'idempotent', 'once'] as const),
    needsApproval: random.below(4) === 0,
  }));
