import type { Model, ModelRequest } from '../model.ts';

/**
 * `replay`: answers from the file only. `record`: asks the real model and writes the file anew. `auto`: replays a file
 * that is there, and records one that is not.
 */
export type CassetteMode = 'replay' | 'record' | 'auto';

export type Redact = NonNullable<ModelRequest['redact']>;

export interface CassetteOptions {
  /** What the model is called. */
  id: string;
  /** Of the file; its folder is made when it is recorded. */
  path: string;
  /** Default `auto`. */
  mode?: CassetteMode;
  /** The model to record. Asked for only when something is to be recorded. */
  original: () => Model | Promise<Model>;
  /** Applied to all that is written and compared, beside what the run itself redacts. */
  redact?: Redact;
}
