import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const path = fileURLToPath(new URL('hello-agent.ts', import.meta.url));

describe('the hello-agent', () => {
  it('runs without a key, with rules instead of a language model', async () => {
    const env = {
      PATH: process.env.PATH,
      AGENTKIT_LLM_PROVIDER: 'scripted',
      AGENTKIT_LLM_MODEL: 'first-tool',
    };
    const { stdout } = await promisify(execFile)(process.execPath, [path], { env });
    assert.equal(stdout, '42\n');
  });

  it('says what to set when no model is configured', async () => {
    const run = promisify(execFile)(process.execPath, [path], { env: { PATH: process.env.PATH } });
    await assert.rejects(run, /No model is configured.*OPENAI_API_KEY/);
  });

  it('has at most 12 lines', () => {
    const lines = readFileSync(path, 'utf8').split('\n');
    const code = lines.filter((line) => line.trim() !== '' && !line.startsWith('//'));
    assert.ok(code.length <= 12, `${code.length} lines`);
  });
});
