import { randomUUID } from 'node:crypto';

let lastMs = 0;
let counter = 0;
let timePart = '';

function setTime(ms: number): void {
  const hex = ms.toString(16).padStart(12, '0');
  lastMs = ms;
  counter = 0;
  timePart = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
}

/**
 * A UUID version 7 (RFC 9562), greater than every one that this process made before: ids made within the same ms go
 * by a counter in `rand_a`. Lists and claims go by id where times are equal, and so keep the order of submission.
 */
export function newId(): string {
  const now = Date.now();
  if (now > lastMs) setTime(now);
  else if (counter === 0xfff) setTime(lastMs + 1);
  else counter += 1;
  const variantAndRandom = randomUUID().slice(19);
  return `${timePart}${counter.toString(16).padStart(3, '0')}-${variantAndRandom}`;
}
