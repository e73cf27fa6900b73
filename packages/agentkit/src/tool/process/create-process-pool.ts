import { z } from 'zod';
import { checkOptions, count } from '../../check-options.ts';
import type { ProcessPool, ProcessPoolOptions } from './process-pool.ts';

const optionsSchema = z.strictObject({
  maxProcesses: count.optional(),
  idleMs: z.number().nonnegative().optional(),
  spares: z.int().nonnegative().optional(),
  memoryLimit: z.enum(['auto', 'watched']).optional(),
} satisfies Record<keyof ProcessPoolOptions, z.ZodType>);

/** What runs the processes is loaded at the first call: most processes of ours have no such tool. */
export function createProcessPool(options: ProcessPoolOptions = {}): ProcessPool {
  checkOptions('The process pool', optionsSchema, options);
  let opening: Promise<ProcessPool> | undefined;
  let opened: ProcessPool | undefined;
  const open = async (): Promise<ProcessPool> => {
    const { WarmPool } = await import('./process-pool.ts');
    opened = new WarmPool(options);
    return opened;
  };
  const whenOpen = (): Promise<ProcessPool> => {
    opening ??= open();
    return opening;
  };
  return {
    run: async (call) => await (opened ?? (await whenOpen())).run(call),
    processes: () => opened?.processes() ?? [],
    [Symbol.asyncDispose]: async () => await (opened ?? (await whenOpen()))[Symbol.asyncDispose](),
  };
}

let shared: ProcessPool | undefined;

/** The pool of whoever brings none: one for this process, as the processors that it shares out are. */
export function sharedProcessPool(): ProcessPool {
  shared ??= createProcessPool();
  return shared;
}
