import type { PinStatus } from '@opspawn/agentkit';
import type { NewToolPins, ToolPinChoice } from '../../parts/tool-pins.ts';
import type { ToolPinColumns } from '../../rows/tool-pin.ts';
import { statement } from '../database/connections.ts';
import { toText } from '../database/text.ts';

const columns = 'server, tool, digest, definition, status, seen_at, decided_by, decided_at';

export const toolPinStates = statement<[string, string, PinStatus]>(
  'tool_pin_states',
  'select tool, digest, status from mcp_tools where namespace = $1 and server = $2',
);

export const toolPinsOf = statement<ToolPinColumns>(
  'tool_pins',
  `select ${columns} from mcp_tools where namespace = $1 and ($2::text is null or server = $2)
   order by server, tool, seen_at, digest`,
);

/** Whoever adds the server's row is the first; another one waits for that commit, and finds the row. */
export const recordToolPins = statement(
  'record_tool_pins',
  `with first as (
     insert into mcp_servers (namespace, server, seen_at) values ($1, $2, now_ms())
     on conflict do nothing returning server
   )
   insert into mcp_tools (namespace, server, tool, digest, definition, status, seen_at)
   select $1, $2, x.tool, x.digest, x.definition,
     case when not $3::boolean and exists (select from first) then 'approved' else 'quarantined' end, now_ms()
   from unnest($4::text[], $5::text[], $6::text[]) as x (tool, digest, definition)
   order by x.tool, x.digest
   limit greatest(0, $7::bigint - (select count(*) from mcp_tools where namespace = $1 and server = $2))
   on conflict do nothing`,
);

export const encodeNewToolPins = ({ namespace, server, isStrict, tools, limit }: NewToolPins): unknown[] => [
  namespace,
  toText(server),
  isStrict,
  tools.map(({ tool }) => toText(tool)),
  tools.map(({ digest }) => digest),
  tools.map(({ definition }) => toText(definition)),
  limit,
];

export const decideToolPins = statement<ToolPinColumns>(
  'decide_tool_pins',
  `update mcp_tools set status = $5, decided_by = $6, decided_at = now_ms()
   where namespace = $1 and server = $2 and ($3::text is null or tool = $3) and ($4::text is null or digest = $4)
   returning ${columns}`,
);

export const encodeToolPinChoice = (choice: ToolPinChoice): unknown[] => {
  const { namespace, server, tool, digest = null, status, by } = choice;
  return [namespace, toText(server), tool === undefined ? null : toText(tool), digest, status, toText(by)];
};
