import { isOperator } from '../../../identity/viewer.ts'
import {
  type LagReport,
  type OffsetGap,
  type OtherLog,
  type PartitionProgress,
  readLag,
} from '../../../queries/pipeline/lag.ts'
import { readUnaccounted } from '../../../queries/pipeline/unaccounted.ts'
import type { Builder } from '../builder.ts'
import { needs } from '../permissions.ts'

/** The report, or what a tenant's key may see of it. */
type Visible<T, Hidden extends keyof T> = Omit<T, Hidden> & { [K in Hidden]: T[K] | null }
type VisiblePartition = Visible<PartitionProgress, 'position' | 'end' | 'lag'>
type VisibleGap = Visible<OffsetGap, 'expected' | 'available'>
interface VisibleLag extends Visible<Omit<LagReport, 'partitions' | 'gaps'>, 'applied' | 'lag'> {
  partitions: VisiblePartition[]
  gaps: VisibleGap[]
  unaccounted: number
}

export function addPipeline(builder: Builder): void {
  const partition = builder.objectRef<VisiblePartition>('PartitionProgress').implement({
    fields: (t) => ({
      partition: t.exposeInt('partition'),
      position: t.exposeFloat('position', {
        nullable: true,
        description:
          'The first offset that no worker has applied yet; null except for the operator.',
      }),
      end: t.exposeFloat('end', {
        nullable: true,
        description: 'The offset that the next record will get; null except for the operator.',
      }),
      lag: t.exposeFloat('lag', { nullable: true, description: 'Null except for the operator.' }),
      worker: t.exposeString('worker', {
        nullable: true,
        description: 'The worker that consumes it; null without one, and except for the operator.',
      }),
    }),
  })

  const gap = builder.objectRef<VisibleGap>('OffsetGap').implement({
    fields: (t) => ({
      partition: t.exposeInt('partition'),
      expected: t.exposeFloat('expected', {
        nullable: true,
        description: 'The next offset to read; null except for the operator.',
      }),
      available: t.exposeFloat('available', {
        nullable: true,
        description: 'The nearest offset that the log holds; null except for the operator.',
      }),
      seenAt: t.expose('seenAt', { type: 'DateTime' }),
    }),
  })

  const otherLog = builder.objectRef<OtherLog>('OtherLog').implement({
    description:
      'Two logs: the one that the stored offsets belong to, and the one that is configured.',
    fields: (t) => ({
      recorded: t.exposeString('recorded'),
      found: t.exposeString('found'),
    }),
  })

  const pipeline = builder.objectRef<VisibleLag>('Pipeline').implement({
    description: 'The pipeline from the log to the tables, which all tenants share.',
    fields: (t) => ({
      partitions: t.expose('partitions', { type: [partition] }),
      applied: t.exposeFloat('applied', {
        nullable: true,
        description: 'Records applied since the log began; null except for the operator.',
      }),
      lag: t.exposeFloat('lag', {
        nullable: true,
        description:
          'Records that are not applied yet, in all partitions together; null except for the operator.',
      }),
      gaps: t.expose('gaps', {
        type: [gap],
        description:
          'Records missing from the log; their partitions are paused until an operator skips them.',
      }),
      unaccounted: t.exposeFloat('unaccounted', {
        description:
          'Events of the last month without an outcome, and outcomes without an event, as the regular comparison found them: 0 unless something is wrong. Of all tenants together.',
      }),
      otherLog: t.expose('otherLog', {
        type: otherLog,
        nullable: true,
        description:
          'Set where the stored offsets belong to another log: all partitions are paused until an operator decides ("sluice offsets adopt").',
      }),
    }),
  })

  builder.queryField('pipeline', (t) =>
    t.field({
      ...needs('pipeline.read'),
      type: pipeline,
      description: 'How far the workers are behind the log, partition by partition.',
      complexity: 20,
      async resolve(_, __, { viewer, db, log }) {
        const [report, { events: unaccounted }] = await Promise.all([
          readLag(db, log),
          readUnaccounted(db),
        ])
        return { ...(isOperator(viewer) ? report : withoutTotals(report)), unaccounted }
      },
    }),
  )
}

/** Offsets tell how much all tenants together send, and a worker's name is its host's. */
function withoutTotals({ partitions, gaps, otherLog }: LagReport): Omit<VisibleLag, 'unaccounted'> {
  return {
    partitions: partitions.map(({ partition }) => ({
      partition,
      position: null,
      end: null,
      lag: null,
      worker: null,
    })),
    applied: null,
    lag: null,
    // Where records are missing concerns everybody, how many there are nobody but the operator.
    gaps: gaps.map((gap) => ({ ...gap, expected: null, available: null })),
    // Nor do the ids of clusters concern anybody else.
    otherLog: otherLog && { recorded: 'another log', found: 'this log' },
  }
}
