import type { Broker, LiveChannel } from './broker.ts';

export type BusLink =
  | { readonly isLinked: true }
  /** `reason`: what the last attempt failed with, if that is known. */
  | { readonly isLinked: false; readonly reason?: string };

/** Doorbells and live messages over one connection. Disposing it disposes both. */
export interface Bus extends AsyncDisposable {
  readonly broker: Broker;
  readonly live: LiveChannel;
  /** Resolves when messages of other processes arrive. Until then they are lost, as after a loss of the connection. */
  linked(signal: AbortSignal): Promise<void>;
  /** Whether other processes are reached now; without it work waits for the sweep. */
  readonly link: BusLink;
}

/** What a bus tells of its connections; the process's log is one. */
export interface BusLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
}
