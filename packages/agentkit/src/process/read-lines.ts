import type { Readable } from 'node:stream';

export interface LineOptions {
  maxLineBytes: number;
  /** `cut` says that the line is longer: called as soon as that is known, and what is left of it is skipped. */
  onLine(line: string, cut: boolean): void;
}

/** Calls back for each line of a stream (without its end), holding at most one line in memory. */
export function readLines(stream: Readable, { maxLineBytes, onLine }: LineOptions): void {
  let pieces: Buffer[] = [];
  let heldBytes = 0;
  let isSkipping = false;

  const emit = (cut: boolean): void => {
    const line = Buffer.concat(pieces).toString('utf8').replace(/\r$/, '');
    pieces = [];
    heldBytes = 0;
    onLine(line, cut);
  };
  const hold = (piece: Buffer): void => {
    if (isSkipping || piece.length === 0) return;
    isSkipping = heldBytes + piece.length > maxLineBytes;
    const kept = piece.subarray(0, maxLineBytes - heldBytes);
    pieces.push(kept);
    heldBytes += kept.length;
    if (isSkipping) emit(true);
  };

  stream.on('data', (chunk: Buffer) => {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      hold(chunk.subarray(start, end));
      if (!isSkipping) emit(false);
      isSkipping = false;
      start = end + 1;
    }
    hold(chunk.subarray(start));
  });
  stream.on('end', () => {
    if (heldBytes > 0) emit(false);
  });
}
