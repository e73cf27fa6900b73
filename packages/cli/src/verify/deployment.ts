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

/** A database of its own on a disk of its own, which can be full. */
export interface SmallDisk extends AsyncDisposable {
  readonly settings: Settings;
  fill(): void;
  /** Makes room again. Resolves when the database runs, which may have ended meanwhile. */
  free(): Promise<void>;
}

/** What is to be tried. */
export interface Deployment {
  settings: Settings;
  /** Absent: this process may not mount anything. */
  openSmallDisk?(kind: Settings['database']['kind']): Promise<SmallDisk>;
  database?: OwnDatabase;
  broker?: OwnBroker;
}

/** URLs as the settings' environment names them. */
export const databaseUrlOf = ({ database }: Settings): string =>
  database.kind === 'postgres' ? database.url : `sqlite:${database.path}`;
