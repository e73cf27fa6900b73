import type { PinStatus } from '@opspawn/agentkit';
import type { ToolPinRow, ToolPinState } from '../parts/tool-pins.ts';

export type ToolPinColumns = [
  server: string,
  tool: string,
  digest: string,
  definition: string,
  status: PinStatus,
  seenAt: number,
  decidedBy: string | null,
  decidedAt: number | null,
];

export function toToolPin(columns: ToolPinColumns): ToolPinRow {
  const [server, tool, digest, definition, status, seenAt, decidedBy, decidedAt] = columns;
  return {
    server,
    tool,
    digest,
    definition,
    status,
    seenAt,
    ...(decidedBy !== null && { decidedBy }),
    ...(decidedAt !== null && { decidedAt }),
  };
}

export const toToolPinState = ([tool, digest, status]: [string, string, PinStatus]): ToolPinState => ({
  tool,
  digest,
  status,
});
