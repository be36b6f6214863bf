import { UsageError } from '../../core/lib/usage-error.ts'
import { lockHome, unlockHome } from '../process/home-lock.ts'
import { type Engines, startEngines } from './engines.ts'
import { readSaved, removeState, writeEnv, writeSaved, writeState } from './state.ts'
import type { SupervisorMessage } from './supervisor-message.ts'

/**
 * The process that `npm run engines` leaves running: the engines are its children, it restarts one that ends
 * by itself, and `npm run engines -- stop` sends it SIGTERM. When it is killed, its engines end too.
 * Arguments: the folder and the number of Kafka brokers.
 */
const [home = '', brokers = '1'] = process.argv.slice(2)
/** The ports of the first start, if they are free; every later start uses those of the last one. */
const DEFAULT_PORTS = {
  postgres: 5432,
  redis: 6379,
  kafka: [9092, 9093, 9094].map((broker) => ({ broker, controller: broker + 100 })),
}
const PIDS_CHECKED_EVERY_MS = 1_000
const startedAt = new Date()
let engines: Engines | undefined
let stopping = false

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void stop())

try {
  const owner = lockHome(home)
  if (owner !== undefined)
    throw new UsageError(
      `Another start on ${home} is under way (process ${owner}).`,
      'Wait until "npm run engines -- status" shows that it is ready.',
    )
  await start()
} catch (error) {
  send({ failed: (error as Error).message, hint: (error as UsageError).hint })
  await stop(1)
}

async function start(): Promise<void> {
  const saved = readSaved(home)
  engines = await startEngines({
    home,
    postgres: true,
    redis: true,
    kafka: { brokers: Number(brokers) },
    ports: {
      ...DEFAULT_PORTS,
      ...saved.ports,
      kafka: DEFAULT_PORTS.kafka.map((ports, i) => saved.ports.kafka?.[i] ?? ports),
    },
    onStep: (step) => send({ step }),
    onRestart: (message) => console.log(`${new Date().toISOString()} ${message}`),
  })
  if (stopping) return
  writeSaved(home, saved, engines.ports)
  const state = writeState(home, engines, startedAt)
  writeEnv(state, saved)
  // The timer also keeps this process alive; nothing else does.
  setInterval(updatePids, PIDS_CHECKED_EVERY_MS, pidsOf(engines))
  send({ ready: state })
  if (process.connected) process.disconnect()
}

function updatePids(written: (number | undefined)[]): void {
  if (!engines || stopping) return
  const now = pidsOf(engines)
  if (now.join() === written.join()) return
  written.splice(0, written.length, ...now)
  writeState(home, engines, startedAt)
}

function pidsOf({ postgres, redis, kafka }: Engines): (number | undefined)[] {
  return [postgres?.pid, redis?.pid, ...(kafka?.pids ?? [])]
}

async function stop(code = 0): Promise<void> {
  if (stopping) return
  stopping = true
  try {
    await engines?.stop()
  } catch (error) {
    console.log(String(error))
    code = 1
  }
  removeState(home)
  unlockHome(home)
  process.exit(code)
}

function send(message: SupervisorMessage): void {
  // The process that started us may have gone; the engines stay.
  if (process.connected) process.send?.(message, () => {})
}
