import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEngineProcess, type EngineProcess } from '../process/supervised-process.ts'

/** One Kafka process in KRaft mode, its storage formatted when it is empty. */
export interface KafkaNodeOptions {
  name: string
  /** A folder of its own; properties and log are beside it. */
  home: string
  /** The folder of Kafka's jars. */
  jars: string
  /** What server.properties would say, with `log.dirs`. */
  properties: Record<string, string | number>
  /** 16 bytes in base64url; all nodes of a cluster share it. */
  clusterId: string
  answers(): Promise<boolean>
  onRestart?: (why: string) => void
}

const START_MS_MAX = 90_000
const FORMAT_MS_MAX = 60_000
const HEAP = '-Xmx512m'
/** As Kafka's own start script has them. */
const JVM = [
  HEAP,
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
]

export function createKafkaNode(options: KafkaNodeOptions): EngineProcess {
  const { name, home, jars, answers, onRestart } = options
  const log4j = `${home}.log4j2.yaml`
  const properties = `${home}.properties`
  const java = [...JVM, `-Dlog4j2.configurationFile=${log4j}`, '-cp', join(jars, '*')]
  const node = createEngineProcess({
    name,
    command: 'java',
    args: [...java, 'kafka.Kafka', properties],
    home,
    answers,
    startMsMax: START_MS_MAX,
    stopSteps: [
      { signal: 'SIGTERM', graceMs: 12_000 },
      { signal: 'SIGKILL', graceMs: 5_000 },
    ],
    onRestart,
  })

  /** Written anew with each start: ports may change, the data stay. */
  async function prepare(): Promise<void> {
    mkdirSync(home, { recursive: true })
    writeFileSync(log4j, LOG4J)
    const lines = Object.entries(options.properties).map(([key, value]) => `${key}=${value}`)
    writeFileSync(properties, `${lines.join('\n')}\n`)
    if (!existsSync(join(String(options.properties['log.dirs']), 'meta.properties')))
      await format(java, properties, options.clusterId)
  }

  return {
    get pid() {
      return node.pid
    },
    async start() {
      if (node.pid === undefined) await prepare()
      await node.start()
    },
    stop: () => node.stop(),
    kill: () => node.kill(),
  }
}

async function format(java: string[], properties: string, clusterId: string): Promise<void> {
  const args = ['format', `--cluster-id=${clusterId}`, '--config', properties, '--ignore-formatted']
  const child = spawn('java', [...java, 'kafka.tools.StorageTool', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: FORMAT_MS_MAX,
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
  if (code !== 0)
    throw new Error(`Kafka could not make its storage: ${said.trim() || `exit ${code}`}`)
}

const LOG4J = `Configuration:
  Appenders:
    Console:
      name: out
      PatternLayout: { pattern: "%d{ISO8601} %p %m (%c)%n" }
  Loggers:
    Root:
      level: WARN
      AppenderRef: [{ ref: out }]
`
