import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Task } from '@opspawn/sdk';
import type { CrashSummary } from '../../packages/cli/src/crash-test/summary.ts';
import { eventually, opspawn, type Service, startOpspawn } from '../../test/cli/opspawn-process.ts';

const config = fileURLToPath(new URL('opspawn.config.ts', import.meta.url));
const cwd = mkdtempSync(join(tmpdir(), 'opspawn-order-'));
const order = { orderId: 'A-17', items: [{ sku: 'lamp', pieces: 2 }] };

let server: Service<{ url: string }>;
before(async () => {
  server = await startOpspawn(['start', '--port', '0', '--config', config], { cwd });
});
after(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(cwd, { recursive: true });
});

describe('an order', () => {
  it('waits for its payment, and is handed to the carrier once', async () => {
    const run = (...args: string[]) => opspawn(args, { cwd, env: { OPSPAWN_URL: server.facts.url } });
    const taskId = (await run('run', 'fulfil-order', JSON.stringify(order), '--detach')).stdout.trim();
    await eventually('waiting for the payment', async () => {
      const task = JSON.parse((await run('task', 'get', taskId, '--json')).stdout) as Task;
      return task.waits.some(({ kind }) => kind === 'signal') ? task : undefined;
    });
    await run('task', 'signal', taskId, 'paid', '--payload', '{"cents":4990}');
    const { stdout } = await run('task', 'watch', taskId);
    assert.deepEqual(JSON.parse(stdout), {
      orderId: 'A-17',
      parcel: 'P-A-17',
      paidCents: 4990,
      shelves: [26],
    });
    const shipments = readFileSync(join(cwd, 'shipments.jsonl'), 'utf8').trimEnd().split('\n');
    assert.equal(shipments.length, 1);
  });

  it('is never handed over a second time, wherever its worker is killed', async () => {
    const args = [
      'crash-test',
      'fulfil-order',
      JSON.stringify(order),
      '--signal',
      'paid={"cents":4990}',
      '--json',
    ];
    const { code, stdout, stderr } = await opspawn([...args, '--config', config], { cwd });
    assert.equal(code, 0, stdout + stderr);
    const { passed, inDoubt } = JSON.parse(stdout) as CrashSummary;
    assert.equal(passed, true);
    assert.deepEqual(Object.keys(inDoubt), ['hand to the carrier']);
  });
});
