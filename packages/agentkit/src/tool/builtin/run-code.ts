/** Tools that run what a model wrote: only ever in the sandbox tier. */

import { z } from 'zod';
import { checkOptions, count } from '../../check-options.ts';
import { moduleUrl } from '../../module-url.ts';
import { defineTool } from '../define-tool.ts';
import type { SandboxAccess } from '../sandbox/sandbox-access.ts';
import type { SandboxTool, ToolAnnotations } from '../tool.ts';

export interface RunCodeOptions extends Omit<SandboxAccess, 'programs'> {
  /** For one call, in ms. Default 30,000. */
  timeoutMs?: number;
  /** Default 256. */
  memoryMb?: number;
  /** Whether a person must agree first. Default `never`: what the sandbox was not given is out of reach. */
  approval?: 'always' | 'never';
}

const defaultTimeoutMs = 30_000;
const defaultMemoryMb = 256;
const maxCodeLength = 100_000;

const optionsSchema = z.strictObject({
  read: z.array(z.string()).optional(),
  write: z.array(z.string()).optional(),
  tmpMb: count.optional(),
  timeoutMs: count.optional(),
  memoryMb: count.optional(),
  approval: z.enum(['always', 'never']).optional(),
} satisfies Record<keyof RunCodeOptions, z.ZodType>);

const javascriptInput = z.object({
  code: z.string().max(maxCodeLength).describe('Body of an async function. `return` gives the result.'),
  input: z.json().optional().describe('Stands in the variable `input`'),
});

/** Runs JavaScript in a sandbox of its own: no network, no programs, no files but those given, an empty /tmp. */
export function runJavascript(options: RunCodeOptions = {}): SandboxTool<z.infer<typeof javascriptInput>> {
  checkOptions('The tool that runs JavaScript', optionsSchema, options, 'invalid_argument');
  return defineTool({
    description:
      'Runs JavaScript (Node.js) and gives what it returns and prints. No network, no other programs; ' +
      `import modules of Node with await import('node:…'). ${placesOf(options)}`,
    input: javascriptInput,
    module: moduleUrl('./run-javascript-entry', import.meta.url),
    ...tierOf(options, false),
  });
}

const shellInput = z.object({
  command: z.string().max(maxCodeLength).describe('For /bin/sh'),
  stdin: z.string().optional(),
});

/** Runs a command line in a sandbox of its own: with the machine's programs, no network, no files but those given. */
export function runShell(options: RunCodeOptions = {}): SandboxTool<z.infer<typeof shellInput>> {
  checkOptions('The tool that runs commands', optionsSchema, options, 'invalid_argument');
  return defineTool({
    description: `Runs a command by /bin/sh and gives its exit code and output. No network. ${placesOf(options)}`,
    input: shellInput,
    module: moduleUrl('./run-shell-entry', import.meta.url),
    ...tierOf(options, true),
  });
}

function tierOf(options: RunCodeOptions, programs: boolean) {
  const { read = [], write = [], tmpMb, timeoutMs = defaultTimeoutMs, memoryMb = defaultMemoryMb } = options;
  const annotations: ToolAnnotations =
    write.length === 0
      ? { readOnlyHint: true, openWorldHint: false }
      : { readOnlyHint: false, destructiveHint: true, openWorldHint: false };
  return {
    isolation: 'sandbox' as const,
    sandbox: { read, write, programs, ...(tmpMb !== undefined && { tmpMb }) },
    annotations,
    approval: options.approval ?? ('never' as const),
    timeoutMs,
    memoryMb,
    // It fails as it failed before: the model changes its code instead.
    retry: { maxAttempts: 1 },
  };
}

/** What a model has to know of its surroundings. */
function placesOf({ read = [], write = [] }: RunCodeOptions): string {
  const places = [
    `Runs in ${write[0] ?? '/tmp'}. Nothing else is kept between calls: /tmp is empty at first.`,
    read.length === 0 ? '' : `Can be read: ${read.join(', ')}.`,
    write.length === 0 ? '' : `Can be read and written: ${write.join(', ')}.`,
  ];
  return places.filter(Boolean).join(' ');
}
