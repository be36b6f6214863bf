import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ROOT } from '../../core/lib/paths.ts'

const POM = fileURLToPath(new URL('./pom.xml', import.meta.url))
const RESOLVE_MS_MAX = 600_000

/** Where the jars lie once they are there: one folder for each that pom.xml ever said. */
export function jarsFolder(): string {
  const pom = readFileSync(POM, 'utf8')
  const hash = createHash('sha256').update(pom).digest('hex').slice(0, 8)
  const version = /<kafka\.version>(.+?)</.exec(pom)?.[1]
  return join(ROOT, 'node_modules', '.cache', 'sluice', `kafka-${version}-${hash}`)
}

/**
 * The folder with Kafka's jars, 43 MB: Maven gathers them once from pom.xml, checks their sums, and they stay
 * for as long as pom.xml says the same.
 */
export async function kafkaJars(onStep: (step: string) => void = () => {}): Promise<string> {
  const jars = jarsFolder()
  if (existsSync(jars)) return jars
  onStep('Kafka from Maven, 43 MB, once')
  // Beside it, then moved whole: nobody finds half of them, and two that resolve at once do no harm.
  const fresh = `${jars}.${process.pid}`
  mkdirSync(dirname(jars), { recursive: true })
  try {
    await maven(['-C', '-f', POM, 'dependency:copy-dependencies', `-DoutputDirectory=${fresh}`])
    try {
      renameSync(fresh, jars)
    } catch (error) {
      if (!existsSync(jars)) throw error
    }
  } finally {
    rmSync(fresh, { recursive: true, force: true })
  }
  return jars
}

async function maven(args: string[]): Promise<void> {
  const child = spawn('mvn', ['-B', '-q', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RESOLVE_MS_MAX,
    killSignal: 'SIGKILL',
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      if (said.length < 20_000) said += chunk
    })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code === 0) return
  const why = said.split('\n').find((line) => line.includes('ERROR')) ?? `exit ${code}`
  throw new Error(`Maven could not bring Kafka's jars: ${why.replace(/^.*?ERROR\S*\s*/, '')}`)
}
