import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from '../../core/lib/paths.ts'
import { runCommand } from '../process/run-command.ts'

const POM = fileURLToPath(new URL('./pom.xml', import.meta.url))
const RESOLVE_MS_MAX = 600_000

/** The folder of the jars: one for each content that pom.xml ever had. */
export function jarsFolder(): string {
  const pom = readFileSync(POM, 'utf8')
  const hash = createHash('sha256').update(pom).digest('hex').slice(0, 8)
  const version = /<kafka\.version>(.+?)</.exec(pom)?.[1]
  return join(ROOT, 'node_modules', '.cache', 'sluice', `kafka-${version}-${hash}`)
}

/**
 * The folder with Kafka's jars, 43 MB: Maven downloads them once as pom.xml lists them, checks their
 * checksums, and they stay until pom.xml changes.
 */
export async function ensureKafkaJars(onStep: (step: string) => void = () => {}): Promise<string> {
  const jars = jarsFolder()
  if (existsSync(jars)) return jars
  onStep('Downloading Kafka with Maven, 43 MB, once')
  // Downloaded into another folder and renamed when complete, so that two downloads at once do no harm.
  const incomplete = `${jars}.${process.pid}`
  mkdirSync(dirname(jars), { recursive: true })
  try {
    await runMaven([
      '-C',
      '-f',
      POM,
      'dependency:copy-dependencies',
      `-DoutputDirectory=${incomplete}`,
    ])
    try {
      renameSync(incomplete, jars)
    } catch (error) {
      if (!existsSync(jars)) throw error
    }
  } finally {
    rmSync(incomplete, { recursive: true, force: true })
  }
  return jars
}

async function runMaven(args: string[]): Promise<void> {
  const { code, output } = await runCommand('mvn', ['-B', '-q', ...args], {
    timeoutMs: RESOLVE_MS_MAX,
  })
  if (code === 0) return
  const reason = output.split('\n').find((line) => line.includes('ERROR')) ?? `exit ${code}`
  throw new Error(`Maven could not download Kafka's jars: ${reason.replace(/^.*?ERROR\S*\s*/, '')}`)
}
