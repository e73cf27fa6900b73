import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { agentWith, withCode } from '../../test/tester.ts';
import { createMemory } from '../memory/create-memory.ts';
import type { ModelRequest } from '../model/model.ts';
import { callTool, memoryEnvironment, promptOf } from '../testing.ts';
import { runAgent } from './run-agent.ts';

const output = z.object({ city: z.string(), people: z.int() });
const run = (steps: Parameters<typeof agentWith>[0]) =>
  runAgent(agentWith(steps, { output }), { prompt: 'Biggest city?' }, memoryEnvironment());

describe('structured output', () => {
  it('is asked for by its JSON Schema and checked', async () => {
    let asked: unknown;
    const answer = ({ outputSchema }: ModelRequest): string => {
      asked = outputSchema;
      return '{"city":"Tokyo","people":37}';
    };
    assert.deepEqual((await run([answer])).output, { city: 'Tokyo', people: 37 });
    assert.deepEqual((asked as { required: string[] }).required, ['city', 'people']);
  });

  it('may stand in a Markdown fence', async () => {
    assert.deepEqual((await run(['```json\n{"city":"Tokyo","people":37}\n```'])).output, {
      city: 'Tokyo',
      people: 37,
    });
  });

  it('comes after tool calls as well', async () => {
    const steps = [callTool('add', { a: 30, b: 7 }), '{"city":"Tokyo","people":37}'];
    assert.deepEqual((await run(steps)).output, { city: 'Tokyo', people: 37 });
  });

  it('is repaired once: the model is told what is wrong, and offered no tools', async () => {
    const repair = (request: ModelRequest): string => {
      assert.match(promptOf(request), /people: .*number/);
      assert.deepEqual(request.tools, []);
      return '{"city":"Tokyo","people":37}';
    };
    const { output: repaired, turns } = await run(['{"city":"Tokyo"}', repair]);
    assert.deepEqual(repaired, { city: 'Tokyo', people: 37 });
    assert.equal(turns, 2);
    assert.equal((await run(['Tokyo!', '{"city":"Tokyo","people":1}'])).turns, 2);
  });

  it('leaves the repair in the conversation', async () => {
    const memory = createMemory();
    const agent = agentWith(['Tokyo!', '{"city":"Tokyo","people":37}'], { output });
    await runAgent(agent, { prompt: 'x', sessionId: 's' }, memoryEnvironment({ memory }));
    const messages = await memory.messages({ namespace: 'default', session: 's' });
    assert.deepEqual(
      messages.map(({ role }) => role),
      ['user', 'assistant', 'user', 'assistant'],
    );
    assert.match(JSON.stringify(messages[2]), /not JSON/);
  });

  it('that is wrong twice fails the run and says what is wrong', async () => {
    await assert.rejects(run(['{"city":1,"people":37}', '{"city":2,"people":37}', 'never']), (thrown) => {
      assert.ok(withCode('model_rejected')(thrown));
      assert.match((thrown as Error).message, /city: .*string/);
      return true;
    });
  });

  it('without a JSON Schema is refused before the model is asked', async () => {
    const mute = {
      '~standard': { version: 1 as const, vendor: 'mute', validate: (value: unknown) => ({ value }) },
    };
    const agent = agentWith(['x'], { output: mute });
    await assert.rejects(runAgent(agent, { prompt: 'x' }, memoryEnvironment()), withCode('invalid_argument'));
  });

  it('that JSON cannot hold is refused', async () => {
    const dated = z.object({ at: z.string().transform((text) => new Date(text)) });
    const agent = agentWith(['{"at":"2026-01-01"}'], { output: dated });
    await assert.rejects(runAgent(agent, { prompt: 'x' }, memoryEnvironment()), withCode('not_json'));
  });
});
