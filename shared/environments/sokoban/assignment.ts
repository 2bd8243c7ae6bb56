/**
 * Least total cost of giving every row a column of its own, by shortest augmenting paths with potentials (Kuhn 1955; in the
 * O(n³) form of Jonker and Volgenant 1987, "A shortest augmenting path algorithm for dense and sparse linear assignment problems").
 * @param costs n × n; Infinity forbids a pair
 * @returns Infinity when no assignment is allowed
 */
export function assignmentCost(costs: readonly (readonly number[])[]): number {
  const n = costs.length
  const rowPotential = new Float64Array(n)
  // Column n stands for the row that is being given a column.
  const columnPotential = new Float64Array(n + 1)
  const rowOf = new Int32Array(n + 1).fill(-1)
  for (let row = 0; row < n; row++) {
    const slack = new Float64Array(n).fill(Infinity)
    const from = new Int32Array(n).fill(n)
    const settled = new Uint8Array(n + 1)
    rowOf[n] = row
    let column = n
    while (rowOf[column] !== -1) {
      settled[column] = 1
      const next = relax(column, slack, from, settled)
      if (next === undefined) return Infinity
      const delta = slack[next]!
      for (let other = 0; other <= n; other++) {
        if (settled[other] === 1) {
          rowPotential[rowOf[other]!]! += delta
          columnPotential[other]! -= delta
        } else slack[other]! -= delta
      }
      column = next
    }
    while (column !== n) {
      rowOf[column] = rowOf[from[column]!]!
      column = from[column]!
    }
  }
  return 0 - columnPotential[n]!

  /** Offers every unsettled column the way through `column`. @returns the nearest one, undefined when none can be reached */
  function relax(column: number, slack: Float64Array, from: Int32Array, settled: Uint8Array): number | undefined {
    const row = rowOf[column]!
    let nearest: number | undefined
    for (let other = 0; other < n; other++) {
      if (settled[other] === 1) continue
      const reduced = costs[row]![other]! - rowPotential[row]! - columnPotential[other]!
      if (reduced < slack[other]!) {
        slack[other] = reduced
        from[other] = column
      }
      if (slack[other]! < (nearest === undefined ? Infinity : slack[nearest]!)) nearest = other
    }
    return nearest
  }
}
