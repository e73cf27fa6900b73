/** The time that a task's id begins with: UUID version 7, by the clock of who made it. */

/** How far it may lie from the task's `created_at`; it only bounds what is read of the list. */
export const clockSlackMs = 24 * 3_600_000;

/** How far a server's clock may be behind the store's before its submissions count for less. */
export const idSlackMs = 60_000;

/** What the ids made at this time begin with (RFC 9562, section 5.7). */
export function idAt(unixMs: number): string {
  const hex = Math.max(0, unixMs).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}
