/** The least that a durable pickup can do. Calls the handler with the task once it is claimed. */
export interface PickupFloor {
  submit(payload: string, handler: (payload: unknown) => void): Promise<void>;
}
