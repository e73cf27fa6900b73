/** A way to run the agent of W3: what is measured, a floor, or a peer. */
export interface AgentLoop extends AsyncDisposable {
  /** Runs the agent to its end and gives its last answer. It is to take so many model steps, each but the last with a tool call. */
  run(steps: number): Promise<string>;
  /** What all runs so far keep on disk, in bytes. Absent: nothing. */
  storedBytes?(): number;
}

export interface AgentLoopOptions {
  /** Base URL of the model server. */
  modelUrl: string;
  /** An empty folder. */
  folder: string;
  /** Of an empty PostgreSQL; empty for loops that keep files. */
  databaseUrl: string;
}

export type OpenAgentLoop = (options: AgentLoopOptions) => Promise<AgentLoop>;

/** What every agent is told. */
export const instructions =
  'You look up the weather of stations, one after the other, and say when you are done.';
export const prompt = 'Look at every station.';
export const toolDescription = 'The weather at a station';

/** What the tool gives. */
export const weatherAt = (station: number) => ({ station, temperatureC: 21.5, sky: 'clear', windKmh: 12 });

/** How a run has to end. */
export const lastAnswer = (steps: number): string => `Done after ${steps} steps.`;
