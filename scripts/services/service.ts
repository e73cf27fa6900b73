/** What tests and benchmarks need from outside: a real server, started for them and stopped with them. */
export interface RunningService extends AsyncDisposable {
  /** With credentials. */
  readonly url: string;
}

export interface ServiceKind {
  /** The variable under which tests get its URL. */
  readonly variable: string;
  /** `npm run services` leaves it out. */
  readonly isForBenchmarks?: true;
  /**
   * Starts it with its data in `folder`, which is empty and may be given to another user. Throws `ServiceMissing`
   * where it neither is installed nor can be.
   */
  start(folder: string): Promise<RunningService>;
}

/** The service cannot be had on this machine; the message says what to install. */
export class ServiceMissing extends Error {
  override readonly name = 'ServiceMissing';
}
