import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { agentWith, withCode } from '../../test/tester.ts';
import { checkAgent } from '../agent-schema.ts';
import { GuardrailError, OpspawnError } from '../errors.ts';
import type { Guardrails } from '../guardrail.ts';
import type { Json } from '../json.ts';
import { memorySteps } from '../memory-steps.ts';
import { secretsFrom } from '../security/secrets.ts';
import { createSecurityManager } from '../security/security-rules.ts';
import type { Steps } from '../steps.ts';
import { callTool, fakeClock, memoryEnvironment, replayingSteps } from '../testing.ts';
import { runAgent } from './run-agent.ts';

const noShouting = (text: Json): string | undefined =>
  text === String(text).toUpperCase() ? 'it shouts' : undefined;
const fine = (): undefined => undefined;

function run(guardrails: Guardrails, prompt = 'add', steps: Steps = memorySteps()) {
  const agent = agentWith([callTool('add', { a: 1, b: 2 }), 'IT IS THREE'], { guardrails });
  const security = createSecurityManager({ secrets: secretsFrom({ key: 'hunter2-hunter2' }) });
  const environment = memoryEnvironment({ steps, security });
  const result = runAgent(agent, { prompt, sessionId: 's' }, environment);
  const session = () => environment.memory.messages({ namespace: 'default', session: 's' });
  return { result, steps, session };
}

const namesOf = (steps: Steps): string[] => steps.history().map(({ name }) => name);

const tripped = (guardrail: string, on: string, reason: string) => (thrown: unknown) => {
  assert.ok(thrown instanceof GuardrailError && withCode('guardrail_tripped')(thrown), String(thrown));
  assert.deepEqual(thrown.details, { guardrail, on, reason });
  return true;
};

describe('a guardrail', () => {
  it('of the input ends the run before the model is asked, and is named', async () => {
    const { result, steps } = run({ input: [fine, noShouting] }, 'ADD');
    await assert.rejects(result, tripped('noShouting', 'input', 'it shouts'));
    assert.deepEqual(namesOf(steps), ['session', 'guardrail:input:fine', 'guardrail:input:noShouting']);
  });

  it('of the output ends the run before the session remembers it', async () => {
    const { result, session } = run({ output: [noShouting] });
    await assert.rejects(result, tripped('noShouting', 'output', 'it shouts'));
    assert.deepEqual(await session(), []);
  });

  it('that has nothing to say changes nothing', async () => {
    const { result, steps } = run({ input: [noShouting, fine], output: [fine] });
    assert.equal((await result).output, 'IT IS THREE');
    assert.equal(namesOf(steps).at(-2), 'guardrail:output:fine');
  });

  it('sees the conversation', async () => {
    let seen: string[] = [];
    const look = (_: Json, { messages }: { messages: readonly { role: string }[] }): undefined => {
      seen = messages.map(({ role }) => role);
    };
    await run({ output: [look] }).result;
    assert.deepEqual(seen, ['system', 'user', 'assistant', 'tool', 'assistant']);
  });

  it('changes nothing by what it does to what it was given', async () => {
    const meddle = (output: Json, { messages }: { messages: readonly unknown[] }): undefined => {
      Object.assign(output as object, { city: 'Atlantis' });
      (messages as unknown[]).length = 0;
    };
    const agent = agentWith(['{"city":"Tokyo"}'], {
      output: z.object({ city: z.string() }),
      guardrails: { output: [meddle, meddle] },
    });
    const environment = memoryEnvironment();
    const { output } = await runAgent(agent, { prompt: 'x', sessionId: 's' }, environment);
    assert.deepEqual(output, { city: 'Tokyo' });
    assert.equal((await environment.memory.messages({ namespace: 'default', session: 's' })).length, 2);
  });

  it('is asked once: a resumed run says the same, even when the guardrail has changed its mind', async () => {
    const first = run({ output: [noShouting] });
    await assert.rejects(first.result);
    const changed = { noShouting: fine };
    Object.defineProperty(changed.noShouting, 'name', { value: 'noShouting' });
    const { taskId } = first.steps;
    const again = run(
      { output: [changed.noShouting] },
      'add',
      replayingSteps(first.steps.history(), { taskId }),
    );
    await assert.rejects(again.result, tripped('noShouting', 'output', 'it shouts'));
    assert.deepEqual(namesOf(again.steps), namesOf(first.steps));
  });

  it('never tells a secret in its reason', async () => {
    const leak = (): string => 'the key is hunter2-hunter2';
    await assert.rejects(run({ input: [leak] }).result, tripped('leak', 'input', 'the key is [redacted]'));
  });

  it('that throws is asked again, and ends the run when it keeps throwing', async () => {
    let tries = 0;
    const broken = (): never => {
      tries += 1;
      throw new Error('no answer');
    };
    const clock = fakeClock();
    const { result, steps } = run({ input: [broken] }, 'add', memorySteps({ clock }));
    await assert.rejects(clock.drive(result), { message: 'The guardrail broken failed: no answer' });
    assert.equal(tries, 3);
    assert.ok(!namesOf(steps).includes('model:1'));
  });

  it('that gives neither a text nor nothing lets nothing pass', async () => {
    const wrong = (() => false) as unknown as () => undefined;
    await assert.rejects(run({ input: [wrong] }).result, withCode('config_invalid'));
  });

  it('may say much: the beginning is the reason', async () => {
    const verbose = (): string => 'no '.repeat(1_000_000);
    const { result, steps } = run({ input: [verbose] });
    const reason = `${verbose().slice(0, 2_000)}… (2998000 characters more)`;
    await assert.rejects(result, tripped('verbose', 'input', reason));
    assert.ok(JSON.stringify(steps.history()).length < 10_000);
  });

  it('that throws what reads like a limit of ours is told by its own words', async () => {
    const broke = (): never => {
      throw new OpspawnError('budget_exceeded', 'The month is paid up');
    };
    await assert.rejects(run({ output: [broke] }).result, {
      code: 'budget_exceeded',
      message: 'The month is paid up',
    });
  });

  it('needs a name of its own', () => {
    for (const input of [[() => undefined], [fine, fine], ['fine' as never]])
      assert.throws(() => checkAgent(agentWith([], { guardrails: { input } })), withCode('config_invalid'));
  });
});
