export type CsvCell = string | number | boolean | null

/**
 * One line of CSV (RFC 4180) without its line break, safe to open in a spreadsheet. Text that a spreadsheet would
 * take for a formula begins with an apostrophe, as OWASP recommends against CSV injection; numbers stay numbers.
 */
export function csvLine(cells: readonly CsvCell[]): string {
  return cells.map(csvCell).join(',')
}

/** The full-width forms are what East Asian input methods type for = + - @. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/
const NUMBER = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/
/** Besides what RFC 4180 names, separators that some languages use: in quotes none of them begins another cell. */
const QUOTED = /[",;\t\r\n]/

function csvCell(cell: CsvCell): string {
  if (typeof cell !== 'string') return cell === null ? '' : String(cell)
  const safe = FORMULA.test(cell) && !NUMBER.test(cell) ? `'${cell}` : cell
  return QUOTED.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
