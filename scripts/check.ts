/** `npm run check`: format, lint, types and architecture, side by side. Prints what failing tools say. */
import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

interface Check {
  readonly name: string;
  readonly command: readonly [string, ...string[]];
}

interface CheckResult {
  readonly name: string;
  readonly passed: boolean;
  readonly output: string;
  readonly durationMs: number;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const path = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH ?? ''}`;

/** What an earlier check found out of what has not changed since. */
const tsc = (project: string, name: string): Check['command'] => {
  const buildInfo = join('node_modules', '.cache', 'check', `${name}.tsbuildinfo`);
  return ['tsc', '--project', project, '--incremental', '--tsBuildInfoFile', buildInfo];
};

const checks: readonly Check[] = [
  {
    name: 'format and lint',
    command: ['biome', 'check', '--colors=off', '--error-on-warnings', '--max-diagnostics=200'],
  },
  { name: 'promises', command: ['oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'types', command: tsc('.', 'all') },
  { name: 'types of agentkit (es2022)', command: tsc('packages/agentkit', 'agentkit') },
  { name: 'types of sdk (es2022, browser)', command: tsc('packages/sdk', 'sdk') },
  {
    name: 'architecture',
    command: ['node', '--test', '--test-reporter=dot', 'test/architecture.test.ts'],
  },
];

async function runCheck({ name, command: [program, ...args] }: Check): Promise<CheckResult> {
  const startedAt = performance.now();
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const child = spawn(program, args, {
    cwd: root,
    // tsc is a Go program: without garbage collection, which so short a run does not need, it takes a fifth less.
    env: { ...env, ...(program === 'tsc' ? { GOGC: 'off' } : {}), PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  const [stdout, stderr, exitCode] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  const durationMs = performance.now() - startedAt;
  return { name, passed: exitCode === 0, output: stdout + stderr, durationMs };
}

const results = await Promise.all(checks.map(runCheck));
for (const { name, passed, output, durationMs } of results) {
  if (!passed) process.stdout.write(`\n${output.trimEnd()}\n\n`);
  process.stdout.write(`${passed ? '✔' : '✖'} ${name} (${(durationMs / 1000).toFixed(1)} s)\n`);
}
process.exitCode = results.every((result) => result.passed) ? 0 : 1;
