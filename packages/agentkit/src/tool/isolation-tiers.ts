import { toOpspawnError } from '../errors.ts';
import { moduleUrl } from '../module-url.ts';
import { createProcessPool } from './process/create-process-pool.ts';
import type { PooledCall } from './process/process-pool.ts';
import type { IsolationTier } from './tool.ts';

export interface IsolationFinding {
  tier: IsolationTier;
  isAvailable: boolean;
  /** How its limits hold, or what is missing and what to install. */
  detail: string;
}

const probeMs = 30_000;

/** Tries each tier on this machine. */
export async function isolationTiers(): Promise<readonly IsolationFinding[]> {
  return [
    { tier: 'inline', isAvailable: true, detail: 'in this process' },
    ...(await Promise.all([probe('process', {}), probe('sandbox', { sandbox: {} })])),
  ];
}

async function probe(tier: IsolationTier, more: Pick<PooledCall, 'sandbox'>): Promise<IsolationFinding> {
  await using pool = createProcessPool({ maxProcesses: 1 });
  const module = moduleUrl('./isolation-probe', import.meta.url);
  const context = {
    ...{ callId: 'probe', idempotencyKey: 'probe', secrets: {}, progress: () => {} },
    signal: AbortSignal.timeout(probeMs),
  };
  try {
    const call = { tool: 'probe', module, memoryMb: 64, reuse: 'always' as const, maxOutputBytes: 1_000 };
    await pool.run({ ...call, ...more, input: null, context });
    const [{ memoryLimit = 'watched' } = {}] = pool.processes();
    const detail = memoryLimit === 'refused' ? 'the kernel limits its memory' : 'its memory is watched';
    return { tier, isAvailable: true, detail };
  } catch (thrown) {
    return { tier, isAvailable: false, detail: toOpspawnError(thrown).message };
  }
}
