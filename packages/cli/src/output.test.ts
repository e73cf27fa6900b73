import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Column, formatDuration, formatTable, oneLine, printable } from './output.ts';

describe('text for a terminal', () => {
  it('cannot steer it', () => {
    assert.equal(printable('\u001b[31mred\u001b[0m\u0007 a\u202eb\r'), 'red\\u0007 a\\u202eb\\u000d');
    assert.equal(printable('two\nlines\tand a tab'), 'two\nlines\tand a tab');
  });

  it('is shortened to a line by characters, not by code units', () => {
    assert.equal(oneLine('a\n  b', 10), 'a b');
    assert.equal(oneLine('😀😀😀😀', 3), '😀😀…');
  });
});

describe('a table', () => {
  const columns: readonly Column<string[]>[] = [
    { header: 'ID', value: ([id = '']) => id },
    { header: 'NAME', value: ([, name = '']) => name, shrinks: true },
    { header: 'N', value: ([, , count = '']) => count },
  ];

  it('has columns as wide as their widest cell', () => {
    const rows = [
      ['1', 'a long name', '7'],
      ['22', 'b', '8'],
    ];
    assert.equal(
      formatTable(rows, columns, undefined),
      'ID  NAME         N\n1   a long name  7\n22  b            8',
    );
  });

  it('fits the terminal by shortening the column that shrinks', () => {
    const table = formatTable([['1', 'x'.repeat(50), '7']], columns, 30);
    assert.deepEqual(table.split('\n'), ['ID  NAME                     N', `1   ${'x'.repeat(22)}…  7`]);
  });

  it('keeps a row on one line whatever a cell holds', () => {
    assert.equal(formatTable([['1', 'a\nb\u001b[2J', '7']], columns, undefined).split('\n').length, 2);
  });
});

it('durations are said in the unit that fits', () => {
  assert.deepEqual([3.4, 2_400, 200_000, 7_500_000].map(formatDuration), [
    '3 ms',
    '2.4 s',
    '3 min 20 s',
    '2 h 5 min',
  ]);
});
