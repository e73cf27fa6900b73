import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { type Revision, runConformance } from './run-conformance.ts';

const listed = parse(readFileSync(new URL('./not-passing.yaml', import.meta.url), 'utf8')) as Record<
  Revision,
  Record<string, string>
>;

describe('our MCP host passes the conformance tests of the protocol', { timeout: 300_000 }, () => {
  for (const [revision, fewest] of [
    ['2025-11-25', 25],
    ['2026-07-28', 39],
  ] as const) {
    it(`revision ${revision}, but for what is listed with its reason`, async () => {
      const { failures, scenarios, log } = await runConformance(revision);
      assert.ok(scenarios >= fewest, `only ${scenarios} scenarios ran:\n${log}`);
      const unlisted = Object.entries(failures).filter(([scenario]) => !(scenario in listed[revision]));
      assert.deepEqual(Object.fromEntries(unlisted), {}, 'failed, and is not listed');
      const passing = Object.keys(listed[revision]).filter((scenario) => !(scenario in failures));
      assert.deepEqual(passing, [], 'is listed as not passing, and passes');
    });
  }
});
