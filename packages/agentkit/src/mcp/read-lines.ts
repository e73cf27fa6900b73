import type { Readable } from 'node:stream';

export interface LineOptions {
  maxLineBytes: number;
  /** `cut` says that the line was longer: what came after `maxLineBytes` is left out. */
  onLine(line: string, cut: boolean): void;
}

/** Calls back for each line of a stream (without its end), holding at most one line in memory. */
export function readLines(stream: Readable, { maxLineBytes, onLine }: LineOptions): void {
  let pieces: Buffer[] = [];
  let heldBytes = 0;
  let cut = false;

  const hold = (piece: Buffer): void => {
    const room = maxLineBytes - heldBytes;
    if (piece.length > room) cut = true;
    const kept = piece.subarray(0, room);
    if (kept.length === 0) return;
    pieces.push(kept);
    heldBytes += kept.length;
  };
  const finish = (): void => {
    const line = Buffer.concat(pieces).toString('utf8').replace(/\r$/, '');
    const wasCut = cut;
    pieces = [];
    heldBytes = 0;
    cut = false;
    onLine(line, wasCut);
  };

  stream.on('data', (chunk: Buffer) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      hold(chunk.subarray(start, end));
      finish();
      start = end + 1;
    }
    if (start < chunk.length) hold(chunk.subarray(start));
  });
  stream.on('end', () => {
    if (heldBytes > 0) finish();
  });
}
