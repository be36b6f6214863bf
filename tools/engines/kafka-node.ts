import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../process/run-command.ts'
import type { SupervisedProcess } from '../process/supervised-process.ts'
import { createEngineProcess } from './engine-process.ts'

/** One Kafka process in KRaft mode; its storage is formatted when it is empty. */
export interface KafkaNodeOptions {
  name: string
  /** A folder of its own; properties and log are next to it. */
  home: string
  /** The folder of Kafka's jars. */
  jars: string
  /** The content of server.properties, with `log.dirs`. */
  properties: Record<string, string | number>
  /** 16 bytes in base64url, the same for all nodes of a cluster. */
  clusterId: string
  isReady(): Promise<boolean>
  onRestart?: (message: string) => void
}

const START_MS_MAX = 90_000
const FORMAT_MS_MAX = 60_000
const HEAP = '-Xmx512m'
/** The options of Kafka's own start script. */
const JVM = [
  HEAP,
  '-server',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
]

export function createKafkaNode(options: KafkaNodeOptions): SupervisedProcess {
  const { name, home, jars, isReady, onRestart } = options
  const log4j = `${home}.log4j2.yaml`
  const properties = `${home}.properties`
  const java = [...JVM, `-Dlog4j2.configurationFile=${log4j}`, '-cp', join(jars, '*')]
  return createEngineProcess({
    name,
    command: 'java',
    args: [...java, 'kafka.Kafka', properties],
    home,
    /** Written at each start: ports may change while the data stays. */
    async prepare() {
      writeFileSync(log4j, LOG4J)
      const lines = Object.entries(options.properties).map(([key, value]) => `${key}=${value}`)
      writeFileSync(properties, `${lines.join('\n')}\n`)
      if (!existsSync(join(String(options.properties['log.dirs']), 'meta.properties')))
        await formatStorage(java, properties, options.clusterId)
    },
    isReady,
    startMsMax: START_MS_MAX,
    stopSteps: [
      { signal: 'SIGTERM', graceMs: 12_000 },
      { signal: 'SIGKILL', graceMs: 5_000 },
    ],
    onRestart,
  })
}

async function formatStorage(java: string[], properties: string, clusterId: string): Promise<void> {
  const args = ['format', `--cluster-id=${clusterId}`, '--config', properties, '--ignore-formatted']
  const { code, output } = await runCommand('java', [...java, 'kafka.tools.StorageTool', ...args], {
    timeoutMs: FORMAT_MS_MAX,
  })
  if (code !== 0) throw new Error(`Kafka could not format its storage: ${output || `exit ${code}`}`)
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
