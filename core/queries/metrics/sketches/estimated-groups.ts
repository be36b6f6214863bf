import { DDSketch } from '../../../lib/sketches/ddsketch.ts'
import { HyperLogLog, UNIQUES_STANDARD_ERROR } from '../../../lib/sketches/hyperloglog.ts'
import { QUERY_LIMITS } from '../../limits.ts'
import { OTHER } from '../../sql/names.ts'
import type { Aggregate } from '../metrics-args.ts'
import type { OpenPart } from './open-events.ts'

/** One sketch for each bucket of the result and group of events. */
export interface EstimatedGroups {
  addStored(bucket: number, name: string, count: number, bytes: Uint8Array | null): void
  addOpen(bucket: number, part: OpenPart): void
  /** Groups beyond the largest are counted together, as `(other)`. */
  finish(): EstimatedValues
}

export interface EstimatedValues {
  groups: number
  errorBound: number
  /** Sorted by bucket, then the largest groups first. */
  values: { bucket: number; name: string; value: number }[]
}

interface Cell {
  count: number
  uniques: HyperLogLog | undefined
  quantiles: DDSketch | undefined
}

const QUANTILES: Partial<Record<Aggregate, number>> = { P50: 0.5, P95: 0.95, P99: 0.99 }

export function createEstimatedGroups(aggregate: Aggregate): EstimatedGroups {
  const q = QUANTILES[aggregate]
  const names = new Map<string, Map<number, Cell>>()

  function cellOf(bucket: number, name: string): Cell {
    let cells = names.get(name)
    if (!cells) {
      cells = new Map()
      names.set(name, cells)
    }
    let cell = cells.get(bucket)
    if (!cell) {
      cell = { count: 0, uniques: undefined, quantiles: undefined }
      cells.set(bucket, cell)
    }
    return cell
  }

  function estimateOf({ uniques, quantiles }: Cell): number | undefined {
    return q === undefined ? (uniques?.estimate() ?? 0) : quantiles?.quantile(q)
  }

  return {
    addStored(bucket, name, count, bytes) {
      const cell = cellOf(bucket, name)
      cell.count += count
      if (bytes === null) return
      const sketch: Partial<Cell> =
        q === undefined
          ? { uniques: HyperLogLog.fromBytes(bytes) }
          : { quantiles: DDSketch.fromBytes(bytes) }
      mergeInto(cell, sketch)
    },
    addOpen(bucket, { name, count, high, low, reduced, bin, min, max }) {
      const cell = cellOf(bucket, name)
      cell.count += count
      if (q === undefined && high !== null) {
        cell.uniques ??= new HyperLogLog()
        if (reduced) cell.uniques.toDense()
        cell.uniques.addHash(high, low as number)
      } else if (q !== undefined && bin !== null) {
        cell.quantiles ??= new DDSketch()
        cell.quantiles.addBin(bin, count, min as number, max as number)
      }
    },
    finish() {
      const ranked = [...names]
        .map(([name, cells]) => ({ name, cells, count: countOf(cells) }))
        .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
      const listed = ranked.slice(0, QUERY_LIMITS.groupsMax)
      const others = new Map<number, Cell>()
      for (const { cells } of ranked.slice(QUERY_LIMITS.groupsMax))
        for (const [bucket, cell] of cells) {
          const other = others.get(bucket)
          if (other) mergeInto(other, cell)
          else others.set(bucket, cell)
        }
      if (others.size > 0) listed.push({ name: OTHER, cells: others, count: 0 })
      let errorBound = q === undefined ? UNIQUES_STANDARD_ERROR : 0
      const values: EstimatedValues['values'] = []
      for (const { name, cells } of listed)
        for (const [bucket, cell] of cells) {
          const value = estimateOf(cell)
          if (value === undefined) continue
          values.push({ bucket, name, value })
          errorBound = Math.max(errorBound, cell.quantiles?.errorBound ?? 0)
        }
      // Stable: groups stay in their order.
      values.sort((a, b) => a.bucket - b.bucket)
      return { groups: ranked.length, errorBound, values }
    },
  }
}

function mergeInto(cell: Cell, { uniques, quantiles }: Partial<Cell>): void {
  if (uniques && cell.uniques) cell.uniques.merge(uniques)
  else cell.uniques ??= uniques
  if (quantiles && cell.quantiles) cell.quantiles.merge(quantiles)
  else cell.quantiles ??= quantiles
}

function countOf(cells: ReadonlyMap<number, Cell>): number {
  let count = 0
  for (const cell of cells.values()) count += cell.count
  return count
}
