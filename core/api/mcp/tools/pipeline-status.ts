import { z } from 'zod'
import { infoOf } from '../../operations/run-operation.ts'
import { factsOf } from './facts.ts'
import { defineTool, rangeOf } from './tool.ts'

const DOCUMENT = `query McpPipeline($start: DateTime!, $end: DateTime!) {
  pipeline { lag gaps { partition seenAt } otherLog { recorded } partitions { partition worker } }
  totals(startTime: $start, endTime: $end, names: 0) { count previousCount deadLetters duplicates conflicting }
  all: metrics(name: "*", startTime: $start, endTime: $end, interval: TOTAL) { value }
}`

interface PipelineData {
  pipeline: {
    lag: number | null
    gaps: { partition: number; seenAt: string }[]
    otherLog: object | null
    partitions: { partition: number; worker: string | null }[]
  }
  totals: {
    count: number
    previousCount: number
    deadLetters: number
    duplicates: number
    conflicting: number
  }
}

export const pipelineStatus = defineTool({
  name: 'pipeline_status',
  permission: 'pipeline.read',
  description:
    'Whether numbers are up to date: up to when they are final, paused partitions, and what became of the events of the last 24 hours (stored, duplicates, dead letters).',
  schema: z.strictObject({}),
  async call(_, context) {
    const range = rangeOf({ last: '24h' }, context.now())
    const { data, extensions } = await context.run<PipelineData>(DOCUMENT, { ...range })
    const { pipeline, totals } = data
    const info = infoOf(extensions, 'all')
    const notes: string[] = []
    if (pipeline.gaps.length > 0)
      notes.push(
        `records are missing from the log in ${pipeline.gaps.length} partitions, which are paused until an operator decides; numbers since ${pipeline.gaps[0]?.seenAt} are incomplete.`,
      )
    if (pipeline.otherLog)
      notes.push(
        'the stored offsets belong to another log; nothing is read until an operator decides.',
      )
    if (pipeline.lag === null)
      notes.push('how many records wait in the log is shown to operators only, not to API keys.')
    return {
      facts: {
        range: `${range.start} to ${range.end}`,
        stored_24h: totals.count,
        stored_24h_before: totals.previousCount,
        duplicates_24h: totals.duplicates,
        conflicting_duplicates_24h: totals.conflicting,
        dead_letters_24h: totals.deadLetters,
        partitions: pipeline.partitions.length,
        paused_partitions: pipeline.otherLog ? pipeline.partitions.length : pipeline.gaps.length,
        ...(pipeline.lag !== null && { records_not_applied: pipeline.lag }),
        ...factsOf(info),
      },
      notes,
      subject: { link: context.link({ from: range.start, to: range.end }) },
    }
  },
})
