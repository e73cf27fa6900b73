import type { DatabaseSync } from 'node:sqlite';
import type { PinStatus } from '@opspawn/agentkit';
import type { NewToolPins, ToolPinChoice, ToolPinRow, ToolPinState } from '../../parts/tool-pins.ts';
import { type ToolPinColumns, toToolPin, toToolPinState } from '../../rows/tool-pin.ts';
import { prepare } from '../database/statement.ts';
import type { Operation } from '../writing/store-access.ts';

type Text = string | null;
const columns = 'server, tool, digest, definition, status, seen_at, decided_by, decided_at';

export function prepareRecordToolPins(database: DatabaseSync): Operation<NewToolPins, void> {
  const addServer = prepare<[namespace: string, server: string, at: number], [server: string]>(
    database,
    `insert into mcp_servers (namespace, server, seen_at) values (?1, ?2, ?3)
     on conflict do nothing returning server`,
  );
  const count = prepare<[string, string], [number]>(
    database,
    'select count(*) from mcp_tools where namespace = ?1 and server = ?2',
  );
  const add = prepare<[string, string, string, string, string, PinStatus, number]>(
    database,
    `insert into mcp_tools (namespace, server, tool, digest, definition, status, seen_at)
     values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict do nothing`,
  );
  return ({ at }, { namespace, server, isStrict, tools, limit }) => {
    const isFirst = addServer.get(namespace, server, at) !== undefined;
    const status = isFirst && !isStrict ? 'approved' : 'quarantined';
    let room = limit - (count.get(namespace, server)?.[0] ?? 0);
    for (const { tool, digest, definition } of tools) {
      if (room <= 0) return;
      room -= Number(add.run(namespace, server, tool, digest, definition, status, at).changes);
    }
  };
}

export function prepareDecideToolPins(
  database: DatabaseSync,
): Operation<ToolPinChoice, readonly ToolPinRow[]> {
  const decide = prepare<[string, string, Text, Text, PinStatus, string, number], ToolPinColumns>(
    database,
    `update mcp_tools set status = ?5, decided_by = ?6, decided_at = ?7
     where namespace = ?1 and server = ?2 and (?3 is null or tool = ?3) and (?4 is null or digest = ?4)
     returning ${columns}`,
  );
  return ({ at }, { namespace, server, tool = null, digest = null, status, by }) =>
    decide.all(namespace, server, tool, digest, status, by, at).map(toToolPin);
}

export function prepareToolPins(database: DatabaseSync) {
  const states = prepare<[string, string], [string, string, PinStatus]>(
    database,
    'select tool, digest, status from mcp_tools where namespace = ?1 and server = ?2',
  );
  const list = prepare<[string, Text], ToolPinColumns>(
    database,
    `select ${columns} from mcp_tools where namespace = ?1 and (?2 is null or server = ?2)
     order by server, tool, seen_at, digest`,
  );
  return {
    toolPinStates: (namespace: string, server: string): ToolPinState[] =>
      states.all(namespace, server).map(toToolPinState),
    toolPins: (namespace: string, server: Text): ToolPinRow[] => list.all(namespace, server).map(toToolPin),
  };
}
