import {
  type LagReport,
  type OffsetGap,
  type OtherLog,
  type PartitionProgress,
  readLag,
} from '../../../queries/pipeline/lag.ts'
import type { Builder } from '../builder.ts'

export function addPipeline(builder: Builder): void {
  const partition = builder.objectRef<PartitionProgress>('PartitionProgress').implement({
    fields: (t) => ({
      partition: t.exposeInt('partition'),
      position: t.exposeFloat('position', {
        description: 'The first offset that no worker has applied yet.',
      }),
      end: t.exposeFloat('end', { description: 'The offset that the next record will get.' }),
      lag: t.exposeFloat('lag'),
      worker: t.exposeString('worker', {
        nullable: true,
        description: 'The worker that consumes it; null without one, and for API keys.',
      }),
    }),
  })

  const gap = builder.objectRef<OffsetGap>('OffsetGap').implement({
    fields: (t) => ({
      partition: t.exposeInt('partition'),
      expected: t.exposeFloat('expected', { description: 'The next offset to read.' }),
      available: t.exposeFloat('available', {
        description: 'The nearest offset that the log holds.',
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

  const pipeline = builder.objectRef<LagReport>('Pipeline').implement({
    description: 'The pipeline from the log to the tables, which all tenants share.',
    fields: (t) => ({
      partitions: t.expose('partitions', { type: [partition] }),
      applied: t.exposeFloat('applied', { description: 'Records applied since the log began.' }),
      lag: t.exposeFloat('lag', {
        description: 'Records that are not applied yet, in all partitions together.',
      }),
      gaps: t.expose('gaps', {
        type: [gap],
        description:
          'Records missing from the log; their partitions are paused until an operator skips them.',
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
      type: pipeline,
      description: 'How far the workers are behind the log, partition by partition.',
      complexity: 20,
      async resolve(_, __, { viewer, db, log }) {
        const { kind } = await viewer()
        const report = await readLag(db, log)
        if (kind === 'SESSION') return report
        // Offsets are in the response to every event that is sent; a worker's name is its host's, which only the operator sees.
        const partitions = report.partitions.map((each) => ({ ...each, worker: null }))
        // Nor do the ids of clusters concern anybody else.
        const otherLog = report.otherLog && { recorded: 'another log', found: 'this log' }
        return { ...report, partitions, otherLog }
      },
    }),
  )
}
