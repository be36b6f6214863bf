import { expect, test } from 'vitest'
import { csvLine } from './csv.ts'

test.each([
  ['=1+1', "'=1+1"],
  ['@SUM(1)', "'@SUM(1)"],
  ['-2+3', "'-2+3"],
  ['+cmd|x', "'+cmd|x"],
  ['\t=1', '"\'\t=1"'],
  ['\r=1', '"\'\r=1"'],
  ['\n=1', '"\'\n=1"'],
  ['＝1+1', "'＝1+1"],
  ['=HYPERLINK("http://evil.example","x")', '"\'=HYPERLINK(""http://evil.example"",""x"")"'],
  // In countries where a semicolon separates cells.
  ['a;=1+1', '"a;=1+1"'],
])('a spreadsheet does not take the text %j for a formula', (text, cell) => {
  expect(csvLine([text])).toBe(cell)
})

test('numbers, dates and ordinary text stay as they are', () => {
  const cells = [-2, 1e21, -0.5, true, null, '-2.5', '-1e9', '2026-11-30T00:00:00Z', 'a=b', 'x-1']
  expect(csvLine(cells)).toBe('-2,1e+21,-0.5,true,,-2.5,-1e9,2026-11-30T00:00:00Z,a=b,x-1')
})

test('text with separators, quotes or line breaks stays one cell', () => {
  expect(csvLine(['a,b', 'say "hi"', 'two\r\nlines'])).toBe('"a,b","say ""hi""","two\r\nlines"')
})
