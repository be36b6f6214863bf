import { UsageError } from '../../core/lib/usage-error.ts'
import { claimHome, releaseHome } from '../../local/run-file.ts'
import { type Engines, startEngines } from './engines.ts'
import { readKept, removeState, writeEnv, writeKept, writeState } from './state.ts'
import type { FromKeeper } from './supervisor-client.ts'

/**
 * The process that `npm run engines` leaves behind: the engines are its children, it starts again what ends by
 * itself, and `npm run engines -- stop` sends it SIGTERM. Killed, it takes them along.
 * Arguments: the folder and how many Kafka brokers.
 */
const [home = '', brokers = '1'] = process.argv.slice(2)
/** Where each lives unless the port is taken; from the second start on, where it was. */
const USUAL_PORTS = {
  postgres: 5432,
  redis: 6379,
  kafka: [9092, 9093, 9094].map((broker) => ({ broker, controller: broker + 100 })),
}
const NOTE_EVERY_MS = 1_000
const startedAt = new Date()
let engines: Engines | undefined
let stopping = false

for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, () => void end())

try {
  const first = claimHome(home)
  if (first !== undefined)
    throw new UsageError(
      `Another start on ${home} is under way (process ${first}).`,
      'Wait for it; "npm run engines -- status" tells when it is ready.',
    )
  await start()
} catch (error) {
  tell({ failed: (error as Error).message, hint: (error as UsageError).hint })
  await end(1)
}

async function start(): Promise<void> {
  const kept = readKept(home)
  engines = await startEngines({
    home,
    postgres: true,
    redis: true,
    kafka: { brokers: Number(brokers) },
    ports: {
      ...USUAL_PORTS,
      ...kept.ports,
      kafka: USUAL_PORTS.kafka.map((usual, i) => kept.ports.kafka?.[i] ?? usual),
    },
    onStep: (step) => tell({ step }),
    onRestart: (why) => console.log(`${new Date().toISOString()} ${why}; it is started again`),
  })
  if (stopping) return
  writeKept(home, kept, engines.ports)
  const state = writeState(home, engines, startedAt)
  writeEnv(state, kept)
  // Keeps us alive, too: nothing else does.
  setInterval(noteNewPids, NOTE_EVERY_MS, pidsOf(engines))
  tell({ ready: state })
  if (process.connected) process.disconnect()
}

function noteNewPids(noted: (number | undefined)[]): void {
  if (!engines || stopping) return
  const now = pidsOf(engines)
  if (now.join() === noted.join()) return
  noted.splice(0, noted.length, ...now)
  writeState(home, engines, startedAt)
}

function pidsOf({ postgres, redis, kafka }: Engines): (number | undefined)[] {
  return [postgres?.pid, redis?.pid, ...(kafka?.pids ?? [])]
}

async function end(code = 0): Promise<void> {
  if (stopping) return
  stopping = true
  try {
    await engines?.stop()
  } catch (error) {
    console.log(String(error))
    code = 1
  }
  removeState(home)
  releaseHome(home)
  process.exit(code)
}

function tell(what: FromKeeper): void {
  // Whoever asked may have gone; the engines stay.
  if (process.connected) process.send?.(what, () => {})
}
