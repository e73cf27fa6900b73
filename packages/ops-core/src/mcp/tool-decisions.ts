import type { ToolPin, ToolPins } from '@opspawn/agentkit';
import { type DecideMcpTools, type McpTool, OpspawnError } from '@opspawn/sdk';
import { deciderOf, type Principal } from '../auth/principal.ts';

export type McpToolQuery = { server?: string; status?: McpTool['status'] };

export async function listMcpTools(
  pins: ToolPins,
  { namespace }: Principal,
  { server, status }: McpToolQuery,
): Promise<McpTool[]> {
  const known = await pins.list({ namespace, ...(server !== undefined && { server }) });
  return known.filter((pin) => (status ?? pin.status) === pin.status).map(viewMcpTool);
}

/**
 * Approves what waits, or quarantines what is meant, and gives what was decided. Throws `wrong_state` when several
 * definitions of one tool wait and none was named: nobody should approve one that they did not look at.
 */
export async function decideMcpTools(
  pins: ToolPins,
  principal: Principal,
  { server, tool, digest, status }: DecideMcpTools,
): Promise<McpTool[]> {
  const { namespace } = principal;
  const by = deciderOf(principal);
  const meant = (await pins.list({ namespace, server })).filter(
    (pin) =>
      (tool ?? pin.tool) === pin.tool &&
      (digest === undefined ? pin.status !== status : pin.digest.startsWith(digest)),
  );
  if (status === 'approved' || digest !== undefined) refuseAmbiguous(meant);
  const decided: McpTool[] = [];
  for (const pin of meant) {
    const decision = { namespace, server, tool: pin.tool, digest: pin.digest, status, by };
    decided.push(...(await pins.decide(decision)).map(viewMcpTool));
  }
  return decided;
}

function refuseAmbiguous(meant: readonly ToolPin[]): void {
  for (const { server, tool } of meant) {
    const digests = meant.flatMap((pin) => (pin.tool === tool ? [pin.digest] : []));
    if (digests.length === 1) continue;
    throw new OpspawnError(
      'wrong_state',
      `The tool ${tool} of ${server} has ${digests.length} definitions to decide on; say which: ${digests.join(', ')}`,
      { details: { server, tool, digests } },
    );
  }
}

function viewMcpTool({ seenAt, decidedAt, ...pin }: ToolPin): McpTool {
  return {
    ...pin,
    seenAt: new Date(seenAt).toISOString(),
    ...(decidedAt !== undefined && { decidedAt: new Date(decidedAt).toISOString() }),
  };
}
