import { inspect } from 'node:util';
import { OpspawnError } from '@opspawn/agentkit/schema';
import { seededRandom } from '@opspawn/ops-core';
import { settingsFrom } from '../embedded.ts';
import { createOutput, formatDuration, type Output } from '../output.ts';
import type { Deployment } from '../verify/deployment.ts';
import { type Fault, faults } from '../verify/faults.ts';
import { Operator } from '../verify/operator.ts';
import { type FaultReport, runFault } from '../verify/run-fault.ts';
import { isClean } from '../verify/verdict.ts';

export interface VerifyOptions {
  json?: boolean;
  data?: string;
  database?: string;
  only?: string[];
  /** Share of the suite's counts, above 0, at most 1. */
  scale: number;
  seed?: number;
}

/** Runs the fault suite against the deployment that the settings name. Exits with 0 only when nothing was found. */
export async function verify(options: VerifyOptions): Promise<void> {
  await verifyDeployment({ settings: settingsFrom({ ...options, logLevel: 'error' }) }, options);
}

/** How many faults found nothing, and how many something; the exit code is set accordingly. */
export async function verifyDeployment(
  deployment: Deployment,
  options: VerifyOptions,
): Promise<{ passed: number; failed: number }> {
  const output = createOutput({ json: options.json === true });
  const stopping = new AbortController();
  // Not once: npm passes on what the terminal sent to all, and the second one would leave servers behind.
  process.on('SIGINT', () => stopping.abort(new OpspawnError('cancelled', 'Stopped by Ctrl-C')));
  process.on('SIGTERM', () => stopping.abort(new OpspawnError('cancelled', 'Stopped by SIGTERM')));
  const seed = options.seed ?? Math.floor(Math.random() * 2 ** 32);
  output.talk(`Seed ${seed}; ${options.scale} of the whole suite. Only workers of its own are killed.`);
  const random = seededRandom(seed);
  const counts = { passed: 0, failed: 0 };
  await Operator.forgetOld(deployment.settings, stopping.signal);
  for (const fault of chosen(options.only)) {
    const refusal = fault.refusal?.(deployment);
    if (refusal !== undefined) {
      output.record({ fault: fault.name, skipped: refusal }, () => `- ${fault.name}: not tried: ${refusal}`);
      continue;
    }
    const { scale } = options;
    output.talk(`  ${fault.name}: ${fault.what} …`);
    try {
      const report = await runFault(fault, { deployment, scale, random, signal: stopping.signal });
      counts[isClean(report) ? 'passed' : 'failed'] += 1;
      tell(output, fault, report);
    } catch (thrown) {
      stopping.signal.throwIfAborted();
      const error = inspect(thrown);
      output.record({ fault: fault.name, error }, () => `✖ ${fault.name}: it broke off: ${error}`);
      counts.failed += 1;
    }
  }
  if (counts.failed > 0) process.exitCode = 1;
  return counts;
}

function tell(output: Output, { what }: Fault, report: FaultReport): void {
  const { fault, tasks, strikes, durationMs, lost, repeated, silent, stuck, failed, hit, inDoubt } = report;
  output.record(report, () =>
    [
      `${isClean(report) ? '✔' : '✖'} ${fault}: ${what}, ${strikes} times, ${tasks} tasks: ${lost} lost, ${repeated} repeated, ` +
        `${silent} silent, ${stuck} stuck, ${failed} failed; ${hit} tasks hit, ${inDoubt} effects in doubt and decided (${formatDuration(durationMs)})`,
      ...report.findings.map((finding) => `    ${finding}`),
    ].join('\n'),
  );
}

function chosen(only: readonly string[] | undefined): readonly Fault[] {
  if (only === undefined) return faults;
  return only.map((name) => {
    const fault = faults.find((each) => each.name === name);
    if (fault !== undefined) return fault;
    const hint = `There are: ${faults.map((each) => each.name).join(', ')}.`;
    throw new OpspawnError('invalid_argument', `There is no fault "${name}"`, { details: { hint } });
  });
}
