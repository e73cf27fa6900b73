import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sayResults, withCode } from '../test/tester.ts';
import { defineAgent } from './define-agent.ts';
import { supervisor } from './supervisor.ts';
import { callTools, promptOf, scriptedModel } from './testing.ts';

const worker = (name: string, description: string) =>
  defineAgent({
    name,
    description,
    instructions: 'Work.',
    model: scriptedModel({ name, reply: (request) => `${name}: ${promptOf(request)}` }),
  });
const agents = [worker('finder', 'Finds things'), worker('writer', 'Writes texts')];

test('a supervisor knows its agents, hands out parts side by side, and answers itself', async () => {
  const lead = supervisor({
    name: 'lead',
    instructions: 'Be brief.',
    agents,
    model: scriptedModel({
      name: 'lead',
      reply: (request) => {
        const [system] = request.messages;
        if (request.messages.at(-1)?.role === 'tool' && typeof sayResults === 'function')
          return sayResults(request);
        assert.match(
          String(system?.content),
          /^Be brief\.\n\nYou lead these agents.*\n- finder: Finds things\n- writer/,
        );
        return callTools(
          { tool: 'finder', input: { prompt: 'facts' } },
          { tool: 'writer', input: { prompt: 'words' } },
        );
      },
    }),
  });
  assert.equal((await lead.run('A report')).output, '"finder: facts"; "writer: words"');
});

test('one that leads nobody is refused', () => {
  assert.throws(() => supervisor({ name: 'lead', agents: [] }), withCode('config_invalid'));
});

test('two of one name are refused', () => {
  assert.throws(
    () => supervisor({ name: 'lead', agents: [...agents, worker('writer', '')] }),
    withCode('config_invalid'),
  );
});
