import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const outputs: Readonly<Record<string, RegExp>> = {
  planner: /^Roses are red, and so are foxes\.\n$/,
  memory: /^You wrote 2 times\.\n$/,
  'tool-manager': /^add\n$/,
  'security-manager': /Denied by policy: a web page was read, so nothing may be sent/,
  model: /^HELLO THERE\n$/,
};

for (const [part, expected] of Object.entries(outputs)) {
  test(`the ${part} is replaced by one's own in at most 30 lines, without a key`, async () => {
    const path = fileURLToPath(new URL(`replace-${part}.ts`, import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [path], {
      env: { PATH: process.env.PATH },
    });
    assert.match(stdout, expected);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    assert.ok(lines.length <= 30, `${lines.length} lines`);
  });
}
