import type { TaskKind } from '@opspawn/sdk';

/** Something a worker can run, registered so that servers can check names and inputs without user code. */
export interface DefinitionRow {
  namespace: string;
  kind: TaskKind;
  name: string;
  version: string;
  queue: string;
  /** JSON text: description, input schema, limits. */
  data: string;
}

export interface DefinitionStore {
  registerDefinitions(definitions: readonly DefinitionRow[]): Promise<void>;
  /** Of a namespace that nobody uses any more. */
  removeDefinitions(namespace: string): Promise<void>;
  definitions(namespace: string): Promise<readonly DefinitionRow[]>;
}
