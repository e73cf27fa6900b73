import { z } from 'zod';

/** In the variables OPSPAWN_KEEP_… 0 is for ever: nobody who means that is to lose his tasks here. */
const keptMs = z
  .int()
  .min(1, 'must be at least 1 ms; null keeps them for ever')
  .max(100 * 366 * 24 * 3_600_000)
  .nullable()
  .optional();
const quota = z.int().min(0).max(1_000_000_000).optional();

/** What a namespace keeps and is allowed. */
export const namespaceSettingsSchema = z
  .strictObject({
    retention: z
      .strictObject({ completedMs: keptMs, failedMs: keptMs, cancelledMs: keptMs })
      .optional()
      .describe('How long tasks are kept after their end; null: for ever; absent: as the server is set'),
    quotas: z
      .strictObject({
        pendingTasks: quota.describe('Tasks that wait for their turn or their time'),
        payloadBytes: quota.describe('Of one task’s input, as JSON in UTF-8'),
        submissionsPerMinute: quota,
      })
      .optional()
      .describe('Over them a submission is `quota_exceeded`; absent: no limit'),
    weight: z
      .int()
      .min(1)
      .max(1_000)
      .optional()
      .describe('Its share of each worker beside other namespaces that have work; absent: 1'),
    revision: z
      .string()
      .regex(/^[0-9a-f]{16}$/)
      .optional()
      .describe(
        'Of the settings as they were read. Sent back with changed ones, these are refused as `wrong_state` when somebody else changed them meanwhile; without it they replace whatever is there',
      ),
  })
  .meta({
    id: 'NamespaceSettings',
    examples: [
      { retention: { completedMs: 604_800_000, failedMs: null }, quotas: { pendingTasks: 100_000 } },
    ],
  });
export type NamespaceSettings = z.infer<typeof namespaceSettingsSchema>;
