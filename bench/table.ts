import type { Cell } from './benchmark.ts'

function text(cell: Cell | undefined): string {
  if (cell === undefined) return ''
  if (typeof cell === 'string') return cell
  if (Number.isInteger(cell)) return cell.toLocaleString('en')
  return cell.toLocaleString('en', { maximumSignificantDigits: 4 })
}

/** Rows of equal keys as a Markdown table, so that what is printed can be pasted into docs/benchmarks.md. */
export function markdownTable(rows: readonly Readonly<Record<string, Cell>>[]): string {
  const columns = [...new Set(rows.flatMap(row => Object.keys(row)))]
  const cells = rows.map(row => columns.map(column => text(row[column])))
  const widths = columns.map((column, index) => Math.max(column.length, ...cells.map(row => row[index]!.length)))
  const line = (parts: readonly string[]): string => `| ${parts.map((part, index) => part.padEnd(widths[index]!)).join(' | ')} |`
  return [line(columns), line(widths.map(width => '-'.repeat(width))), ...cells.map(line)].join('\n')
}
