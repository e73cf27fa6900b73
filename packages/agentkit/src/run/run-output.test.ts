import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { agentWith, withCode } from '../../test/tester.ts';
import { OpspawnError } from '../errors.ts';
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

  it('may stand in a Markdown fence, or behind a byte order mark', async () => {
    const json = '{"city":"Tokyo","people":37}';
    for (const said of [`\`\`\`json\n${json}\n\`\`\``, `\`\`\`JSON\n${json}\n\`\`\``, `\ufeff${json}`]) {
      const { output, turns } = await run([said]);
      assert.deepEqual([output, turns], [{ city: 'Tokyo', people: 37 }, 1]);
    }
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

  it('that fits no alternative is told what is wrong by each, or deep in the one that was meant', async () => {
    const nested: z.ZodType = z.lazy(() => z.union([z.string(), z.array(nested)]));
    const either = z.union([z.object({ a: z.number() }), z.object({ b: z.string().nullable() })]);
    for (const [schema, wrong, told] of [
      [either, '{"c":1}', ['- a: Invalid input: expected number', '; or b: Invalid input: expected string']],
      [nested, '["x",["y",5]]', ['- [1][1]: Invalid input: expected string', '; or [1][1]: ']],
      [z.object({ u: either }), '{"u":5}', ['- u: Invalid input: expected object, received number\n']],
    ] as const) {
      const agent = agentWith([wrong, wrong], { output: schema });
      const error = await runAgent(agent, { prompt: 'x' }, memoryEnvironment()).catch(
        (thrown: OpspawnError) => thrown,
      );
      assert.ok(error instanceof OpspawnError);
      for (const part of told) assert.ok(`${error.message}\n`.includes(part), error.message);
    }
  });

  it('that is nested too deep for anybody is told to the model, as what is wrong', async () => {
    const nested: z.ZodType = z.lazy(() => z.array(nested));
    const repair = (request: ModelRequest): string => {
      assert.match(promptOf(request), /it is not JSON: .*deeper than 500 levels/);
      return '[[]]';
    };
    const agent = agentWith(['['.repeat(9_000) + ']'.repeat(9_000), repair], { output: nested });
    assert.deepEqual((await runAgent(agent, { prompt: 'x' }, memoryEnvironment())).output, [[]]);
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
