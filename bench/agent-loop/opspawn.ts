import { join } from 'node:path';
import type { ToolAnnotations } from '@opspawn/agentkit';
import { localPrincipal } from '@opspawn/ops-core';
import { openEmbedded, storedBytes } from '../measuring/embedded.ts';
import { type OpenAgentLoop, prompt } from './agent-loop.ts';
import { weatherAgent } from './agentkit.ts';

/** The same agent as a durable task of an embedded engine: submitted, run, and its end committed. */
const journaled =
  (annotations: ToolAnnotations): OpenAgentLoop =>
  async ({ modelUrl, folder, databaseUrl }) => {
    const ended = new Map<string, (data: string) => void>();
    const worker = await openEmbedded({
      folder,
      ...(databaseUrl === '' ? {} : { databaseUrl }),
      environment: { AGENTKIT_LLM_BASE_URL: modelUrl },
      config: { agents: [20, 200].map((steps) => weatherAgent(steps, annotations)) },
      onFinished: (taskId, data) => ended.get(taskId)?.(data),
    });
    return {
      async run(steps) {
        const request = { kind: 'agent', name: `steps-${steps}`, input: prompt } as const;
        const { task } = await worker.engine.submit(localPrincipal, request);
        const data = await new Promise<string>((resolve) => ended.set(task.id, resolve));
        ended.delete(task.id);
        return (JSON.parse(data) as { output: string }).output;
      },
      ...(databaseUrl === '' ? { storedBytes: () => storedBytes(join(folder, 'opspawn.db')) } : {}),
      [Symbol.asyncDispose]: () => worker[Symbol.asyncDispose](),
    };
  };

/** The tool only reads, and says so. On SQLite or PostgreSQL. */
export const opspawn = journaled({ readOnlyHint: true });

/** The tool says nothing, so that its intent is recorded before each call. */
export const opspawnOnce = journaled({});
