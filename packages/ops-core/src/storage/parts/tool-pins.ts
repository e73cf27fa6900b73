import type { PinStatus } from '@opspawn/agentkit';

/** A definition of an MCP server's tool that was seen in a namespace. */
export interface ToolPinRow {
  server: string;
  tool: string;
  /** SHA-256 of the definition, hex. */
  digest: string;
  /** JSON text. */
  definition: string;
  status: PinStatus;
  /** Unix ms. */
  seenAt: number;
  decidedBy?: string;
  decidedAt?: number;
}

export type ToolPinState = Pick<ToolPinRow, 'tool' | 'digest' | 'status'>;

export interface NewToolPins {
  namespace: string;
  server: string;
  /** Nothing is approved at first sight. */
  isStrict: boolean;
  tools: readonly Pick<ToolPinRow, 'tool' | 'digest' | 'definition'>[];
  /** Rows that a server may have in a namespace; what goes beyond is not recorded. */
  limit: number;
}

export interface ToolPinChoice {
  namespace: string;
  server: string;
  tool?: string;
  digest?: string;
  status: PinStatus;
  by: string;
}

/** The part of the store that remembers definitions of tools. */
export interface ToolPinStore {
  toolPinStates(namespace: string, server: string): Promise<readonly ToolPinState[]>;
  /**
   * Adds those that are not there. The first call for a server in a namespace approves what it brings, unless it is
   * strict; of two at once only one is the first. Later ones are quarantined.
   */
  recordToolPins(pins: NewToolPins): Promise<void>;
  /** By server, tool and the time of first sight. */
  toolPins(namespace: string, server?: string): Promise<readonly ToolPinRow[]>;
  /** Gives the rows that it was about, as they are now. */
  decideToolPins(choice: ToolPinChoice): Promise<readonly ToolPinRow[]>;
}
