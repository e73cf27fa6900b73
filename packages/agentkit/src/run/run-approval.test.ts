import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { add, agentWith, sayResults } from '../../test/tester.ts';
import { secretsFrom } from '../security/secrets.ts';
import { createSecurityManager } from '../security/security-rules.ts';
import { callTools, memoryEnvironment } from '../testing.ts';
import { askHuman } from '../tool/builtin/ask-human.ts';
import { runAgent } from './run-agent.ts';

describe('what a person says', () => {
  it('is recorded without the secrets in it, and the model gets them neither', async () => {
    const security = createSecurityManager({
      secrets: secretsFrom({ token: 'tok-1234567890' }),
      rules: [{ tool: 'add', decision: 'ask' }],
    });
    const stepOptions = {
      onApproval: () => ({ approved: false, by: 'Ada', comment: 'it has tok-1234567890' }),
      onQuestion: () => ({ it: 'is tok-1234567890' }),
    };
    const calls = callTools(
      { tool: 'add', input: { a: 1, b: 1 } },
      { tool: 'ask', input: { question: 'What?' } },
    );
    const agent = agentWith([calls, sayResults], { tools: { add, ask: askHuman() } });
    const environment = memoryEnvironment({ security, stepOptions });
    const { output } = await runAgent(agent, { prompt: 'x' }, environment);
    assert.equal(output, 'error "Denied by Ada: it has [redacted]"; {"it":"is [redacted]"}');
    assert.doesNotMatch(JSON.stringify(environment.steps.history()), /tok-1234567890/);
  });
});
