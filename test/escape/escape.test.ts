/** Nothing of `attempts.ts` succeeds in the sandbox tier, and what can be tried without harm succeeds outside of it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Json } from '@opspawn/agentkit';
import { createProcessPool } from '../../packages/agentkit/src/tool/process/create-process-pool.ts';
import type { SandboxAccess } from '../../packages/agentkit/src/tool/sandbox/sandbox-access.ts';
import { type Attempt, attempts, systemCalls } from './attempts.ts';
import type { Controlled } from './control.ts';
import { createWorld, isBubblewrapMissing, type World } from './world.ts';

const skip = process.env.OPSPAWN_TEST_BUBBLEWRAP === undefined && isBubblewrapMissing();
const module = new URL('./attempt.ts', import.meta.url);

describe('the sandbox tier', { skip, concurrency: 4 }, () => {
  const pool = createProcessPool({ maxProcesses: 6 });
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(async () => {
    await pool[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  const inside = async (
    attempt: Pick<Attempt, 'language' | 'code'>,
    more: SandboxAccess = {},
  ): Promise<unknown> => {
    const { given } = world;
    const { language, code } = attempt;
    const sandbox: SandboxAccess = {
      read: [given.shelf],
      write: [given.box],
      ...(language === 'shell' && { programs: true }),
      ...more,
    };
    const call = { tool: 'attempt', module, memoryMb: 128, sandbox, maxOutputBytes: 10_000 };
    const input = { language, code, given } as unknown as Json;
    const signal = AbortSignal.timeout(60_000);
    const context = { callId: 'c', idempotencyKey: 'k', secrets: {}, signal, progress: () => {} };
    return await pool.run({ ...call, input, context }).catch((thrown: Error) => {
      assert.match(thrown.message, /^The tool attempt failed/);
      return undefined;
    });
  };

  const succeeds = (attempt: Attempt, came: unknown): boolean =>
    attempt.hasHappened === undefined ? Boolean(came) : attempt.hasHappened(world);

  for (const attempt of attempts) {
    it(`holds against one that ${attempt.name}`, async () => {
      const came = await inside(attempt);
      assert.equal(succeeds(attempt, came), false, JSON.stringify(came));
    });
  }

  it('refuses system calls as such', async () => {
    const refused = systemCalls.map(([name]) => `${name} 1\n`).join('');
    assert.equal(await inside({ language: 'shell', code: callAll() }), refused);
  });

  it('needs none of Node’s permissions for that', async () => {
    const reads = attempts.filter(
      ({ name, language }) =>
        language === 'javascript' &&
        /^(?:reads (?!through WASI)|lists|writes|moves|takes|puts|connects|sends|asks|listens)/.test(name),
    );
    const code = reads.map(
      ({ name, code: each }) =>
        `try { if (await (async () => { ${each} })()) came.push(${JSON.stringify(name)}); } catch {}`,
    );
    const came = await inside(
      { language: 'javascript', code: `const came = []; ${code.join('\n')} return came;` },
      { programs: true },
    );
    assert.deepEqual(came, []);
    for (const attempt of reads)
      if (attempt.hasHappened) assert.ok(!attempt.hasHappened(world), attempt.name);
  });
});

describe('outside of it', { skip }, () => {
  let world: World;
  before(async () => {
    world = await createWorld();
  });
  after(() => world[Symbol.asyncDispose]());

  const outside = async (tried: Controlled['attempts']): Promise<unknown[]> => {
    const control = fileURLToPath(new URL('./control.ts', import.meta.url));
    const child = spawn(process.execPath, ['--no-warnings', control], { stdio: ['pipe', 'pipe', 'ignore'] });
    child.stdin.end(JSON.stringify({ given: world.given, attempts: tried } satisfies Controlled));
    return JSON.parse(await text(child.stdout)) as unknown[];
  };

  it('the attempts succeed, so that they are real ones', async () => {
    const isTried = ({ control }: Attempt): boolean =>
      control === 'everybody' || (control === 'root' && process.getuid?.() === 0);
    const tried = attempts.filter(isTried);
    const came = await outside(tried);
    const failed = tried.filter(({ hasHappened }, index) => !came[index] && !hasHappened?.(world));
    assert.deepEqual(
      failed.map(({ name }) => name),
      [],
    );
    const [passed] = await outside([{ language: 'shell', code: callAll() }]);
    assert.match(String(passed), /^ptrace [^1]/);
  });
});

/** Tells the error of each system call. */
function callAll(): string {
  const number = process.arch === 'arm64' ? 2 : 1;
  const lines = systemCalls.map(
    (call) => `$! = 0; syscall(${call[number]}, ${call[3]}); print "${call[0]} ", 0 + $!, "\\n";`,
  );
  return `perl -e '${lines.join(' ')}'`;
}
