import {
  type LagReport,
  type OffsetGap,
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
        description: 'Who reads it; null where nobody does, and for keys.',
      }),
    }),
  })

  const gap = builder.objectRef<OffsetGap>('LogGap').implement({
    fields: (t) => ({
      partition: t.exposeInt('partition'),
      expected: t.exposeFloat('expected', { description: 'The next offset to read.' }),
      available: t.exposeFloat('available', {
        description: 'The nearest offset that the log holds.',
      }),
      seenAt: t.expose('seenAt', { type: 'DateTime' }),
    }),
  })

  const pipeline = builder.objectRef<LagReport>('Pipeline').implement({
    description: 'The way from the log into the tables; all tenants share it.',
    fields: (t) => ({
      partitions: t.expose('partitions', { type: [partition] }),
      applied: t.exposeFloat('applied', { description: 'Records, since the log began.' }),
      lag: t.exposeFloat('lag', { description: 'Records that wait, in all partitions together.' }),
      gaps: t.expose('gaps', {
        type: [gap],
        description: 'Where events are missing from the log: there the worker stands still.',
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
        return { ...report, partitions }
      },
    }),
  )
}
