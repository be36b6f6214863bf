import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startEngines } from '../../tools/engines/engines.ts'
import { ensureKafkaJars } from '../../tools/engines/kafka-jars.ts'
import { describeMissing, missingTools } from '../../tools/engines/tools.ts'
import { stopLeftovers } from '../../tools/process/pid-file.ts'
import { isAlive } from '../../tools/process/processes.ts'

/**
 * One Kafka broker without topics and one Redis for all test files of the project.
 * Where a program is missing the files are skipped, by name and with the reason; in CI, and where these
 * tests were asked for, that is a failure.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  if (!(await checkTools(project))) return async () => {}
  await sweep()
  const home = join(tmpdir(), `${PREFIX}${process.pid}`)
  mkdirSync(home, { recursive: true })
  const engines = await startEngines({
    home,
    kafka: { brokers: 1, topics: false },
    redis: true,
    onStep: (step) => console.log(`  engines: ${step} …`),
  })
  project.provide('kafkaBrokers', engines.kafka?.brokers ?? [])
  project.provide('redisUrl', engines.redis?.url ?? '')
  return async () => {
    // Nothing of theirs is needed any more: no reason to wait for an orderly end.
    await Promise.all([engines.redis, ...(engines.kafka?.nodes ?? [])].map((each) => each?.kill()))
    await engines.stop()
    rmSync(home, { recursive: true, force: true })
  }
}

/**
 * Whether all programs that the engines need are on this machine; provides `enginesMissing`.
 * @throws in CI, and where these tests were asked for, when one is missing
 */
export async function checkTools(project: TestProject): Promise<boolean> {
  const missing = await findMissing()
  project.provide('enginesMissing', missing?.[0] ?? '')
  if (!missing) return true
  const [what, remedy] = missing
  if (process.env.CI || isAskedFor(project)) throw new Error(`${what} To fix it: ${remedy}`)
  const { testFiles } = await project.globTestFiles()
  console.warn(
    [
      `\n  SKIPPED, ${testFiles.length} test files that need real engines: ${what}`,
      ...testFiles.map((file) => `    ${file.slice(project.config.root.length + 1)}`),
      `  To run them: ${remedy}, then npm run test:engines\n`,
    ].join('\n'),
  )
  return false
}

async function findMissing(): Promise<[what: string, remedy: string] | undefined> {
  const tools = missingTools({ kafka: true, redis: true })
  if (tools.length > 0) return describeMissing(tools)
  try {
    await ensureKafkaJars((step) => console.log(`  engines: ${step} …`))
    return undefined
  } catch (error) {
    return [(error as Error).message, 'connect this machine to a network']
  }
}

const PREFIX = 'sluice-engines-'

/** By `--project engines`, as `npm run test:engines` does. */
function isAskedFor(project: TestProject): boolean {
  return project.vitest.config.project?.includes(project.name) === true
}

/** What runs that were killed left behind. */
async function sweep(): Promise<void> {
  for (const name of readdirSync(tmpdir())) {
    const pid = Number(new RegExp(`^${PREFIX}(\\d+)$`).exec(name)?.[1])
    if (!pid || isAlive(pid)) continue
    await stopLeftovers(join(tmpdir(), name))
    rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

declare module 'vitest' {
  export interface ProvidedContext {
    /** Why no test that needs engines can run here; '' where they can. */
    enginesMissing: string
    /** host:port of a broker without topics: each test makes its own. */
    kafkaBrokers: string[]
    /** Of a Redis that all test files share: take keys that nobody else takes. */
    redisUrl: string
  }
}
