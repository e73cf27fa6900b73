import { jsonSchema } from '@opspawn/agentkit/schema';
import { z } from 'zod';
import { nameSchema, taskKindSchema } from './task.ts';

/** What workers can run, as they registered it. */
export const definitionSchema = z
  .object({
    kind: taskKindSchema,
    name: nameSchema,
    version: z.string(),
    queue: z.string(),
    description: z.string().optional(),
    inputSchema: jsonSchema.optional().describe('JSON Schema of the input; absent when every input is taken'),
  })
  .meta({
    id: 'Definition',
    examples: [
      {
        kind: 'agent',
        name: 'folder-report',
        version: '1',
        queue: 'default',
        description: 'Reports on a folder',
      },
    ],
  });
export type Definition = z.infer<typeof definitionSchema>;

export const definitionListSchema = z
  .object({ items: z.array(definitionSchema) })
  .meta({ id: 'DefinitionList' });
