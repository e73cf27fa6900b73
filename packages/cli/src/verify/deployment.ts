import type { Settings } from '@opspawn/ops-core';

/** A server that was started for the suite alone, so that it may be killed. */
export interface OwnServer {
  kill(): Promise<void>;
  start(): Promise<void>;
}

export interface OwnBroker extends OwnServer {
  closeConnections(): Promise<void>;
  purge(queue: string): Promise<void>;
}

export interface OwnDatabase extends OwnServer {
  /** Moves the server's clock by so much from the real time. Absent: this machine has nothing that does. */
  moveClock?(offsetMs: number): Promise<void>;
}

/** What is to be tried. */
export interface Deployment {
  settings: Settings;
  database?: OwnDatabase;
  broker?: OwnBroker;
}

/** URLs as the settings' environment names them. */
export const databaseUrlOf = ({ database }: Settings): string =>
  database.kind === 'postgres' ? database.url : `sqlite:${database.path}`;
